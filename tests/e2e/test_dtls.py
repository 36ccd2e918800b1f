"""LwM2M servers that are spoken to by DTLS, on the device's behalf: libcoap's and OpenSSL's, right ones and wrong ones."""

import datetime
import ipaddress
import json
import signal

import pytest
import wire
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from stack import endpoint, external_id, free_ports

DEVICE = external_id(1)
IDENTITY, KEY = "adapter-one", "0123456789abcdef"


class Chain:
    def __init__(self, stack):
        self.stack, self.port, self.server = stack, stack.server_port, None
        air = free_ports()
        self.stack.start_scef([{"external_id": DEVICE, "air": f"127.0.0.1:{air}", "client": "air"}])
        self.device = wire.Peer(("127.0.0.1", air))
        self.mid = 0

    def start_server(self, *security):
        self.server = self.stack.start("coap_dtls_server", "127.0.0.1", self.port, *security)
        self.stack.wait(lambda: "ready" in self.said(), "the server is there")

    def start_adapter(self, key=KEY, identity=IDENTITY, host="127.0.0.1", **server):
        if not server:
            (self.stack.directory / "psk").write_text(key.encode().hex() + "\n")
            server = {"psk_identity": identity, "psk_file": str(self.stack.directory / "psk")}
        uri = f"coaps://{host}:{self.port}"
        self.stack.start_adapter([DEVICE], servers=[{"name": "main", "uri": uri, **server}])

    def said(self):
        return self.server.output_path.read_text().split("\n")

    def register(self):
        self.mid += 1
        self.send_registration()

    def send_registration(self):
        self.device.send(wire.registration(endpoint(1), self.mid, bytes([self.mid])))

    def registered(self, insist=False):
        """The device has its answer, and answers the server's question; they come in any order. `insist`: it repeats
        itself, as a device does; what it says keeps it reachable."""
        created = question = None
        for _ in range(60):
            if created and question:
                break
            message = self.device.receive(2)
            if message is None and insist and not created:
                self.send_registration()
            elif message and message.code == wire.code("2.01"):
                assert (message.type, message.mid, message.token) == (wire.ACK, self.mid, bytes([self.mid]))
                created = message
            elif message and message.code == wire.GET:
                question = message
        assert created and question and question.path() == "/3/0/0", (created, question)
        payload = f"answer {self.mid}".encode()
        self.device.send(wire.Message(wire.ACK, wire.code("2.05"), question.mid, question.token, [], payload))
        self.stack.wait(lambda: f"content answer {self.mid}" in self.said(), "the server has the answer")

    def refused(self, reason):
        """One line says why; the device hears nothing of the server."""
        self.register()
        self.stack.wait(lambda: self.stack.log("dtls_failed"), "the handshake fails")
        line = self.stack.log("dtls_failed")[0]
        assert reason in str(line), line
        assert "registered" not in self.said()
        assert KEY.encode().hex() not in self.stack.adapter.errors()


@pytest.fixture
def chain(stack):
    chain = Chain(stack)
    yield chain
    chain.device.close()


# --- pre-shared keys ---------------------------------------------------------------------------------------------


def test_exchange_with_a_key(chain):
    chain.start_server("psk", KEY, IDENTITY)
    chain.start_adapter()
    chain.register()
    chain.registered()
    chain.register()
    chain.registered()


def test_server_comes_later_and_restarts(chain):
    chain.start_adapter()
    chain.register()
    chain.start_server("psk", KEY, IDENTITY)
    chain.registered()
    chain.server.kill()
    chain.start_server("psk", KEY, IDENTITY)
    chain.register()
    chain.registered(insist=True)
    handshakes = [chain.stack.metric("dtls_handshakes_total", result=r) for r in ("completed", "silent_server")]
    assert handshakes == [2, 1] and chain.stack.metric("dtls_sessions") == 1


def test_wrong_identity(chain):
    chain.start_server("psk", KEY, "another")
    chain.start_adapter()
    chain.refused("")


class Keys:
    """Two devices with keys of their own, and a third that has none; `known` is what the server knows."""

    def __init__(self, stack, known):
        self.stack = stack
        air = free_ports(3)
        self.ids = [external_id(n) for n in (1, 2, 3)]
        stack.start_scef(
            [
                {"external_id": d, "air": f"127.0.0.1:{air + n}", "client": "air", "psm": False}
                for n, d in enumerate(self.ids)
            ]
        )
        self.devices = [wire.Peer(("127.0.0.1", air + n)) for n in range(3)]
        words = [word for identity, key in known.items() for word in (key, identity)]
        self.server = stack.start("coap_dtls_server", "127.0.0.1", stack.server_port, "psk", *words)
        stack.wait(lambda: "ready" in self.said(), "the server is there")

    def said(self):
        return self.server.output_path.read_text().split("\n")

    def configure(self, keys, **server):
        """`keys` of all devices, the first one's in devices_file."""
        (self.stack.directory / "d.jsonl").write_text(json.dumps({"external_id": self.ids[0], **keys[0]}) + "\n")
        (self.stack.directory / "d.jsonl").chmod(0o600)
        servers = [{"name": "main", "uri": f"coaps://127.0.0.1:{self.stack.server_port}", **server}]
        devices = [{"external_id": device, **key} for device, key in zip(self.ids[1:], keys[1:])]
        sections = {"devices_file": "d.jsonl", "servers": servers, "log": {"level": "debug"}}
        config = self.stack.adapter_config(devices, **sections)
        path = self.stack.directory / "adapter.yaml"
        path.write_text(json.dumps(config))
        path.chmod(0o644)

    def register(self, n, mid=1):
        self.devices[n].send(wire.registration(endpoint(n + 1), mid, bytes([mid])))

    def registered(self, n):
        for _ in range(30):
            message = self.devices[n].receive(2)
            if message and message.code == wire.code("2.01"):
                return
        raise AssertionError(f"device {n} is not registered: {self.said()}")

    def close(self):
        for device in self.devices:
            device.close()


def test_keys_of_devices(stack):
    """The server sees each device's identity; a wrong key and a missing one keep only their own device out, the latter
    until the configuration is read again."""
    first, second, third = "first-key-of-16b", "second-key-16byt", "third-key-16byte"
    keys = Keys(stack, {endpoint(1): first, "two": second, "three": third})
    own = lambda key, **more: {"psk_key": key.encode().hex(), **more}  # noqa: E731
    try:
        keys.configure([own(first), own(first, psk_identity="two"), {}])
        stack.start_adapter()
        exposed = stack.log("secret_exposed")
        assert len(exposed) == 1 and "adapter.yaml" in exposed[0]
        for n in range(3):
            keys.register(n)
        keys.registered(0)
        missing = "neither the device has psk_key nor the server psk_file"
        failed = lambda: [missing in line for line in stack.log("dtls_failed")]  # noqa: E731
        stack.wait(lambda: {True, False} <= set(failed()), "no key, and a wrong one")
        assert [line for line in keys.said() if "identity" in line] == [f"identity {endpoint(1)}"]

        keys.configure([own(first), own(first, psk_identity="two"), own(third, psk_identity="three")])
        stack.adapter.process.send_signal(signal.SIGHUP)
        keys.registered(2)
        keys.register(0, mid=2)
        keys.registered(0)
        assert [line for line in keys.said() if "identity" in line] == [
            f"identity {endpoint(1)}",
            "identity three",
            f"identity {endpoint(1)}",
        ]
        stack.adapter.stop()
        for key in (first, second, third):
            for shown in (key, key.encode().hex()):
                assert shown not in stack.adapter.errors() and shown not in stack.adapter_trace.path.read_text()
    finally:
        keys.close()


def test_keys_of_devices_and_of_the_server(stack):
    """A device without one uses the server's."""
    keys = Keys(stack, {"one": "first-key-of-16b", "all": "key-of-all-16byt"})
    try:
        (stack.directory / "psk").write_text("key-of-all-16byt".encode().hex() + "\n")
        own = {"psk_key": "first-key-of-16b".encode().hex(), "psk_identity": "one"}
        keys.configure([own, {}, {}], psk_identity="all", psk_file="psk")
        stack.start_adapter()
        for n in (0, 1):
            keys.register(n)
        for n in (0, 1):
            keys.registered(n)
        assert {"identity one", "identity all"} < set(keys.said())
    finally:
        keys.close()


# --- certificates ------------------------------------------------------------------------------------------------


class Authority:
    def __init__(self, directory, name):
        self.directory, self.key = directory, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = directory / f"{name}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self.name, self.key, 100).add_extension(constraints, critical=True)
        self._write(self.file, certificate)

    def issue(self, address, days=10):
        """Files of certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate, key_file = self.directory / "server.pem", self.directory / "server.key"
        self._write(certificate, self._builder(name, key, days).add_extension(names, critical=False))
        pem, no_phrase = serialization.Encoding.PEM, serialization.NoEncryption()
        key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_phrase))
        return certificate, key_file

    def _builder(self, name, key, days):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        day = datetime.timedelta(days=1)
        return builder.not_valid_before(now - 20 * day).not_valid_after(now + days * day)

    def _write(self, path, builder):
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize(
    "address, days, trusted, reason",
    [
        ("127.0.0.1", 10, True, None),
        ("127.0.0.1", 10, False, "certificate"),
        ("127.0.0.2", 10, True, "IP address mismatch"),
        ("127.0.0.1", -10, True, "expired"),
    ],
    ids=["good", "unknown CA", "wrong name", "expired"],
)
def test_certificates(chain, address, days, trusted, reason):
    ca, other = (Authority(chain.stack.directory, name) for name in ("ca", "other"))
    chain.start_server("pki", *ca.issue(address, days))
    chain.start_adapter(ca_file=str((ca if trusted else other).file))
    if reason:
        chain.refused(reason)
    else:
        chain.register()
        chain.registered()
