import pytest
import stack as stack_module


@pytest.fixture
def stack(tmp_path):
    """The chain, to be started by the test; when it passed, every program must end well too."""
    chain = stack_module.Stack(tmp_path)
    try:
        yield chain
        chain.finish()
    finally:
        chain.kill_all()
