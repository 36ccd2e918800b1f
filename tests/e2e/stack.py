"""The whole chain as programs on free ports, for one test: scef-sim or a SCEF of the test's own, scef-adapter, server.

Nothing here sleeps for a fixed time: every wait is for an event, with a generous bound. When the test is over all
programs are stopped, and one that crashed, leaked or said that its behaviour is undefined fails the test.
"""

import base64
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "sim/demo"), str(TOP / "tests")]
import callback_path  # noqa: E402
from exchanges import Exchanges, JsonLines, Operations, is_request  # noqa: E402

BIN = Path(os.environ.get("SCEF_BIN") or TOP / "build/asan/bin")
SANITIZED = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|AddressSanitizer:DEADLYSIGNAL")
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
UES_START_MS = 2500  # built-in UEs register so long after scef-sim began: the adapter is ready by then


# --- ports -------------------------------------------------------------------------------------------------------


def _free(port):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def free_ports(count=1):
    """The first of so many ports in a row that are free, below those that the system gives out by itself. A program that
    was killed has its port free for a while: whoever tests beside others keeps to a range of his own."""
    low, high = map(int, os.environ.get("SCEF_TEST_PORTS", "10000-32000").split("-"))
    for _ in range(1000):
        first = random.randrange(low, high - count)
        if all(_free(port) for port in range(first, first + count)):
            return first
    raise AssertionError(f"no {count} free ports in a row")


# --- programs ----------------------------------------------------------------------------------------------------


class Program:
    """A running program; its output and errors are in files of the test's directory."""

    def __init__(self, name, arguments, directory, number=0, argv=None):
        self.name = name
        self.expected = {0}
        self.output_path = directory / f"{name}.{number}.out"
        self.errors_path = directory / f"{name}.{number}.err"
        with open(self.output_path, "wb") as output, open(self.errors_path, "wb") as errors:
            self.process = subprocess.Popen(
                argv or [BIN / name, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=ENVIRONMENT,
            )
        self.lines = JsonLines(self.output_path)
        self.events = []
        self.on_event = lambda event: None

    def errors(self):
        return self.errors_path.read_text(errors="replace")

    def read(self):
        """Events so far, of programs that print JSON lines."""
        for event in self.lines.read():
            self.events.append(event)
            self.on_event(event)
        return self.events

    def named(self, name, **members):
        return [e for e in self.read() if e["event"] == name and all(e.get(k) == v for k, v in members.items())]

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """As a crash of the host would: nothing is said goodbye."""
        self.expected = {-9}
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=20):
        """SIGTERM; returns how many seconds it took."""
        start = time.monotonic()
        if self.running():
            self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not end within {timeout} s of SIGTERM: {self.errors()[-2000:]}")
        return time.monotonic() - start

    def verify(self):
        """It ended as it should, and no sanitizer has complained."""
        errors = self.errors()
        assert not SANITIZED.search(errors), f"{self.name}:\n{errors[-8000:]}"
        status = self.process.returncode
        assert status in self.expected, f"{self.name} ended with {status}, not {self.expected}:\n{errors[-4000:]}"


# --- HTTP --------------------------------------------------------------------------------------------------------


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


def http_request(port, method, path, body=None, content_type="application/json", timeout=30):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def external_id(number):
    return f"dev{number}@example.org"


def endpoint(number):
    return f"urn:nai:{external_id(number)}"


# --- the chain ---------------------------------------------------------------------------------------------------


class Stack:
    def __init__(self, directory):
        self.directory = directory
        self.programs = []
        self.scef_port, self.callback_port, self.admin_port = (free_ports() for _ in range(3))
        self.server_port, self.leg_port = free_ports(), free_ports()
        self.adapter = self.scef = self.server = None
        self.adapter_trace = JsonLines(directory / "adapter-trace.jsonl")
        self.scef_trace = JsonLines(directory / "scef-trace.jsonl")
        self.adapter_events, self.scef_events = [], []
        self.exchanges, self.operations = Exchanges(), Operations()

    # --- starting

    def start(self, name, *arguments, argv=None):
        self.programs.append(Program(name, arguments, self.directory, len(self.programs), argv))
        return self.programs[-1]

    def start_scef(self, ues, **options):
        """scef-sim. Built-in UEs begin after UES_START_MS unless told otherwise."""
        for ue in ues:
            if ue.get("client") != "air":
                ue.setdefault("start_delay_ms", UES_START_MS)
        options = {"listen": f"127.0.0.1:{self.scef_port}", "seed": 1, "ues": ues, **options}
        path = self.directory / "scef-sim.yaml"
        path.write_text(json.dumps(options))  # which is YAML too
        self.scef = self.start("scef-sim", "--config", path, "--trace", self.scef_trace.path)
        self.wait(lambda: self._answers(self.scef_port, "/sim/v1/scef"), "scef-sim answers")
        return self.scef

    def adapter_config(self, devices, **sections):
        """Sections given replace the default's members one by one."""
        config = {
            "scef": {"api_root": f"http://127.0.0.1:{self.scef_port}", "scs_as_id": "as1"},
            "callback": {"listen": f"127.0.0.1:{self.callback_port}"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "store": {"kind": "embedded", "path": str(self.directory / "store")},
            "server_leg": {"mode": "prefix", "prefix": "127.77.0.0/16", "port": self.leg_port},
            "servers": [{"name": "main", "uri": f"coap://127.0.0.1:{self.server_port}"}],
            "devices": [{"external_id": device} if isinstance(device, str) else device for device in devices],
            "relay": {"retry_min_s": 1},
        }
        for name, section in sections.items():
            config[name] = {**config.get(name, {}), **section} if isinstance(section, dict) else section
        return config

    def start_adapter(self, devices=None, ready=True, **sections):
        """scef-adapter; without devices again with the configuration of before. Waits until it is
        ready and all devices are loaded, or at least until it is alive."""
        path = self.directory / "adapter.yaml"
        if devices is not None:
            path.write_text(json.dumps(self.adapter_config(devices, **sections)))
        self.adapter = self.start("scef-adapter", "--config", path, "--trace", self.adapter_trace.path)
        self.wait(lambda: self._answers(self.admin_port, "/readyz" if ready else "/livez"), "the adapter has started")
        if ready:
            self.wait(lambda: not self.admin("/readyz").json()["loading"], "all devices are loaded")
        return self.adapter

    def start_server(self, *operations, options=()):
        """sim-lwm2m-server with a script."""
        script = [word for operation in operations for word in ("--op", operation)]
        listen = f"127.0.0.1:{self.server_port}"
        self.server = self.start("sim-lwm2m-server", "--listen", listen, "--json", *script, *options)
        self.server.on_event = self.operations.feed
        self.wait(lambda: self.server.named("listening"), "sim-lwm2m-server listens")
        return self.server

    @staticmethod
    def _answers(port, path):
        try:
            return http_request(port, "GET", path, timeout=5).status == 200
        except OSError:
            return False

    # --- asking

    def admin(self, path):
        return http_request(self.admin_port, "GET", path)

    def device(self, device):
        reply = self.admin(f"/v1/devices/{device}")
        assert reply.status == 200, reply.body
        return reply.json()

    def queue(self, device):
        return self.admin(f"/v1/devices/{device}/queue").json()["messages"]

    def metric(self, name, **labels):
        """0 when it was never counted."""
        text = self.admin("/metrics").body.decode()
        label = ",".join(f'{key}="{value}"' for key, value in labels.items())
        head = f"scef_adapter_{name}" + (f"{{{label}}}" if label else "")
        found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.rsplit(" ", 1)[0] == head]
        return float(found[0]) if found else 0

    def control(self, method, path):
        """Of scef-sim."""
        reply = http_request(self.scef_port, method, f"/sim/v1{path}")
        assert reply.status in (200, 204), (reply.status, reply.body)
        return json.loads(reply.body) if reply.body else None

    def notify(self, body, path=callback_path.NIDD, **how):
        """A T8 notification to the adapter."""
        return http_request(self.callback_port, "POST", path, body, **how)

    def uplink(self, device, message, link, path=callback_path.NIDD):
        """What a SCEF would send for a message of the device."""
        data = message if isinstance(message, bytes) else message.encode()
        body = {"niddConfiguration": link, "externalId": device, "data": base64.b64encode(data).decode()}
        return self.notify(body, path)

    def scefctl(self, *arguments):
        """What it prints, a list of words a line."""
        command = [BIN / "scefctl", "--admin", f"http://127.0.0.1:{self.admin_port}", *arguments]
        out = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=ENVIRONMENT).stdout
        return [line.split() for line in out.splitlines()]

    def log(self, event, **fields):
        """Lines of the adapter's log."""
        wanted = [f" event={event} ", *(f" {key}={value} " for key, value in fields.items())]
        lines = [f"{line} " for line in self.adapter.errors().splitlines()]
        return [line for line in lines if all(word in line for word in wanted)]

    def read(self):
        """Follows the traces."""
        for event in self.scef_trace.read():
            self.scef_events.append(event)
            self.exchanges.feed(event)
        self.adapter_events += self.adapter_trace.read()
        if self.server:
            self.server.read()

    def adapter_named(self, name, **members):
        self.read()
        wanted = {"event": name, **members}
        return [e for e in self.adapter_events if all(e.get(k) == v for k, v in wanted.items())]

    def finals(self):
        """{seq of a server's request that was accepted: its final events, of which there is to be one}"""
        asked = [e["seq"] for e in self.adapter_named("accepted") if is_request(e["code"])]
        return {seq: [e for e in self.adapter_events if e["event"] == "final" and e["seq"] == seq] for seq in asked}

    def nas(self, **members):
        """NAS events of scef-sim."""
        self.read()
        wanted = {"event": "nas", **members}
        return [e for e in self.scef_events if all(e.get(k) == v for k, v in wanted.items())]

    def client(self, what, device=None):
        """What built-in UEs did."""
        self.read()
        return [
            e
            for e in self.scef_events
            if e["event"] == "client" and e["what"] == what and device in (None, e["ext_id"])
        ]

    # --- waiting and ending

    def wait(self, condition, what, timeout=60):
        """Its first true value. Fails at once when a program ends that nobody stopped."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            for program in self.programs:
                if not program.running() and program.process.returncode not in program.expected:
                    raise AssertionError(f"{program.name} ended while waiting for: {what}\n{program.errors()[-8000:]}")
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            time.sleep(0.02)

    def finish(self):
        for program in reversed(self.programs):
            if program.running():
                program.stop()
        for program in self.programs:
            program.verify()

    def kill_all(self):
        for program in self.programs:
            if program.running():
                program.process.kill()
            program.process.wait()
