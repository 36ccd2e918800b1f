"""The chain with its messages in a Redis or a Valkey of the test's own, on a Unix socket."""

import json
import subprocess

import pytest
import wire
from stack import endpoint, external_id, free_ports
from stream_wire import Authority

DEVICE = external_id(1)
SECRET = "of-the-operator-alone"


class Redis:
    def __init__(self, program, folder):
        folder.mkdir()
        self.program, self.folder, self.socket = program, folder, folder / "socket"
        self.start()

    def start(self, append_only="yes", more=""):
        command = f"{self.program} --port 0 --unixsocket {self.socket} --dir {self.folder} --logfile log {more}"
        synced = ["--save", "", "--appendonly", append_only, "--appendfsync", "always"]
        self.process = subprocess.Popen([*command.split(), *synced])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def do(self, *words):
        command = ["redis-cli", "-s", self.socket, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@pytest.fixture(params=["redis-server", "valkey-server"])
def redis(request, tmp_path):
    server = Redis(request.param, tmp_path / "redis")
    yield server
    server.kill()


@pytest.fixture
def chain(stack, redis):
    """(stack, server, device): bare datagrams at both ends; the device sleeps a second after it has spoken."""
    air = free_ports()
    ue = {"client": "air", "air": f"127.0.0.1:{air}", "psm": True, "active_time_s": 1}
    stack.start_scef([{"external_id": DEVICE, **ue}])
    store = {"kind": "redis", "uri": f"unix:{redis.socket}", "prefix": "e2e", "timeout_ms": 2000}
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server, wire.Peer(("127.0.0.1", air)) as device:
        stack.start_adapter([DEVICE], store=store)
        yield stack, server, device


def register(server, device, mid):
    """Where the device is, as the server sees it."""
    device.send(wire.registration(endpoint(1), mid, bytes([mid])))
    request = server.expect(code=wire.POST)
    location = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, b"7")]
    server.send(wire.Message(wire.ACK, wire.code("2.01"), request.mid, request.token, location), request.source)
    assert device.expect(type=wire.ACK).code == wire.code("2.01")
    return request.source


def test_an_accepted_message_outlives_adapter_and_redis(chain, redis):
    stack, server, device = chain
    address = register(server, device, 1)
    stack.wait(lambda: not stack.control("GET", f"/ues/{DEVICE}")["awake"], "the device sleeps")
    server.send(wire.request(wire.GET, "/3/0/0", 100, b"\x11"), address)
    assert server.expect(type=wire.ACK, mid=100).code == 0  # accepted
    stack.adapter.kill()
    redis.kill()
    redis.start()
    stack.start_adapter(ready=False)
    assert len(stack.queue(DEVICE)) == 1
    device.send(wire.registration(endpoint(1), 2, b"\2"))  # it is awake
    assert server.expect(code=wire.POST).source == address
    asked = device.expect(code=wire.GET)
    assert asked.token == b"\x11"
    device.send(wire.Message(wire.ACK, wire.code("2.05"), asked.mid, asked.token, [], b"x"))
    answer = server.expect(code=wire.code("2.05"))
    assert answer.token == b"\x11" and answer.source == address
    server.send(wire.empty(wire.ACK, answer.mid), address)
    stack.wait(lambda: not stack.queue(DEVICE), "the queue is empty")
    stack.wait(lambda: redis.do("HKEYS", f"e2e:{{{DEVICE}}}") == "d", "Redis holds nothing but the device")
    assert not redis.do("KEYS", "e2e:p:*")


def test_down_and_back(chain, redis):
    stack, server, device = chain
    address = register(server, device, 1)
    assert stack.admin("/readyz").status == 200
    redis.kill()
    stack.wait(lambda: stack.admin("/readyz").status == 503, "not ready without a store")
    assert "store: " in stack.admin("/readyz").body.decode()
    server.send(wire.request(wire.GET, "/3/0/0", 100, b"\x11"), address)
    refusal = server.expect(mid=100)
    assert refusal.code == wire.code("5.03")
    redis.start("no")  # with nothing of what it had, and less than what is asked for: refused
    stack.wait(lambda: "appendonly yes" in stack.admin("/readyz").body.decode(), "what is wrong with it is told")
    redis.kill()
    redis.start()
    stack.wait(lambda: stack.admin("/readyz").status == 200, "ready again without a restart")
    server.send(wire.request(wire.GET, "/3/0/0", 101, b"\x12"), address)
    assert server.expect(mid=101).code == 0


def test_a_second_adapter_is_refused(chain, redis):
    stack, _, _ = chain
    second = stack.start("scef-adapter", "--config", stack.directory / "adapter.yaml")
    second.expected = {1}
    stack.wait(lambda: not second.running(), "the second one ends")
    assert "another adapter uses store.prefix e2e" in second.errors()
    assert stack.admin("/readyz").status == 200


@pytest.mark.parametrize(
    "host, trusted, password, reason",
    [
        ("127.0.0.1", True, SECRET, None),
        ("127.0.0.2", True, SECRET, "certificate verify failed"),  # another's name
        ("127.0.0.1", False, SECRET, "certificate verify failed"),
        ("127.0.0.1", True, "guessed", "store.password_file"),
    ],
)
def test_tls_and_password(stack, redis, host, trusted, password, reason):
    ca, other = (Authority(stack.directory, name) for name in ("ca", "other"))
    certificate, key = ca.issue(host)
    client_certificate, client_key = ca.issue("adapter.example")
    port = free_ports()
    redis.kill()
    redis.start(
        more=f"--bind 127.0.0.1 --tls-port {port} --tls-cert-file {certificate} --tls-key-file {key} "
        f"--tls-ca-cert-file {ca.path} --requirepass {SECRET}"
    )
    (stack.directory / "password").write_text(f"{password}\n")
    (stack.directory / "password").chmod(0o600)
    store = {
        "kind": "redis",
        "uri": f"rediss://127.0.0.1:{port}/3",
        "ca_file": str((ca if trusted else other).path),
        "certificate_file": str(client_certificate),
        "key_file": str(client_key),
        "password_file": "password",
        "timeout_ms": 2000,
    }
    stack.start_scef([{"external_id": DEVICE}])
    if reason is None:
        stack.start_adapter([DEVICE], store=store)
        stack.wait(lambda: stack.log("configuration", reason="active"), "the chain works")
        return
    path = stack.directory / "adapter.yaml"
    path.write_text(json.dumps(stack.adapter_config([DEVICE], store=store)))
    adapter = stack.start("scef-adapter", "--config", path)
    adapter.expected = {1}
    stack.wait(lambda: not adapter.running(), "it refuses to start")
    assert reason in adapter.errors()
    assert SECRET not in adapter.errors() and "guessed" not in adapter.errors()
