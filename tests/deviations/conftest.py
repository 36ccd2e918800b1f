import pytest
import scripted


@pytest.fixture
def world(tmp_path):
    """To be started by the test; when it passed, the adapter must end well, too."""
    one = scripted.World(tmp_path)
    try:
        yield one
        one.stack.finish()
    finally:
        one.scef.close()
        one.server.close()
        one.stack.kill_all()
