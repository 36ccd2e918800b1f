"""Runs the test descriptions against scef-sim over real HTTP, by an SCS/AS of Python's standard library and a client at the
UE's air interface. As a program it prints the list with its verdicts:

    ./dev shell -- python3 tests/acceptance/test_acceptance.py
"""

import contextlib
import pathlib
import re
import sys
import tempfile
import urllib.parse

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "sim")]
from descriptions import DESCRIPTIONS, Run  # noqa: E402
from scef_sim_harness import Client, air_ue, simulators, wait_until  # noqa: E402
from scs_as import ScsAs  # noqa: E402

UE = "device-0001@iot.example.org"


class Ue:
    """The UE's side: its client, and what a subscriber, an operator or the radio does to it."""

    def __init__(self, sim, ue):
        self.sim, self.client = sim, Client(ue)

    def speak(self, data):
        self.client.send(data)

    def receive(self, timeout=10):
        try:
            return self.client.receive(timeout)
        except TimeoutError:
            return None

    def _control(self, what, method="POST"):
        status, body, _ = self.sim.control(method, f"/ues/{urllib.parse.quote(UE)}/{what}")
        assert status in (200, 204), (what, status)
        return body

    def disconnect(self):
        self.client.send(b"hello")  # to nobody yet; the air interface knows the client from now on
        wait_until(lambda: self.sim.ue(UE)["awake"])
        self._control("pdn?connected=0")

    def connect(self):
        self._control("pdn?connected=1")

    def authorise(self, allowed):
        self._control(f"authorisation?authorised={int(allowed)}")

    def terminate(self, link):
        found = re.search(r"/([^/]+)/configurations/([^/]+)$", link)
        status, _, _ = self.sim.control("POST", f"/configurations/terminate?as={found[1]}&id={found[2]}")
        assert status in (200, 204), status

    def triggers(self):
        return len(self._control("triggers", "GET"))


@contextlib.contextmanager
def world(folder):
    with simulators(folder) as start:
        ue = air_ue(UE, active_time_s=3)
        sim = start([ue], notification_retry_ms=200)
        scs_as = ScsAs(f"http://127.0.0.1:{sim.port}", "as1", UE)
        try:
            yield Run(scs_as, Ue(sim, ue))
        finally:
            scs_as.close()


@pytest.mark.parametrize("one", DESCRIPTIONS, ids=[one["id"] for one in DESCRIPTIONS])
def test_description(tmp_path, one):
    with world(tmp_path) as run:
        one["run"](run)
    assert any(kind != "stimulus" for kind, _, _ in run.steps)
    assert run.passed, [step for step in run.steps if not step[2]]


def main():
    failed = 0
    for one in DESCRIPTIONS:
        with tempfile.TemporaryDirectory() as folder, world(pathlib.Path(folder)) as run:
            one["run"](run)
        print(f"{'PASS' if run.passed else 'FAIL'}  {one['id']}: {one['objective']}  [{one['reference']}]")
        print(f"      pre-test: {one['pre_test']}")
        for number, (kind, text, passed) in enumerate(run.steps, 1):
            print(f"      {number:2} {kind:9} {'' if kind == 'stimulus' else 'ok  ' if passed else 'FAIL':4} {text}")
        failed += not run.passed
    print(f"{len(DESCRIPTIONS) - failed} of {len(DESCRIPTIONS)} passed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
