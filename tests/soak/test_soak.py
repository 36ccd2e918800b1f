"""A short one of the soak that `./dev soak` runs for as long as one likes."""

import pytest
import soak


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_adapter_outlives_a_mad_scef(tmp_path, seed):
    broken, figures = soak.run(tmp_path, seed, 15)
    assert not broken, (broken, figures)
    assert figures["requests to the SCEF"] > 100 and figures["uplinks accepted"] > 20, figures
    assert figures["final states"].get("answered", 0) > 20 and len(figures["and badly"]) > 10, figures
