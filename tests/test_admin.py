"""scef-adapter from outside: health, metrics, the admin API and scefctl, with a SCEF that is dead and one that lives."""

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


@pytest.fixture
def scef():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scef)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def server():
    """The LwM2M server: a bare socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(5)
        yield s


class Adapter:
    def __init__(self, folder, api_root, server_port, devices, leg_port, more=""):
        self.leg_port = leg_port
        self.log = folder / "log"
        (folder / "d.jsonl").write_text("".join(json.dumps(device) + "\n" for device in devices))
        (folder / "c.yaml").write_text(
            f"""scef: {{api_root: '{api_root}', scs_as_id: as1}}
callback: {{listen: '127.0.0.1:0', url: 'http://127.0.0.1:1{callback_path.BASE}'}}
admin: {{listen: '127.0.0.1:0'}}
store: {{path: {folder}/store, max_size_mib: 64}}
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
            match = re.fullmatch(r'(scef_adapter_[a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"(,[a-z]+="[a-zA-Z0-9_]+")?\})? \d+', line)
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
    columns = [lines[0].index(title) for title in ("DEVICE", "SEQ", "CLASS", "STATE", "CODE", "BYTES", "SERVER")]
    cells = [lines[1][at:].split()[0] for at in columns]
    assert cells == ["dev1@example.org", str(seq), "request", "queued", "0.01", "8", "main"]
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
