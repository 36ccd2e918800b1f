"""A short one of the crash matrix that `./dev crash` runs for thousands of lives; and nothing of it is in release."""

import crash
import pytest
import stack


@pytest.mark.timeout(900)
@pytest.mark.parametrize("store", sorted(crash.STORES))
def test_nothing_accepted_is_lost(tmp_path, store):
    done, hits, faults, figures = crash.run(1, 60, store, 2, tmp_path)
    assert not faults, faults
    assert done == 60 and sum(hits.values()) > 5, hits
    assert figures["requests accepted"] > 40 and figures["uplinks answered 2xx"] > 40, figures


def test_release_has_no_points():
    names = [name.encode() for name in crash.points_of("embedded")]
    release = (stack.TOP / "build/release/bin/scef-adapter").read_bytes()
    killable = (crash.BIN / "scef-adapter").read_bytes()
    assert len(names) > 40 and all(name in killable for name in names)
    assert not any(name in release for name in names)
    assert b"SCEF_ADAPTER_FAULT" in killable and b"SCEF_ADAPTER_FAULT" not in release
