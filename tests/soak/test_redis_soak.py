"""A short one of the soak that `./dev soak --redis` runs for as long as one likes."""

import pytest
import redis_soak


@pytest.mark.timeout(600)
def test_nothing_accepted_is_lost_by_a_redis_in_trouble(tmp_path, monkeypatch):
    monkeypatch.setattr(redis_soak, "STOPPED_S", 4)
    monkeypatch.setattr(redis_soak, "CALM_S", 0)
    broken, figures = redis_soak.run(tmp_path, 1, 20, "valkey")
    assert not broken, (broken, figures)
    for part in figures.values():
        assert part["accepted"] > 100 and part["refused"] > 20 and len(part["troubles"]) > 1, figures
