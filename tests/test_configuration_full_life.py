"""The whole life of NIDD configurations, of programs: scef-adapter with scef-sim, and with a SCEF of bare HTTP for what
a well-behaved one does not do (redirects, Retry-After, overload, breaking down)."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "sim"))
from scef_sim_harness import ROOT, Client, air_ue, simulators  # noqa: E402

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
DEVICES = [f"dev{n}@example.org" for n in range(1, 5)]
CON_GET_3 = bytes.fromhex("42011234a1b2b133")  # CON GET /3, token a1b2
EMPTY_ACK = bytes.fromhex("60001234")


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return result


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Adapter:
    def __init__(self, folder, root, devices, server_port, prefix="127.64.0.0/16", **options):
        self.folder = folder
        self.leg_port = free_udp_port()
        self.prefix = prefix
        self.settings = {
            "scef": {"api_root": root, "scs_as_id": "as1", **options.pop("scef", {})},
            "callback": {"listen": f"127.0.0.1:{free_port()}", **options.pop("callback", {})},
            "admin": {"listen": f"127.0.0.1:{free_port()}"},
            "store": {"path": str(folder / "store")},
            "server_leg": {"prefix": prefix, "port": self.leg_port},
            "servers": [{"name": "main", "uri": f"coap://127.0.0.1:{server_port}"}],
            "relay": {"retry_min_s": 1, "retry_max_s": 2, **options.pop("relay", {})},
            "devices": [{"external_id": device} for device in devices],
            **options,
        }
        self.process = None

    def change(self, devices=None, **sections):
        """The configuration, for the next start."""
        if devices is not None:
            self.settings["devices"] = [{"external_id": device} for device in devices]
        for name, members in sections.items():
            self.settings[name] = {**self.settings[name], **members}

    def start(self):
        path = self.folder / "adapter.yaml"
        path.write_text(json.dumps(self.settings))
        self.errors = open(self.folder / f"adapter-{time.monotonic_ns()}.log", "w+")
        self.process = subprocess.Popen([BIN / "scef-adapter", "--config", path], stderr=self.errors)
        wait_for(lambda: self.process.poll() is not None or self.answers())
        assert self.process.poll() is None, self.log()
        return self

    def answers(self):
        try:
            return self.get("/livez")[0] == 200
        except OSError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            assert self.process.returncode == 0, self.log()

    def log(self):
        self.errors.seek(0)
        return self.errors.read()

    def get(self, path):
        host, port = self.settings["admin"]["listen"].rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def device(self, device):
        return json.loads(self.get(f"/v1/devices/{device}")[1])

    def devices_active(self, devices):
        return all(self.device(d).get("configuration") == "active" for d in devices)

    def metric(self, line):
        found = re.search(rf"^scef_adapter_{re.escape(line)} (\d+)$", self.get("/metrics")[1].decode(), re.M)
        return int(found[1]) if found else 0

    def leg(self, device):
        """The device's address towards servers."""
        number = self.device(device)["leg"]
        base = self.prefix.split("/")[0].split(".")
        return ".".join(base[:3] + [str(number + 1)]), self.leg_port


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 0))
        return s.getsockname()[1]


@pytest.fixture
def server():
    """The LwM2M server: a bare socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(10)
        yield s


@pytest.fixture
def adapter(tmp_path, server):
    adapters = []

    def make(root, devices=DEVICES[:1], **options):
        adapters.append(Adapter(tmp_path, root, devices, server.getsockname()[1], **options))
        return adapters[-1].start()

    yield make
    for a in adapters:
        a.stop()


@pytest.fixture
def simulator(tmp_path):
    (tmp_path / "sim").mkdir()
    with simulators(tmp_path / "sim") as start:
        yield start


def url_of(sim):
    return f"http://127.0.0.1:{sim.port}"


def requests_of(sim, method):
    """About configurations: (path behind the collection, status)."""
    return [
        (event["path"].removeprefix(ROOT).strip("/"), event["status"])
        for event in sim.trace(event="t8", dir="in", method=method)
        if "downlink" not in event["path"]
    ]


# ---- with scef-sim


def test_found_again_by_one_list(simulator, adapter, tmp_path):
    """The store is lost, the SCEF still has everything, and says 409."""
    sim = simulator([air_ue(d) for d in DEVICES], duplicate_create="conflict")
    first = adapter(url_of(sim), DEVICES)
    wait_for(lambda: first.devices_active(DEVICES))
    links = {d: first.device(d)["configuration_link"] for d in DEVICES}
    first.stop()
    first.change(store={"path": str(tmp_path / "another-store")})
    first.start()
    wait_for(lambda: first.devices_active(DEVICES))
    assert {d: first.device(d)["configuration_link"] for d in DEVICES} == links
    assert requests_of(sim, "GET") == [("", 200)]
    assert [status for _, status in requests_of(sim, "POST")].count(201) == len(DEVICES)
    assert sim.control("GET", "/scef")[1]["configurations"] == len(DEVICES)


def test_renewed_before_its_end(simulator, adapter, server):
    """The SCEF grants 4 seconds where ten years are wanted, and never says when they are over."""
    ue = air_ue(psm=False)
    sim = simulator([ue], max_duration_s=4)
    a = adapter(url_of(sim), scef={"configuration_duration_s": 315360000})
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    link = a.device(DEVICES[0])["configuration_link"]
    wait_for(lambda: len(requests_of(sim, "PATCH")) >= 3)
    assert {status for _, status in requests_of(sim, "PATCH")} == {200}
    assert len(requests_of(sim, "POST")) == 1
    assert a.device(DEVICES[0])["configuration_link"] == link
    assert a.device(DEVICES[0])["configuration_end"]
    Client(ue).send(CON_GET_3)  # all the time it works
    assert server.recv(2048)


def test_expired_during_the_absence(simulator, adapter):
    sim = simulator([air_ue()], max_duration_s=2)
    a = adapter(url_of(sim))
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    a.stop()
    wait_for(lambda: sim.control("GET", "/scef")[1]["configurations"] == 0)
    a.start()
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    assert [status for _, status in requests_of(sim, "GET")] == [404]


def test_callback_url_changed(simulator, adapter, server):
    ue = air_ue(psm=False)
    sim = simulator([ue])
    a = adapter(url_of(sim))
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    link = a.device(DEVICES[0])["configuration_link"]
    a.stop()
    assert not requests_of(sim, "PATCH")
    a.change(callback={"listen": f"127.0.0.1:{free_port()}"})
    a.start()
    wait_for(lambda: requests_of(sim, "PATCH") and a.devices_active(DEVICES[:1]))
    assert a.device(DEVICES[0])["configuration_link"] == link
    Client(ue).send(CON_GET_3)
    assert server.recv(2048)
    a.stop()
    a.start()
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    assert len(requests_of(sim, "PATCH")) == 1


def test_removed_devices(simulator, adapter, server):
    sim = simulator([air_ue(d) for d in DEVICES])
    a = adapter(url_of(sim), DEVICES)
    wait_for(lambda: a.devices_active(DEVICES))
    gone = DEVICES[3]
    legs = {d: a.device(d)["leg"] for d in DEVICES}
    wait_for(lambda: sim.control("GET", "/scef")[1]["configurations"] == 4)
    server.sendto(CON_GET_3, a.leg(gone))  # it sleeps: this waits
    assert server.recv(2048) == EMPTY_ACK
    assert a.device(gone)["queue_messages"] == 1
    a.stop()
    a.change(devices=DEVICES[:3])
    a.start()
    wait_for(lambda: sim.control("GET", "/scef")[1]["configurations"] == 3)
    assert a.metric('downlink_final_total{state="cancelled"}') == 1
    assert [status for _, status in requests_of(sim, "DELETE")] == [204]
    a.stop()
    a.change(devices=DEVICES)  # it comes back
    a.start()
    wait_for(lambda: a.devices_active(DEVICES))
    assert {d: a.device(d)["leg"] for d in DEVICES} == legs
    assert a.device(gone)["queue_messages"] == 0
    a.stop()
    a.change(devices=[])  # a mistake
    a.start()
    wait_for(lambda: "more devices are gone than left" in a.log())
    a.stop()
    assert sim.control("GET", "/scef")[1]["configurations"] == 4
    a.change(scef={"delete_removed": "all"})
    a.start()
    wait_for(lambda: sim.control("GET", "/scef")[1]["configurations"] == 0)


def test_scef_sim_itself(simulator):
    sim = simulator([air_ue(), air_ue(DEVICES[1])], max_duration_s=100)
    path = sim.configure()
    sim.configure(DEVICES[1])
    status, body, _ = sim.request("GET", ROOT)
    assert status == 200 and [c["externalId"] for c in body] == DEVICES[:2]
    assert sim.request("GET", "/3gpp-nidd/v1/as2/configurations")[:2] == (200, [])
    merge = "application/merge-patch+json"
    status, body, _ = sim.request("PATCH", path, {"notificationDestination": "http://127.0.0.1:9/new"}, merge)
    assert status == 200 and body["notificationDestination"].endswith("/new") and "duration" in body
    assert sim.request("PATCH", path, {"duration": None}, merge)[1]["duration"]  # cut to the longest
    assert sim.request("PATCH", path, {"colour": "red"}, merge)[0] == 200  # unknown members are no error
    status, problem, _ = sim.request("PATCH", path, {"externalId": DEVICES[1]}, merge)
    assert status == 400 and problem["invalidParams"][0]["param"] == "/externalId"
    assert sim.request("PATCH", path, {"duration": None})[0] == 415
    assert sim.request("PATCH", ROOT + "/c99", {}, merge)[0] == 404
    assert sim.request("PUT", path, {})[2]["Allow"] == "GET, PATCH, DELETE"
    assert sim.request("PUT", ROOT, {})[2]["Allow"] == "GET, POST"


# ---- with a SCEF of bare HTTP


class Scef:
    """Makes configurations, delivers at once; `answer(handler, path)` may do otherwise by giving (status, headers)."""

    def __init__(self):
        self.requests = []
        self.answer = lambda method, path: None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = json.loads(raw) if raw else None
                outer.requests.append((self.command, self.path, body))
                other = outer.answer(self.command, self.path)
                if other:
                    status, headers = other
                    self.reply(status, None, headers)
                elif self.path.endswith("/configurations") and self.command == "POST":
                    link = f"{outer.url}{self.path}/{body['externalId'].split('@')[0]}"
                    self.reply(201, {**body, "self": link}, {"Location": link})
                elif self.path.endswith("/downlink-data-deliveries"):
                    self.reply(200, {**body, "deliveryStatus": "SUCCESS"})
                else:
                    self.reply(200, {"self": self.path})

            do_GET = do_POST = do_PATCH = do_DELETE = handle_one

            def reply(self, status, body, headers=()):
                content = json.dumps(body).encode() if body is not None else b""
                self.send_response(status)
                headers = {"Content-Type": "application/json", "Content-Length": len(content), **dict(headers)}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self, method, end):
        return sum(m == method and p.endswith(end) for m, p, _ in list(self.requests))

    def deliveries(self):
        return self.count("POST", "/downlink-data-deliveries")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scefs():
    with contextlib.ExitStack() as stack:

        def make():
            scef = Scef()
            stack.callback(scef.close)
            return scef

        yield make


def ask(server, a, number=0x1234):
    """A NON request: nothing is repeated for it. Taken, and sent on to the SCEF once it can be."""
    message = bytes([0x52, 0x01]) + number.to_bytes(2, "big") + number.to_bytes(2, "big") + bytes([0xB1, 0x33])
    server.sendto(message, a.leg(DEVICES[0]))


@pytest.mark.parametrize("status", [307, 308])
def test_redirected_to_an_allowed_host(scefs, adapter, server, status):
    old, new = scefs(), scefs()
    a = adapter(old.url, scef={"allowed_hosts": f"example.net 127.0.0.1:{new.port}"})
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    old.answer = lambda method, path: (status, {"Location": new.url + path})
    ask(server, a)
    wait_for(lambda: new.deliveries() == 1)
    assert old.requests[-1] == new.requests[-1]  # method, path and body
    ask(server, a, 0x1235)
    wait_for(lambda: new.deliveries() == 2)
    assert old.deliveries() == (1 if status == 308 else 2)
    link = a.device(DEVICES[0])["configuration_link"]
    assert link.startswith(new.url) == (status == 308)
    assert a.metric('scef_redirects_total{scef="scef",result="followed"}') == (1 if status == 308 else 2)
    a.stop()
    a.start()  # what has moved for good has been stored
    wait_for(lambda: (new if status == 308 else old).count("GET", "/dev1") == 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_led_to_a_foreign_host(scefs, adapter, server, status):
    scef, foreign = scefs(), scefs()
    a = adapter(scef.url)
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    scef.answer = lambda method, path: (status, {"Location": foreign.url + path})
    ask(server, a)
    wait_for(lambda: scef.deliveries() >= 1 and "redirect_not_followed" in a.log())
    assert not foreign.requests
    assert a.device(DEVICES[0])["queue_messages"] == 1  # nothing is lost by it
    scef.answer = lambda method, path: None
    wait_for(lambda: a.device(DEVICES[0])["queue_messages"] == 0 or a.metric('downlink_submits_total{scef="scef",status="200"}'))
    assert not foreign.requests


def test_create_redirected(scefs, adapter):
    old, new = scefs(), scefs()
    old.answer = lambda method, path: (308, {"Location": new.url + "/moved/as1/configurations"})
    a = adapter(old.url, DEVICES, scef={"allowed_hosts": f"127.0.0.1:{new.port}"})
    wait_for(lambda: a.devices_active(DEVICES))
    assert all(m == "POST" for m, _, _ in new.requests) and len(new.requests) == len(DEVICES)
    assert a.device(DEVICES[0])["configuration_link"] == f"{new.url}/moved/as1/configurations/dev1"


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(scefs, adapter, server, status):
    scef = scefs()
    a = adapter(scef.url)
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    refused = []

    def answer(method, path):
        if not refused:
            refused.append(time.monotonic())
            return status, {"Retry-After": "4"}
        return None

    scef.answer = answer
    ask(server, a)
    wait_for(lambda: scef.deliveries() == 2)
    assert time.monotonic() - refused[0] >= 3.9  # not by the pause of our own, which is 1 s


def test_overloaded(scefs, adapter, server):
    scef = scefs()
    a = adapter(scef.url)
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
    oci = f'Timestamp: "{date}"; Period-of-Validity: 3s; Overload-Reduction-Metric: 100%'
    scef.answer = lambda method, path: (200, {"Nb-Api-Oci": oci}) if "downlink" in path else None
    ask(server, a)
    wait_for(lambda: scef.deliveries() == 1 and a.metric('scef_overload_reduction_percent{scef="scef"}') == 100)
    heard = time.monotonic()
    scef.answer = lambda method, path: None
    ask(server, a, 0x1235)
    wait_for(lambda: a.metric('scef_held_back_total{scef="scef",reason="overload"}') >= 1)
    wait_for(lambda: scef.deliveries() == 2)
    assert time.monotonic() - heard >= 2
    assert a.metric('scef_overload_reduction_percent{scef="scef"}') == 0


def test_circuit_breaker(scefs, adapter, server):
    scef = scefs()
    a = adapter(scef.url, scef={"breaker_failures": 3, "breaker_pause_min_ms": 500, "breaker_pause_max_ms": 500})
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    scef.answer = lambda method, path: (500, {})
    ask(server, a)
    wait_for(lambda: a.metric('scef_breaker_opens_total{scef="scef"}') >= 2)  # a probe has failed too
    assert re.search(r"event=scef_breaker .*state=open", a.log())
    assert a.device(DEVICES[0])["queue_messages"] == 1
    opens = 'scef_breaker_opens_total{scef="scef"}'
    wait_for(lambda: a.metric('scef_held_back_total{scef="scef",reason="breaker"}') >= 1 or a.metric(opens) > 4)
    scef.answer = lambda method, path: None
    wait_for(lambda: a.metric('scef_breaker_state{scef="scef"}') == 0)
    wait_for(lambda: a.metric('downlink_submits_total{scef="scef",status="200"}') == 1)
    assert re.search(r"event=scef_breaker .*state=closed", a.log())


def test_words_about_the_ue_open_nothing(scefs, adapter, server):
    scef = scefs()
    a = adapter(scef.url, scef={"breaker_failures": 1})
    wait_for(lambda: a.devices_active(DEVICES[:1]))
    body = json.dumps({"problemDetail": {"status": 500, "cause": "TEMPORARILY_NOT_REACHABLE"}})
    scef.answer = lambda method, path: None
    real = scef.server.RequestHandlerClass.reply

    def reply(self, status, answer, headers=()):
        if "downlink" in self.path:
            status, answer = 500, json.loads(body)
        real(self, status, answer, headers)

    scef.server.RequestHandlerClass.reply = reply
    ask(server, a)
    wait_for(lambda: scef.deliveries() >= 3)
    assert a.metric('scef_breaker_opens_total{scef="scef"}') == 0


