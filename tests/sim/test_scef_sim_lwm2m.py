"""Whole LwM2M through scef-sim. The part of the adapter is played by the shortest relay there can be: one UDP socket per
device, each message passed on as it is. The judge of both clients is sim-lwm2m-server, which stands on libcoap.
"""

import base64
import contextlib
import json
import select
import socket
import subprocess
import threading

import pytest

from scef_sim_harness import BIN, air_ue, application_servers, simulators

DEV = "dev1@example.org"
OPERATIONS = """
read /3/0/0
accept 11542 read /3/0
accept 11542 read /3
accept 11542 read /3/0/13
discover /3
observe /3/0/9
wait-notify /3/0/9 2
non observe /3/0/13
wait-notify /3/0/13 1
cancel /3/0/9
cancel /3/0/13
write /1/0/1 200
non write /1/0/6 0
write /1/0 hex:c10601
execute /3/0/4 0='x'
execute /1/0/8
expect 4.00 write /1/0/1 abc
expect 4.00 write /1/0 hex:c10601c1
expect 4.04 read /99/0
expect 4.04 delete /99/0
expect 4.05 read /3/0/4
expect 4.05 write /3/0/0 x
expect 4.05 execute /3/0/9
expect 4.05 delete /3/0
expect 4.05 create /3 hex:00
expect 4.06 accept 112 read /3/0
expect 4.15 format 112 write /1/0/1 5
"""
ONLY_BUILTIN = "accept 110 read /3/0\nread /3/0/11\n"


class Relay:
    """T8 on one side, UDP on the other, and nothing in between."""

    def __init__(self, sim, application_server, server_address):
        self.sim = sim
        self.notifications = application_server.notifications
        self.configuration = sim.configure(DEV, application_server.url)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, port = server_address.split(":")
        self.socket.connect((host, int(port)))
        self.running = True
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.up, self.down)]
        for thread in self.threads:
            thread.start()

    def up(self):
        while (notification := self.notifications.get()) is not None:
            if "data" in notification[2]:
                with contextlib.suppress(ConnectionRefusedError):
                    self.socket.send(base64.b64decode(notification[2]["data"]))

    def down(self):
        while self.running:
            if select.select([self.socket], [], [], 0.1)[0]:
                with contextlib.suppress(ConnectionRefusedError):  # the server is done
                    self.sim.post(self.configuration, self.socket.recv(2048), DEV, maximumLatency=60)

    def stop(self):
        self.running = False
        self.notifications.put(None)
        for thread in self.threads:
            thread.join(5)
        self.socket.close()


@pytest.fixture
def manage(tmp_path):
    """Runs OPERATIONS on a UE; start_client(ue), if given, starts the real client. Returns the simulator at the end."""
    processes = []

    def run(name, *arguments):
        processes.append(subprocess.Popen([BIN / name, *arguments], stdout=subprocess.PIPE, text=True))
        return processes[-1]

    def manage_ue(sim, application_server, start_client=None):
        script = tmp_path / "script"
        script.write_text(OPERATIONS + ("" if start_client else ONLY_BUILTIN))
        server = run("sim-lwm2m-server", "--listen", "127.0.0.1:0", "--json", "--once", "--duration", "50", "--script", script)
        relay = Relay(sim, application_server, json.loads(server.stdout.readline())["address"])
        if start_client:
            start_client(run)
        events = [json.loads(line) for line in server.stdout]
        relay.stop()
        assert server.wait(10) == 0, "\n".join(map(str, events))
        return events

    with simulators(tmp_path) as simulator, application_servers() as application_server:
        yield simulator, application_server(), manage_ue
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("psm", [False, True])
def test_builtin_client_is_managed(manage, psm):
    simulator, as1, manage_ue = manage
    ue = {"external_id": DEV, "start_delay_ms": 700, "notify_period_s": 1, "delay_ms": [1, 20], "psm": psm, "active_time_s": 1}
    sim = simulator([ue])
    events = manage_ue(sim, as1)
    reads = [event for event in events if event["event"] == "response" and event["op"] == "read"]
    assert reads[0]["payload"] == "scef-sim"
    assert reads[2]["path"] == "/3" and reads[2]["payload_hex"].startswith("08")  # inside its instance
    assert sim.ue()["executions"] == 1
    assert any(event["event"] == "registered" and event["ep"] == "urn:nai:" + DEV for event in events)
    assert sim.trace(event="client", what="updated")  # the trigger /1/0/8, and the new lifetime


@pytest.mark.timeout(90)
def test_real_client_is_managed(manage):
    simulator, as1, manage_ue = manage
    ue = air_ue(DEV, delay_ms=[1, 20], active_time_s=1)
    sim = simulator([ue])

    def start_client(run):
        run("sim-lwm2m-client", "--server", ue["air"], "--endpoint", "urn:nai:" + DEV, "--notify-period", "1")

    manage_ue(sim, as1, start_client)
    assert sim.ue()["mt_delivered"] >= 29


@pytest.mark.timeout(90)
def test_builtin_client_over_a_bad_radio(manage):
    simulator, as1, manage_ue = manage
    sim = simulator(
        [
            {
                "external_id": DEV, "start_delay_ms": 700, "notify_period_s": 1, "delay_ms": [1, 20], "psm": False,
                "ack_timeout_ms": 500, "loss": 0.05, "duplicate": 0.2,
            }
        ],
        seed=7,
    )  # fmt: skip
    manage_ue(sim, as1)
    ue = sim.ue()
    assert ue["executions"] == 1 and ue["repeats"] > 0
