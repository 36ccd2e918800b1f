"""scef-adapter from outside: health, metrics, the admin API and scefctl, with a SCEF that is dead and one that lives."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time

import callback_path
import pytest

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
CON_GET_3 = bytes.fromhex("42011234a1b2b133")  # CON GET /3, token a1b2
EMPTY_ACK = bytes.fromhex("60001234")


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return result


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("0.0.0.0", 0))
        return s.getsockname()[1]


class Scef(http.server.BaseHTTPRequestHandler):
    """A SCEF whose devices all sleep: it makes configurations, and refuses every delivery."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/configurations"):
            link = f"http://{self.headers['Host']}{self.path}/{time.monotonic_ns()}"
            self.reply(201, {"self": link}, {"Location": link})
        else:
            self.reply(500, {"problemDetail": {"status": 500, "cause": "TEMPORARILY_NOT_REACHABLE"}})

    def do_GET(self):
        self.reply(200, {"self": f"http://{self.headers['Host']}{self.path}"})

    def reply(self, status, body, headers=()):
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


class BufferingScef(Scef):
    """It buffers every delivery, and lets go of it when it is asked to."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        link = f"http://{self.headers['Host']}{self.path}/{time.monotonic_ns()}"
        of_delivery = {"self": link, "deliveryStatus": "BUFFERING"}
        of_configuration = {"self": link, "supportedFeatures": asked.get("supportedFeatures")}
        made = of_configuration if self.path.endswith("/configurations") else of_delivery
        self.reply(201, made, {"Location": link})

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()


@contextlib.contextmanager
def serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *about: None  # adapters are killed
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def scef():
    with serving(Scef) as api_root:
        yield api_root


@pytest.fixture
def server():
    """The LwM2M server: a bare socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(5)
        yield s


class Adapter:
    def __init__(self, folder, api_root, server_port, devices, leg_port, more="", store_mib=64):
        self.leg_port = leg_port
        self.log = folder / "log"
        (folder / "d.jsonl").write_text("".join(json.dumps(device) + "\n" for device in devices))
        (folder / "c.yaml").write_text(
            f"""scef: {{api_root: '{api_root}', scs_as_id: as1}}
callback: {{listen: '127.0.0.1:0', url: 'http://127.0.0.1:1{callback_path.BASE}'}}
admin: {{listen: '127.0.0.1:0'}}
store: {{path: {folder}/store, max_size_mib: {store_mib}}}
server_leg: {{port: {leg_port}}}
servers: [{{name: main, uri: 'coap://127.0.0.1:{server_port}'}}]
devices_file: d.jsonl
{more}"""
        )
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [BIN / "scef-adapter", "--config", folder / "c.yaml", "--trace", folder / "trace.jsonl"], stderr=log
            )
        started = wait_for(self.started)
        self.callback_port, self.admin_port = int(started[1]), int(started[2])

    def started(self):
        assert self.process.poll() is None, self.log.read_text()
        return re.search(r"event=started .*callback_port=(\d+) admin_port=(\d+)", self.log.read_text())

    def get(self, path, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def get_json(self, path, status=200):
        got, headers, body = self.get(path)
        assert got == status, body
        assert headers["Content-Type"] in ("application/json", "application/problem+json")
        return json.loads(body)

    def scefctl(self, *arguments):
        return subprocess.run(
            [BIN / "scefctl", "--admin", f"http://127.0.0.1:{self.admin_port}", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
        )

    def metric(self, line):
        return re.search(rf"^{re.escape(line)} (\d+)$", self.get("/metrics")[2].decode(), re.MULTILINE)

    def terminate(self):
        """Returns the exit status and how long it took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=10)
        return status, time.monotonic() - start


@pytest.fixture
def start(tmp_path, server):
    with contextlib.ExitStack() as running:

        def starter(api_root, devices, **options):
            adapter = Adapter(
                tmp_path, api_root, server.getsockname()[1], devices, options.pop("leg_port", free_udp_port()), **options
            )
            running.callback(adapter.process.wait)
            running.callback(adapter.process.kill)
            return adapter

        yield starter


@pytest.fixture
def dead_scef():
    with socket.socket() as s:  # bound and never listening: refuses at once
        s.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{s.getsockname()[1]}"


DEVICES = [{"external_id": f"dev{i}@example.org"} for i in range(249)] + [{"msisdn": "491701234567"}]


def test_health_with_a_dead_scef(start, dead_scef):
    adapter = start(dead_scef, DEVICES)
    assert adapter.get("/livez")[::2] == (200, b"ok\n")
    wait_for(lambda: adapter.metric('scef_adapter_configuration_results_total{scef="scef",status="none"}'))
    not_ready = adapter.get_json("/readyz", 503)
    assert not_ready["ready"] is False
    assert "scef: no answer yet" in not_ready["reasons"]
    assert not_ready["devices"] == 250
    health = adapter.scefctl("health")
    assert health.returncode == 0
    assert health.stdout.startswith("alive, not ready\n  scef: no answer yet\n")
    status, seconds = adapter.terminate()
    assert status == 0
    assert seconds < 2


def test_ready_with_a_live_scef(start, scef):
    adapter = start(scef, DEVICES[:20])
    wait_for(lambda: adapter.get("/readyz")[0] == 200)
    wait_for(lambda: adapter.get_json("/readyz")["configurations_active"] == 20)
    assert adapter.scefctl("health").stdout == "alive, ready\n"
    device = adapter.get_json("/v1/devices/dev3@example.org")
    assert device["configuration"] == "active"
    assert "/configurations/" in device["configuration_link"]
    assert int(adapter.metric("scef_adapter_ready")[1]) == 1


def test_metrics(start, dead_scef):
    adapter = start(dead_scef, DEVICES)
    status, headers, body = adapter.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = {}
    for line in body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name not in families
            families[name] = kind
        elif not line.startswith("#"):
            match = re.fullmatch(r'(scef_adapter_[a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"(,[a-z]+="(?:[^"\\]|\\.)*")?\})? \d+', line)
            assert match, line
            assert match[1] in families
            assert match[1].endswith("_total") == (families[match[1]] == "counter")
    assert int(adapter.metric("scef_adapter_devices")[1]) == 250
    assert int(adapter.metric('scef_adapter_server_up{server="main"}')[1]) == 1
    assert adapter.scefctl("metrics").stdout.startswith("# HELP scef_adapter_")


def test_paging(start, dead_scef):
    adapter = start(dead_scef, DEVICES)
    want = [device.get("external_id", device.get("msisdn")) for device in DEVICES]

    def pages(query):
        cursor, sizes, ids = "", [], []
        while cursor is not None:
            page = adapter.get_json(f"/v1/devices?{query}{cursor and '&cursor=' + cursor}")
            sizes.append(len(page["devices"]))
            ids += [device.get("external_id", device.get("msisdn")) for device in page["devices"]]
            cursor = page["next"]
        return sizes, ids

    assert pages("") == ([100, 100, 50], want)
    assert pages("limit=125") == ([125, 125], want)
    assert pages("limit=1000") == ([250], want)
    assert adapter.get_json("/v1/devices?cursor=999999") == {"devices": [], "next": None}


def test_device_by_percent_encoded_identity(start, dead_scef):
    adapter = start(dead_scef, [{"external_id": "a/b%c@example.org", "msisdn": "491701234567"}])
    device = adapter.get_json("/v1/devices/a%2Fb%25c%40example.org")
    assert device["external_id"] == "a/b%c@example.org"
    assert device["msisdn"] == "491701234567"
    assert device["server"] == "main"
    assert device["last_uplink"] is None
    assert adapter.get_json("/v1/devices/491701234567") == device
    assert adapter.get_json("/v1/devices/a%2fb%25c@example.org/queue") == {"messages": [], "next": None}
    shown = adapter.scefctl("device", "show", "a/b%c@example.org")
    assert re.search(r"^external_id +a/b%c@example.org$", shown.stdout, re.MULTILINE)
    assert json.loads(adapter.scefctl("--json", "device", "show", "491701234567").stdout) == device


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/", 404),
        ("GET", "/v1/devices/", 404),
        ("GET", "/v1/devices/nobody@example.org", 404),
        ("GET", "/v1/devices/nobody@example.org/queue", 404),
        ("GET", "/v1/devices/dev0@example.org/queue/7", 404),
        ("GET", "/v1/devices/dev0@example.org/queue/x", 404),
        ("GET", "/v1/devices/dev0@example.org/other", 404),
        ("GET", "/v1/devices/%zz", 404),
        ("GET", "/v1/devices/%0", 404),
        ("GET", "/v1/devices/a%00b", 404),
        ("GET", "/v1/devices/" + "a" * 5000, 404),
        ("GET", "/v1/devices?limit=0", 400),
        ("GET", "/v1/devices?limit=1001", 400),
        ("GET", "/v1/devices?limit=", 400),
        ("GET", "/v1/devices?limit=-1", 400),
        ("GET", "/v1/devices?limit=99999999999999999999999", 400),
        ("GET", "/v1/devices?cursor=a", 400),
        ("GET", "/v1/devices/dev0@example.org/queue?limit=x", 400),
        ("POST", "/v1/devices", 405),
        ("DELETE", "/livez", 405),
    ],
)
def test_invalid_requests(start, dead_scef, method, path, status):
    adapter = start(dead_scef, DEVICES[:1])
    got, headers, body = adapter.get(path, method)
    assert got == status
    assert headers["Content-Type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert json.loads(body)["title"]
    assert adapter.get("/livez")[0] == 200


def test_queue(start, scef, server):
    """A server's request for a sleeping device is shown, and is still there after a restart."""
    leg_port = free_udp_port()
    adapter = start(scef, DEVICES[:3], leg_port=leg_port)
    wait_for(lambda: adapter.get("/readyz")[0] == 200)
    device = adapter.get_json("/v1/devices/dev1@example.org")
    address = ("127.64.0.2", leg_port)
    assert device["leg"] == 1
    server.sendto(CON_GET_3, address)
    assert server.recvfrom(100) == (EMPTY_ACK, address)

    def queued():
        return adapter.get_json("/v1/devices/dev1@example.org/queue")["messages"]

    (message,) = wait_for(queued)
    wait_for(lambda: adapter.metric('scef_adapter_downlink_submits_total{scef="scef",status="500"}'))
    assert len(queued()) == 1
    assert (message["class"], message["server"], message["code"]) == ("request", "main", "0.01")
    assert message["token"] == "a1b2"
    assert message["bytes"] == len(CON_GET_3)
    assert message["accepted"] < message["deadline"]
    seq = message["seq"]
    whole = adapter.get_json(f"/v1/devices/dev1@example.org/queue/{seq}")
    assert bytes.fromhex(whole["message"])[4:] == CON_GET_3[4:]

    listed = adapter.scefctl("queue", "ls")
    lines = listed.stdout.splitlines()
    assert len(lines) == 2
    columns = [lines[0].index(title) for title in ("DEVICE", "SEQ", "CLASS", "STATE", "METHOD", "BYTES", "SERVER")]
    cells = [lines[1][at:].split()[0] for at in columns]
    assert cells == ["dev1@example.org", str(seq), "request", "queued", "GET", "8", "main"]
    assert adapter.scefctl("queue", "ls", "dev1@example.org").stdout == listed.stdout
    assert len(adapter.scefctl("queue", "ls", "dev0@example.org").stdout.splitlines()) == 1
    assert f"seq                        {seq}\n" in adapter.scefctl("queue", "show", "dev1@example.org", str(seq)).stdout
    row = next(line for line in adapter.scefctl("device", "ls").stdout.splitlines() if line.startswith("dev1@"))
    assert row.split()[:5] == ["dev1@example.org", "main", "active", device["reachable"] and row.split()[3], "1"]

    assert adapter.terminate()[0] == 0
    adapter = start(scef, DEVICES[:3], leg_port=leg_port)
    (again,) = queued()
    assert (again["seq"], again["accepted"], again["deadline"]) == (seq, message["accepted"], message["deadline"])
    server.sendto(CON_GET_3, address)  # the server repeats itself: recognised, or acknowledged once more
    assert len(queued()) == 1
    trace = [json.loads(line) for line in (adapter.log.parent / "trace.jsonl").read_text().splitlines()]
    accepted = next(event for event in trace if event["event"] == "accepted")
    assert (accepted["ext_id"], accepted["seq"]) == ("dev1@example.org", seq)
    assert any(event["event"] == "submit_result" and event.get("status") == 500 for event in trace)


def test_scefctl_lists(start, dead_scef):
    adapter = start(dead_scef, DEVICES)
    lines = adapter.scefctl("device", "ls").stdout.splitlines()
    assert len(lines) == 251
    assert lines[0].split()[:3] == ["DEVICE", "SERVER", "CONFIGURATION"]
    column = lines[0].index("SERVER")
    assert all(line[column - 1] == " " and line[column:].startswith("main ") for line in lines[1:])
    assert len(adapter.scefctl("--limit", "7", "device", "ls").stdout.splitlines()) == 8
    objects = [json.loads(line) for line in adapter.scefctl("--json", "device", "ls").stdout.splitlines()]
    assert len(objects) == 250
    assert objects[249]["msisdn"] == "491701234567"


def test_scefctl_errors(start, dead_scef):
    adapter = start(dead_scef, DEVICES[:1])
    unknown = adapter.scefctl("device", "show", "nobody@example.org")
    assert unknown.returncode == 1
    assert unknown.stdout == ""
    assert re.fullmatch(r"scefctl: http://\S+/v1/devices/nobody%40example.org: 404 device is not known here; .*\n", unknown.stderr)
    assert adapter.scefctl("queue", "show", "dev0@example.org", "1").returncode == 1
    for arguments in (
        (),
        ("device",),
        ("device", "rm"),
        ("device", "show"),
        ("device", "ls", "x"),
        ("queue", "show", "dev0@example.org", "x"),
        ("--limit", "0", "device", "ls"),
        ("--nonsense",),
    ):
        wrong = adapter.scefctl(*arguments)
        assert (wrong.returncode, wrong.stdout) == (2, ""), arguments
        assert wrong.stderr
    assert adapter.scefctl("--help").returncode == 0


def test_scefctl_without_an_adapter():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{s.getsockname()[1]}"
        result = subprocess.run(
            [BIN / "scefctl", "health"], env={**os.environ, "SCEFCTL_ADMIN": url}, capture_output=True, text=True, timeout=20
        )
    assert result.returncode == 1
    assert result.stderr == f"scefctl: cannot reach the adapter's admin port at {url}: is it running? set --admin\n"


def test_callbacks_are_refused_on_other_paths(start, dead_scef):
    adapter = start(dead_scef, DEVICES[:1])

    def post(path, body):
        connection = http.client.HTTPConnection("127.0.0.1", adapter.callback_port, timeout=10)
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    assert post("/elsewhere", "{}") == 404
    assert post(callback_path.NIDD, "{") == 400
    assert post(f"/gateway{callback_path.NIDD}", "{") == 400  # a gateway's prefix in front is fine
    wait_for(lambda: int(adapter.metric('scef_adapter_callbacks_total{scef="scef",result="ERR_NOT_JSON"}')[1]) == 2)


def test_terminate_while_the_scef_hangs(start):
    """A SCEF that never answers must not hold us: what is under way is cut short after a second."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        adapter = start(f"http://127.0.0.1:{listener.getsockname()[1]}", DEVICES[:5])
        wait_for(lambda: int(adapter.metric('scef_adapter_scef_requests_in_flight{scef="scef"}')[1]) > 0)
        status, seconds = adapter.terminate()
    assert status == 0
    assert seconds < 2


def run_to_failure(folder, config):
    (folder / "c.yaml").write_text(config)
    return subprocess.run(
        [BIN / "scef-adapter", "--config", folder / "c.yaml"], capture_output=True, text=True, timeout=20
    )


def test_start_failures_are_one_line(tmp_path):
    base = "scef: {api_root: 'http://127.0.0.1:9', scs_as_id: as1}\n"
    server = "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n"
    memory = "store: {kind: memory}\n"
    (tmp_path / "file").write_text("")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for config, line in {
            base + server + f"store: {{path: {tmp_path}/file/store}}\n": rf"store\.path {tmp_path}/file/store: .+",
            base + server + memory + f"callback: {{listen: '127.0.0.1:{port}'}}\n": rf"callback\.listen 127\.0\.0\.1 port {port}: Address already in use",
            base + memory + "servers: [{name: main, uri: 'coap://no.such.host.invalid'}]\n": r"server_leg: server 'no\.such\.host\.invalid' has no IPv4 address.*",
        }.items():
            result = run_to_failure(tmp_path, config + f"server_leg: {{port: {free_udp_port()}}}\n")
            assert result.returncode == 1
            assert re.fullmatch(rf"scef-adapter: cannot start: {line}\n", result.stderr), result.stderr


HISTORY = "relay: {history_s: 3600}\n"


def con(code, mid, token, *path, options=b"", payload=b""):
    """A CON request."""
    head = bytes([0x40 | len(token), code]) + mid.to_bytes(2, "big") + token
    segments, delta = b"", 11
    for segment in path:
        segments += bytes([delta << 4 | len(segment)]) + segment.encode()
        delta = 0
    return head + segments + options + (b"\xff" + payload if payload else b"")


class Bench:
    """An adapter whose devices all sleep, and its server."""

    def __init__(self, start, scef, server, count, **options):
        self.leg_port = free_udp_port()
        self.server = server
        self.options = {"more": HISTORY, **options}
        self.begin = lambda: start(scef, DEVICES[:count], leg_port=self.leg_port, **self.options)
        self.adapter = self.begin()
        wait_for(lambda: self.adapter.get("/readyz")[0] == 200)
        wait_for(lambda: self.adapter.get_json("/readyz")["configurations_active"] == count)
        self.mid = 0

    def ask(self, device, code=1, path=("3", "0"), **parts):
        """A request that waits from now on; its sequence number."""
        self.mid += 1
        token = self.mid.to_bytes(2, "big")
        address = (f"127.64.0.{device + 1}", self.leg_port)
        self.server.sendto(con(code, self.mid, token, *path, **parts), address)
        while (heard := self.server.recvfrom(100))[0][0] != 0x60:
            pass  # the adapter repeats what nobody has acknowledged
        assert heard == (b"\x60\x00" + self.mid.to_bytes(2, "big"), address)
        return next(m["seq"] for m in self.queue(device) if m["token"] == token.hex())

    def queue(self, device):
        return self.adapter.get_json(f"/v1/devices/dev{device}@example.org/queue?limit=1000")["messages"]

    def history(self, path="/v1/history"):
        return self.adapter.get_json(path)["final_states"]

    def change(self, method, path, status=200):
        got, headers, body = self.adapter.get(path, method)
        assert got == status, body
        return json.loads(body)

    def answers(self, count):
        """What the server hears next: (token, code) of each message, however often it is repeated."""
        heard = {}
        while len(heard) < count:
            message = self.server.recvfrom(2000)[0]
            heard[message[4 : 4 + (message[0] & 15)].hex()] = f"{message[1] >> 5}.{message[1] & 31:02}"
        return heard


@pytest.fixture
def bench(start, scef, server):
    return lambda count, **options: Bench(start, scef, server, count, **options)


def test_message_is_shown_whole(bench):
    b = bench(1)
    seq = b.ask(0, code=3, path=("5", "0", "1"), options=bytes.fromhex("10" "d10206" "61ff"), payload=b"\x00hello")
    (listed,) = b.queue(0)
    whole = b.adapter.get_json(f"/v1/devices/dev0@example.org/queue/{seq}")
    assert {key: whole[key] for key in listed if key not in ("age_s", "state", "waits_for", "until", "attempts")} == {
        key: listed[key] for key in listed if key not in ("age_s", "state", "waits_for", "until", "attempts")
    }
    assert (whole["method"], whole["path"], whole["priority"]) == ("PUT", "/5/0/1", 3)
    assert whole["options"] == [
        {"number": 11, "name": "Uri-Path", "value": "5"},
        {"number": 11, "name": "Uri-Path", "value": "0"},
        {"number": 11, "name": "Uri-Path", "value": "1"},
        {"number": 12, "name": "Content-Format", "value": 0},
        {"number": 27, "name": "Block1", "value": "0/0/1024"},
        {"number": 33, "name": None, "value": "ff"},
    ]
    assert whole["payload"] == b"\x00hello".hex()
    assert whole["oscore"] is False
    wait_for(lambda: b.queue(0)[0]["waits_for"] == "device")
    assert b.queue(0)[0]["until"] > whole["accepted"]
    shown = b.adapter.scefctl("queue", "show", "dev0@example.org", str(seq)).stdout
    assert "number=27 name=Block1 value=0/0/1024\n" in shown
    assert re.search(r"^waits_for +device$", shown, re.MULTILINE)


def test_whatever_a_server_writes_is_shown(bench):
    """Random options, known ones with lengths that they must not have, and bytes that are no text."""
    dice = random.Random(5)
    b = bench(1, more="relay: {queue_max_messages: 1000}\n")

    def extended(n):
        return (n, b"") if n < 13 else (13, bytes([n - 13])) if n < 269 else (14, (n - 269).to_bytes(2, "big"))

    def option(delta, value):
        (d, more_d), (n, more_n) = extended(delta), extended(len(value))
        return bytes([d << 4 | n]) + more_d + more_n + value

    want = {}
    for n in range(150):
        numbers = sorted(dice.choice([1, 4, 5, 6, 7, 11, 12, 15, 17, 23, 27, 60, 252, 258, 292, 65000]) for _ in range(dice.randrange(9)))
        values = [dice.randbytes(dice.choice([0, 1, 2, 3, 4, 5, 8, 20, 300])) for _ in numbers]
        options = b"".join(option(at - before, v) for before, at, v in zip([0] + numbers, numbers, values))
        payload = dice.randbytes(dice.choice([0, 1, 50]))
        seq = b.ask(0, code=dice.randrange(1, 8), path=(), options=options, payload=payload)
        want[seq] = (numbers, payload.hex())
    for seq, (numbers, payload) in want.items():
        whole = b.adapter.get_json(f"/v1/devices/dev0@example.org/queue/{seq}")
        assert [o["number"] for o in whole["options"]] == numbers
        assert whole.get("payload", "") == payload
        assert whole["path"] is None or re.fullmatch(r"[/?][ -~]*", whole["path"])
    listed = b.adapter.scefctl("queue", "ls", "dev0@example.org").stdout
    assert len(listed.splitlines()) == 151 and all(c == "\n" or " " <= c <= "~" for c in listed)
    shown = b.adapter.scefctl("queue", "show", "dev0@example.org", str(max(want)))
    assert shown.returncode == 0


def test_oscore_has_no_path(bench):
    b = bench(1)
    seq = b.ask(0, code=2, path=(), options=bytes.fromhex("9109" "23") + b"\x78bs", payload=b"\xee" * 12)
    whole = b.adapter.get_json(f"/v1/devices/dev0@example.org/queue/{seq}")
    assert (whole["oscore"], whole["path"], whole["method"]) == (True, None, "POST")


def test_cancel(bench):
    b = bench(2)
    first, second = b.ask(0), b.ask(0)
    path = f"/v1/devices/dev0@example.org/queue/{second}"
    wait_for(lambda: all(m["state"] == "queued" for m in b.queue(0)))
    assert b.change("DELETE", path) == {"cancelled": 1, "asked": 0}
    assert b.answers(1) == {"0002": "5.03"}
    assert [m["seq"] for m in b.queue(0)] == [first]
    assert b.change("DELETE", path, 404)["detail"].startswith("no such message waits")
    assert b.change("DELETE", f"/v1/devices/dev1@example.org/queue/{first}", 404)
    (final,) = b.history()
    assert (final["device"], final["seq"], final["state"]) == ("dev0@example.org", second, "cancelled")
    assert (final["reason"], final["method"], final["path"]) == ("cancelled by the operator", "GET", "/3/0")
    done = b.adapter.scefctl("queue", "cancel", "dev0@example.org", str(first))
    assert (done.returncode, done.stdout) == (0, "cancelled 1\n")
    assert [f["seq"] for f in b.history("/v1/devices/dev0@example.org/history")] == [first, second]
    assert b.history("/v1/devices/dev1@example.org/history") == []
    reasons = 'downlink_final_reasons_total{state="cancelled",reason="cancelled by the operator"}'
    assert int(b.adapter.metric(f"scef_adapter_{reasons}")[1]) == 2
    assert b.adapter.terminate()[0] == 0
    b.adapter = b.begin()
    assert b.queue(0) == []
    assert {f["seq"] for f in b.history()} == {first, second}


def test_purge_of_a_device_and_of_all(bench):
    b = bench(3)
    for device in (0, 0, 0, 1, 2, 2):
        b.ask(device)
    assert b.change("DELETE", "/v1/devices/dev0@example.org/queue?older_than_s=3600") == {"cancelled": 0, "asked": 0}
    assert b.change("DELETE", "/v1/devices/dev0@example.org/queue?server=main") == {"cancelled": 3, "asked": 0}
    assert set(b.answers(3)) == {"0001", "0002", "0003"}
    assert (b.queue(0), len(b.queue(1)), len(b.queue(2))) == ([], 1, 2)
    # A slip of the pen does not purge everything.
    for query in (
        "older_than=5",
        "older_than_s=x",
        "older_than_s=-1",
        "older_than_s=5&older_than_s=6",
        "server=",
        "server=nobody",
        "all",
    ):
        assert b.change("DELETE", f"/v1/queue?{query}", 400)["detail"]
    assert len(b.queue(1)) == 1
    assert b.change("DELETE", "/v1/queue?older_than_s=0&server=main") == {"cancelled": 3, "asked": 0}
    assert b.change("DELETE", "/v1/queue") == {"cancelled": 0, "asked": 0}
    totals = b.adapter.get_json("/v1/queue")
    assert (totals["messages"], totals["top_devices"], totals["oldest_accepted"]) == (0, [], None)
    assert totals["final_states_kept"] == 6


def test_cancel_of_what_the_scef_buffers(start, server):
    """It is asked first: 202, and the history tells."""
    with serving(BufferingScef) as scef:
        b = Bench(start, scef, server, 2)
        seq = b.ask(0)
        wait_for(lambda: b.queue(0)[0]["state"] == "with_scef")
        assert b.queue(0)[0]["waits_for"] == "scef"
        assert b.change("DELETE", f"/v1/devices/dev0@example.org/queue/{seq}", 202) == {"cancelled": 0, "asked": 1}
        wait_for(lambda: [(f["seq"], f["state"]) for f in b.history()] == [(seq, "cancelled")])
        assert b.queue(0) == []
        other = b.ask(1)
        wait_for(lambda: b.queue(1)[0]["state"] == "with_scef")
        purged = b.adapter.scefctl("queue", "purge", "--all", "--yes")
        assert purged.stdout.startswith("cancelled 0; 1 lie with the SCEF")
        assert purged.returncode == 0
        wait_for(lambda: [f["seq"] for f in b.history()] == [other, seq])


def test_totals(bench):
    b = bench(3)
    for device in (2, 2, 0):
        b.ask(device)
    wait_for(lambda: all(m["state"] == "queued" for m in b.queue(0) + b.queue(2)))
    totals = b.adapter.get_json("/v1/queue")
    assert (totals["messages"], totals["bytes"]) == (3, 3 * 10)
    assert totals["classes"]["request"] == totals["states"]["queued"] == {"messages": 3, "bytes": 30}
    assert totals["classes"]["ack"] == totals["states"]["submitted"] == {"messages": 0, "bytes": 0}
    assert totals["top_devices"] == [
        {"external_id": "dev2@example.org", "messages": 2, "bytes": 20},
        {"external_id": "dev0@example.org", "messages": 1, "bytes": 10},
    ]
    assert totals["oldest_accepted"] == b.queue(2)[0]["accepted"]
    shown = b.adapter.scefctl("queue", "totals").stdout
    assert re.search(r"^states +queued messages=3 bytes=30$", shown, re.MULTILINE)
    assert re.search(r"^top_devices +external_id=dev2@example.org messages=2 bytes=20$", shown, re.MULTILINE)
    assert int(b.adapter.metric('scef_adapter_queue_class_messages{class="request"}')[1]) == 3
    assert int(b.adapter.metric('scef_adapter_queue_state_messages{state="queued"}')[1]) == 3
    assert int(b.adapter.metric("scef_adapter_store_up")[1]) == 1
    assert int(b.adapter.metric("scef_adapter_store_commits_timed_total")[1]) > 0
    assert int(b.adapter.metric("scef_adapter_store_commit_microseconds_total")[1]) > 0
    assert [len(b.adapter.scefctl("--limit", str(n), "queue", "ls").stdout.splitlines()) for n in (1, 2, 3, 4)] == [2, 3, 4, 4]
    queued = b.adapter.get_json("/v1/devices?queued=1")
    assert ([d["external_id"] for d in queued["devices"]], queued["next"]) == (["dev0@example.org", "dev2@example.org"], None)


def test_replay(bench):
    b = bench(2)
    seq = b.ask(0)
    submits = lambda: int(b.adapter.metric('scef_adapter_downlink_submits_total{scef="scef",status="500"}')[1])
    wait_for(lambda: b.queue(0)[0]["waits_for"] == "device")
    before = submits()
    assert b.change("POST", f"/v1/devices/dev0@example.org/queue/{seq}/replay", 202) == {"replayed": True}
    wait_for(lambda: submits() == before + 1)
    wait_for(lambda: b.queue(0)[0]["waits_for"] == "device")
    assert b.adapter.scefctl("queue", "replay", "dev0@example.org").returncode == 0
    wait_for(lambda: submits() == before + 2)
    wait_for(lambda: b.queue(0)[0]["waits_for"] == "device")
    assert b.adapter.scefctl("queue", "replay", "dev0@example.org", str(seq)).returncode == 0
    wait_for(lambda: submits() == before + 3)
    b.change("POST", f"/v1/devices/dev0@example.org/queue/{seq + 1}/replay", 404)
    assert b.change("POST", "/v1/devices/dev1@example.org/queue/replay", 404)["detail"] == "nothing waits for the device"
    assert b.queue(0)[0]["seq"] == seq


def test_history_in_pages(bench):
    b = bench(2)
    seqs = [b.ask(device) for device in (0, 1, 0, 1, 0)]
    for device in (1, 0):
        b.change("DELETE", f"/v1/devices/dev{device}@example.org/queue")
    want = [seqs[i] for i in (4, 2, 0, 3, 1)]
    assert [f["seq"] for f in b.history()] == want
    got, cursor = [], ""
    while cursor is not None:
        page = b.adapter.get_json(f"/v1/history?limit=2{cursor and '&cursor=' + cursor}")
        got += [f["seq"] for f in page["final_states"]]
        cursor = page["next"]
    assert got == want
    assert len(b.adapter.scefctl("--limit", "3", "history", "ls").stdout.splitlines()) == 4
    lines = b.adapter.scefctl("history", "ls", "dev1@example.org").stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["SEQ", str(seqs[3]), str(seqs[1])]
    assert lines[1].endswith("cancelled by the operator")
    assert lines[1].split()[2:6] == ["cancelled", "request", "GET", "/3/0"]


def test_scefctl_purge(bench):
    b = bench(2)
    for device in (0, 0, 1):
        b.ask(device)
    for arguments in (
        ("queue", "purge"),
        ("queue", "purge", "--all", "dev0@example.org", "--yes"),
        ("queue", "purge", "--all"),  # nobody is there to be asked
        ("queue", "purge", "--all", "--yes", "--older-than", "1h"),
        ("queue", "ls", "--yes"),
        ("queue", "cancel", "dev0@example.org", "-1"),
        ("queue", "replay"),
    ):
        wrong = b.adapter.scefctl(*arguments)
        assert (wrong.returncode, wrong.stdout) == (2, ""), arguments
        assert wrong.stderr
    unknown = b.adapter.scefctl("queue", "purge", "--all", "--yes", "--server", "nobody")
    assert unknown.returncode == 1
    assert "server is the name of none in the configuration" in unknown.stderr
    assert b.adapter.scefctl("queue", "purge", "nobody@example.org", "--yes").returncode == 1
    assert b.adapter.scefctl("queue", "purge", "dev0@example.org", "--yes", "--server", "main").stdout == "cancelled 2\n"
    assert b.adapter.scefctl("--json", "queue", "purge", "--all", "--yes").stdout == '{"cancelled":1,"asked":0}\n'


def test_hostile_operations(bench):
    b = bench(1)
    seq = b.ask(0)
    device = "/v1/devices/dev0@example.org"
    for method, path, status in (
        ("DELETE", f"{device}/queue/{'9' * 19}", 404),
        ("DELETE", f"{device}/queue/{'9' * 400}", 404),
        ("DELETE", f"{device}/queue/{'9' * 4000}", 404),
        ("DELETE", f"{device}/queue/0", 404),
        ("DELETE", f"{device}/queue/-{seq}", 404),
        ("DELETE", f"{device}/queue/{seq}%00", 404),
        ("DELETE", f"{device}/queue/replay", 404),
        ("POST", f"{device}/queue/replay/replay", 404),
        ("POST", f"{device}/queue/0/replay", 404),
        ("DELETE", "/v1/devices/nobody@example.org/queue", 404),
        ("DELETE", f"/v1/devices/{'x' * 599}/queue", 404),
        ("POST", f"{device}/queue", 405),
        ("PUT", f"{device}/queue/{seq}", 405),
        ("GET", f"{device}/queue/{seq}/replay", 405),
        ("POST", "/v1/queue", 405),
        ("DELETE", "/v1/history", 405),
        ("GET", "/v1/history?limit=0", 400),
        ("GET", f"{device}/history?cursor=-1", 400),
        ("GET", f"{device}/queue?cursor=99999999999", 400),
        ("GET", "/v1/devices?queued=2", 400),
    ):
        got, headers, body = b.adapter.get(path, method)
        assert got == status, (method, path, body)
        assert json.loads(body)["status"] == status
        if status == 405:
            assert method not in headers["Allow"].split(", ")
    assert b.adapter.get(f"{device}/queue/{seq}", "PUT")[1]["Allow"] == "GET, DELETE"
    assert b.adapter.get_json(f"{device}/queue?cursor=7") == {"messages": [], "next": None}
    assert b.adapter.get_json("/v1/history?cursor=9999999999999999999") == {"final_states": [], "next": None}
    assert [m["seq"] for m in b.queue(0)] == [seq]


def test_clients_that_go_away(bench):
    """Nobody waits for these answers any more; and the adapter may stop while it works on them."""
    b = bench(2)
    for device in (0, 0, 1):
        b.ask(device)
    ask = ("GET /metrics", "GET /v1/queue", "DELETE /v1/queue?older_than_s=3600", "DELETE /v1/queue")
    for n in range(100):
        with socket.create_connection(("127.0.0.1", b.adapter.admin_port)) as s:
            s.sendall(f"{ask[n % 3]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert len(b.queue(0) + b.queue(1)) == 3
    with contextlib.ExitStack() as open_to_the_end:
        for n in range(40):
            s = open_to_the_end.enter_context(socket.create_connection(("127.0.0.1", b.adapter.admin_port)))
            s.sendall(f"{ask[n % 4]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b.adapter.terminate()[0] == 0


@pytest.mark.parametrize("moment", [0, 0.0005, 0.002, 0.01, "answer", "answer", "answer", "answer"])
def test_kill_between_a_purge_and_its_answer(bench, moment):
    """What a 200 says has ended does not come back; and each message is in one of the two places after a kill."""
    b = bench(5, more="relay: {history_s: 3600, history_max: 100}\n")
    seqs = {b.ask(device, path=(str(n),)) for n in range(20) for device in range(5)}
    answer = b""
    with socket.create_connection(("127.0.0.1", b.adapter.admin_port)) as s:
        s.sendall(b"DELETE /v1/queue HTTP/1.1\r\nHost: x\r\n\r\n")
        if moment == "answer":
            answer = s.recv(1)
        else:
            time.sleep(moment)
        b.adapter.process.kill()
        b.adapter.process.wait()
        with contextlib.suppress(ConnectionError):
            while part := s.recv(4096):
                answer += part
    assert answer or moment != "answer"
    b.adapter = b.begin()
    waiting = {m["seq"] for device in range(5) for m in b.queue(device)}
    ended = {f["seq"] for f in b.history()}
    assert waiting | ended == seqs
    assert not waiting & ended
    if answer:
        assert answer.startswith(b"HTTP/1.1 200") and waiting == set()


def test_a_full_store_does_not_let_a_purge_lie(bench, server):
    """Final states find no room: the purge is not said to be durable before the messages are deleted without them."""
    b = bench(1, store_mib=1, more="relay: {history_s: 3600, queue_max_messages: 10000, queue_max_bytes: 10000000}\n")
    address, n = ("127.64.0.1", b.leg_port), 0
    while True:
        n += 1
        server.sendto(con(3, n, n.to_bytes(2, "big"), "3", payload=bytes(1000)), address)
        if server.recvfrom(2000)[0][1] != 0:  # 5.03: the store is full
            break
    assert n > 100
    refused = b.change("DELETE", "/v1/queue", 503)
    assert "a restart now could bring it back" in refused["detail"]
    wait_for(lambda: b.adapter.get("/v1/queue", "DELETE")[0] == 200)
    b.adapter.process.kill()
    b.adapter.process.wait()
    b.adapter = b.begin()
    assert b.queue(0) == []
