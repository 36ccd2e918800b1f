"""What the tests of scef-sim share: the program, an application server made of http.server, and clients made of bare UDP
sockets at the air interface.
"""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time

BIN = pathlib.Path(
    os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent.parent / "build/release/bin"
)
ROOT = "/3gpp-nidd/v1/as1/configurations"
DEV1, DEV2 = "dev1@example.org", "dev2@example.org"
CON_GET = bytes.fromhex("42013039aabbb13301300139")  # CON GET /3/0/9, MID 0x3039, token aabb


class Simulator:
    def __init__(self, folder, ues, **settings):
        self.config = folder / "sim.yaml"
        self.trace_file = folder / "trace.jsonl"
        self.config.write_text(json.dumps({"listen": "127.0.0.1:0", **settings, "ues": ues}))  # JSON is YAML
        self.process = subprocess.Popen(
            [BIN / "scef-sim", "--config", self.config, "--trace", self.trace_file],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = []
        for line in self.process.stderr:
            self.log.append(line)
            listening = re.search(r"event=listening .*\bport=(\d+)", line)
            if listening:
                self.port = int(listening[1])
                break
        else:
            raise AssertionError(f"it did not start: {self.log}")
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reader.start()

    def request(self, method, path, body=None, content_type="application/json"):
        """(status, JSON body or None, headers)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
        connection.close()
        return answer.status, json.loads(raw) if raw else None, answer.headers

    def create(self, external_id=DEV1, destination="http://127.0.0.1:9/t8", root=ROOT, **members):
        body = {"externalId": external_id, "notificationDestination": destination, **members}
        return self.request("POST", root, body)

    def path_of(self, link):
        return re.sub(r"^http://[^/]*", "", link)

    def configure(self, *arguments, **members):
        status, body, _ = self.create(*arguments, **members)
        assert status == 201
        return self.path_of(body["self"])

    def post(self, configuration, data=CON_GET, external_id=DEV1, **members):
        body = {"externalId": external_id, "data": base64.b64encode(data).decode(), **members}
        return self.request("POST", configuration + "/downlink-data-deliveries", body)

    def control(self, method, path):
        return self.request(method, "/sim/v1" + path)

    def ue(self, external_id=DEV1):
        return self.control("GET", "/ues/" + external_id.replace("@", "%40"))[1]

    def trace(self, **members):
        lines = [json.loads(line) for line in self.trace_file.read_text().splitlines()]
        return [line for line in lines if all(line.get(key) == value for key, value in members.items())]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        finally:
            self.process.kill()
            self.reader.join(5)
            self.process.stderr.close()


class ApplicationServer:
    """Receives notifications; answers them by `script` (statuses, or (status, Location)), then 204."""

    def __init__(self, script=()):
        self.notifications = queue.Queue()
        self.script = list(script)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.notifications.put((self.path, self.headers["Content-Type"], json.loads(body), time.monotonic()))
                answer = outer.script.pop(0) if outer.script else 204
                status, location = answer if isinstance(answer, tuple) else (answer, None)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/t8/nidd"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self, timeout=10):
        return self.notifications.get(timeout=timeout)

    def none(self, seconds=0.3):
        time.sleep(seconds)
        return self.notifications.empty()


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def air_ue(external_id=DEV1, **members):
    return {"external_id": external_id, "client": "air", "air": f"127.0.0.1:{free_udp_port()}", **members}


class Client:
    """A real client at the air interface."""

    def __init__(self, ue):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(10)
        host, port = ue["air"].split(":")
        self.air = (host, int(port))

    def send(self, message):
        self.socket.sendto(message, self.air)

    def receive(self, timeout=10):
        self.socket.settimeout(timeout)
        message, source = self.socket.recvfrom(65536)
        assert source == self.air
        return message


def wait_until(condition, timeout=10):
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextlib.contextmanager
def simulators(folder):
    """A function that starts one; at the end each must stop with 0."""
    running = []

    def start(ues, **settings):
        place = folder / str(len(running))
        place.mkdir()
        running.append(Simulator(place, ues, **settings))
        return running[-1]

    try:
        yield start
    finally:
        statuses = [one.stop() for one in running]
    assert statuses == [0] * len(running), [one.log for one in running]


@contextlib.contextmanager
def application_servers():
    running = []

    def start(script=()):
        running.append(ApplicationServer(script))
        return running[-1]

    try:
        yield start
    finally:
        for one in running:
            one.server.shutdown()
            one.server.server_close()
