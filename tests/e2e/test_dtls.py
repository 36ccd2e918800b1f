"""LwM2M servers that are spoken to by DTLS, on the device's behalf: libcoap's and OpenSSL's, right ones and wrong ones."""

import datetime
import ipaddress

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
