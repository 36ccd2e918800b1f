"""A short one of sim_soak.py."""

import pytest
import sim_soak


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2])
def test_the_simulator_outlives_mad_application_servers(tmp_path, seed):
    broken, figures = sim_soak.run(tmp_path, seed, 8)
    assert not broken, (broken, figures)
    assert figures["requests"] > 100 and figures["notifications"] > 5, figures
    assert figures["answers"].get("201", 0) > 5, figures
