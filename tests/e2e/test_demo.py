"""The demonstration, as a user starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from stack import BIN, TOP

DEMO = [sys.executable, str(TOP / "sim/demo/demo.py")]
ENVIRONMENT = {**os.environ, "SCEF_BIN": str(BIN), "PYTHONDONTWRITEBYTECODE": "1"}


def children_of(pid):
    """Of a process: {pid: name}."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    head, rest = stat.read().rsplit(")", 1)
            except OSError:
                continue
            if rest.split()[1] == str(pid) and rest.split()[0] != "Z":
                found[int(entry)] = head.split("(", 1)[1]
    return found


def gone(pids, timeout=20):
    end = time.monotonic() + timeout
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(os.path.exists(f"/proc/{pid}") for pid in pids)


class Running:
    """The demonstration under way, its output in a file."""

    def __init__(self, directory, *arguments):
        self.path = directory / "output"
        with open(self.path, "wb") as output:
            self.process = subprocess.Popen(
                [*DEMO, *arguments], stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT,
                # who runs the tests in the background ignores it, and children inherit that
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip

    def output(self):
        return self.path.read_text()

    def wait_output(self, text, timeout=90):
        end = time.monotonic() + timeout
        while text not in self.output():
            assert self.process.poll() is None and time.monotonic() < end, self.output()[-3000:]
            time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def test_passes_and_keeps_its_traces(tmp_path):
    traces = tmp_path / "traces"
    start = time.monotonic()
    done = subprocess.run(
        [*DEMO, "--trace-dir", traces], capture_output=True, text=True, timeout=120, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert time.monotonic() - start < 75  # it bounds itself at 60
    assert "PASSED" in done.stdout and done.stderr.count("\n") <= 1
    assert max(len(line) for line in done.stdout.splitlines()) < 150
    for operation in ("register", "update", "send", "read", "observe", "write", "execute", "notify CON", "notify NON"):
        assert f" {operation} " in done.stdout
    for name in ("adapter-trace.jsonl", "sim-trace.jsonl"):
        assert [json.loads(line) for line in (traces / name).read_text().splitlines()]


def test_keeps_messages_in_redis(tmp_path):
    """A redis-server of its own, which syncs each message and is gone in the end."""
    with Running(tmp_path, "--store", "redis", "--trace-dir", str(tmp_path / "traces")) as demo:
        demo.wait_output("register")
        children = children_of(demo.process.pid)
        assert sorted(children.values())[0] == "redis-server" and len(children) == 5
        assert demo.process.wait(90) == 0, demo.output()[-3000:]
        assert "PASSED" in demo.output()
        assert gone(children), children
    appended = b"".join(path.read_bytes() for path in (tmp_path / "traces/appendonlydir").iterdir())
    assert b"dev2@example.org" in appended


def test_ends_all_programs_when_it_is_interrupted(tmp_path):
    with Running(tmp_path) as demo:
        demo.wait_output("register")
        children = children_of(demo.process.pid)
        assert sorted(children.values()) == ["scef-adapter", "scef-sim", "sim-lwm2m-clien", "sim-lwm2m-serve"]
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 130
        assert gone(children), children


def test_tells_in_one_line_which_program_has_died(tmp_path):
    with Running(tmp_path, "--trace-dir", str(tmp_path / "traces")) as demo:
        demo.wait_output("register")
        children = children_of(demo.process.pid)
        os.kill(next(pid for pid, name in children.items() if name == "scef-adapter"), signal.SIGKILL)
        assert demo.process.wait(30) == 1
        assert "demo: scef-adapter was ended by SIGKILL" in demo.output()
        assert "Traceback" not in demo.output()
        assert gone(children), children


def test_says_which_port_is_taken(tmp_path):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 5683))
            done = subprocess.run(
                [*DEMO, "--keep"], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
            )
    except OSError:
        pytest.skip("something else has UDP port 5683, so that this test cannot take it")
    assert done.returncode == 1
    assert "UDP 5683" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_goes_on_when_asked_to_and_takes_another_client(tmp_path):
    with Running(tmp_path, "--keep") as demo:
        try:
            demo.wait_output("Ctrl-C ends it.")
        except AssertionError:
            if "in use by another program" in demo.output():
                pytest.skip(demo.output())
            raise
        client = subprocess.run(
            [BIN / "sim-lwm2m-client", "--server", "127.0.0.1:7005", "--endpoint", "urn:nai:dev5@example.org"]
            + ["--duration", "2", "--json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        events = [json.loads(line)["event"] for line in client.stdout.splitlines()]
        assert client.returncode == 0 and "registered" in events and "request" in events, client.stdout
        children = children_of(demo.process.pid)
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0, demo.output()[-3000:]
        assert gone(children), children
