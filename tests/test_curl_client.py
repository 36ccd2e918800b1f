"""scef-sim as curl sees it: tests/curl/*.sh are clients that know nothing of this project but the URLs of T8."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "sim"))
from scef_sim_harness import simulators  # noqa: E402

UE, MSISDN = "device-0001@iot.example.org", "358000000001"


class BareListener:
    """Answers every notification with a status line and nothing else, and writes its body to a file."""

    def __init__(self, path):
        self.path = path
        path.write_text("")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                length = 0
                while line := stream.readline().strip():
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = json.loads(stream.read(length))
                with self.path.open("a") as file:
                    file.write(json.dumps(body, separators=(",", ":")) + "\n")
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    def close(self):
        self.socket.close()


def run(tmp_path, script, ue, **settings):
    environment = {key: settings.pop(key) for key in list(settings) if key.isupper()}
    listener = BareListener(tmp_path / "notified")
    (tmp_path / "work").mkdir()
    with simulators(tmp_path) as start:
        sim = start([{"client": "builtin", "start_delay_ms": 3600000, "active_time_s": 5, **ue}], **settings)
        api = f"http://127.0.0.1:{sim.port}"
        result = subprocess.run(
            ["bash", HERE / "curl" / script],
            env={
                **os.environ, **environment, "API": api, "CONTROL": f"{api}/sim/v1", "NOTIFY": listener.url,
                "NOTIFIED": str(listener.path), "WORK": str(tmp_path / "work"),
            },
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    listener.close()
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "checks passed" in result.stdout.splitlines()[-1]
    return result.stdout


@pytest.mark.parametrize("strict", [False, True])
def test_existing_users(tmp_path, strict):
    oauth = {"client_id": "as1", "client_secret": "secret"}
    more = {"STRICT": "1"} if strict else {}
    run(
        tmp_path, "existing_users.sh", {"msisdn": MSISDN}, duplicate_create="conflict", oauth=oauth,
        monitoring={"lenient_features": not strict}, MSISDN=MSISDN, CLIENT_ID="as1", CLIENT_SECRET="secret", **more,
    )  # fmt: skip


def test_nidd(tmp_path):
    # The client's first message is the uplink that is waited for.
    run(tmp_path, "nidd.sh", {"external_id": UE, "start_delay_ms": 6000}, UE=UE)


@pytest.mark.parametrize("script", ["triggering.sh", "monitoring.sh"])
def test_others(tmp_path, script):
    run(tmp_path, script, {"external_id": UE}, UE=UE)
