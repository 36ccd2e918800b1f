"""TLS, mutual TLS, OAuth2 and the path token between scef-adapter and scef-sim, with real handshakes: what is right works,
what is wrong is refused with one clear line, and when it is put right the adapter goes on without a restart. No secret is
in any log or trace.
"""

import base64
import contextlib
import datetime
import http.client
import http.server
import ipaddress
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import callback_path
import pytest
from callback_path import NIDD
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
DEV1 = "dev1@example.org"
SECRET = "s3cr3t-Of-As1-äöü:+&"
PATH_TOKEN = "q7Zx_0cYb2MKr9T-uW3n"
CON_GET = bytes.fromhex("42011234a1b2b133")  # CON GET /3, token a1b2
DAY = datetime.timedelta(days=1)


def wait_for(condition, what, seconds=20):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"waited too long: {what}"
        time.sleep(0.02)
    return result


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# ---- certificates


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.subject, self.key.public_key(), -DAY, DAY, authority=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, public_key, begin, end, authority=False, names=(), purpose=None):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        )
        if authority:
            usage = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                 "encipher_only", "decipher_only"), False)
            builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if purpose:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name, server=True, host="127.0.0.1", begin=-DAY, end=DAY):
        """(certificate file, key file)"""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        except ValueError:
            names = [x509.DNSName(host)]
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), begin, end, names=names, purpose=purpose)
        files = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_bytes(key, files[1])
        return files


def key_bytes(key, path, encryption=serialization.NoEncryption()):
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, pkcs8, encryption))
    path.chmod(0o600)


def replace(old, new):
    """Certificate and key of `new` under the names of `old`, the key first: a handshake in between may fail, no more."""
    for there, here in ((old[1], new[1]), (old[0], new[0])):
        os.replace(here, there)


# ---- programs


class World:
    """scef-sim with one UE, the adapter, an LwM2M server that is a bare socket, a client that is one."""

    def __init__(self, folder):
        self.folder = folder
        self.authority, self.stranger = Authority(folder, "authority"), Authority(folder, "stranger")
        self.scef_port, self.callback_port, self.admin_port = (free_port() for _ in range(3))
        self.air_port, self.leg_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
        self.server, self.client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.server.bind(("127.0.0.1", 0))
        self.server.settimeout(20)
        self.client.settimeout(20)
        self.sim = self.adapter = None
        self.running, self.number, self.sim_context = [], 0, None
        self.scheme = "http"
        self.secret_file = folder / "secret.txt"
        self.secret_file.write_text(SECRET + "\n")
        self.secret_file.chmod(0o600)

    def log(self, name):
        return "".join(p.read_text(errors="replace") for p in sorted(self.folder.glob(f"{name}.*.log")))

    def _start(self, name, config):
        self.number += 1
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(config))
        with open(self.folder / f"{name}.{self.number:02}.log", "wb") as log:
            arguments = [BIN / name, "--config", path, "--trace", self.folder / f"{name}.trace"]
            process = subprocess.Popen(arguments, stderr=log)
        self.running.append(process)
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        self.running.remove(process)

    # the simulator

    def start_sim(self, **sections):
        ue = {"external_id": DEV1, "client": "air", "air": f"127.0.0.1:{self.air_port}", "psm": False}
        config = {"listen": f"127.0.0.1:{self.scef_port}", "ues": [ue], "notification_retry_ms": 200, **sections}
        self.scheme, self.sim_context = "http", None
        if "tls" in sections:
            self.scheme, self.sim_context = "https", ssl._create_unverified_context()
            if "client_ca" in sections["tls"]:
                self.sim_context.load_cert_chain(*self.authority.issue("control", server=False))
        self.sim = self._start("scef-sim", {key: value for key, value in config.items() if value})
        wait_for(lambda: self._sim_answers(), "scef-sim answers")

    def _sim_answers(self):
        assert self.sim.poll() is None, self.log("scef-sim")
        with contextlib.suppress(OSError):
            return self.control("GET", "/scef")

    def control(self, method, path):
        url = f"{self.scheme}://127.0.0.1:{self.scef_port}/sim/v1{path}"
        with urllib.request.urlopen(urllib.request.Request(url, method=method), context=self.sim_context) as answer:
            body = answer.read()
        return json.loads(body) if body else True

    def configurations(self):
        return self.control("GET", "/scef")["configurations"]

    # the adapter

    def start_adapter(self, scef=None, callback=None):
        config = {
            "scef": {
                "api_root": f"{self.scheme}://127.0.0.1:{self.scef_port}",
                "scs_as_id": "as1",
                "request_timeout_ms": 5000,
                **(scef or {}),
            },
            "callback": {"listen": f"127.0.0.1:{self.callback_port}", **(callback or {})},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "store": {"kind": "memory"},
            "server_leg": {"prefix": "127.88.0.0/16", "port": self.leg_port},
            "servers": [{"name": "main", "uri": f"coap://127.0.0.1:{self.server.getsockname()[1]}"}],
            "devices": [{"external_id": DEV1}],
            "relay": {"retry_min_s": 1, "retry_max_s": 1},
            "log": {"level": "debug"},
        }
        self.adapter = self._start("scef-adapter", config)
        wait_for(lambda: "event=started" in self.log("scef-adapter") or self.adapter.poll() is not None, "the adapter")
        assert self.adapter.poll() is None, self.log("scef-adapter")

    def lines(self, event, name="scef-adapter", **fields):
        """The log's lines with that event and these fields."""
        found = [line for line in self.log(name).splitlines() if f" event={event} " in line + " "]
        for key, value in fields.items():
            found = [line for line in found if f" {key}={value} " in line + " "]
        return found

    def uplink(self):
        """From the device to the server, over a notification."""
        message = bytes([0x50, 0x01]) + os.urandom(2) + b"\xb1\x33"  # NON GET /3
        self.client.sendto(message, ("127.0.0.1", self.air_port))
        while (got := self.server.recvfrom(2000))[0][4:] != message[4:]:  # an answer may be repeated
            assert got[0][1] == 0x45
        assert got[1][0].startswith("127.88.")
        return got[1]

    def downlink(self, to):
        """From the server to the device, over a delivery; the device acknowledges."""
        self.server.sendto(CON_GET[:2] + os.urandom(2) + CON_GET[4:], to)
        message = self.client.recv(2000)
        assert message[4:] == CON_GET[4:]
        self.client.sendto(b"\x62\x45" + message[2:4] + CON_GET[4:6], ("127.0.0.1", self.air_port))
        while (answer := self.server.recv(2000))[1] != 0x45:  # an empty ACK comes first
            assert answer[1] == 0
        self.server.sendto(b"\x60\x00" + answer[2:4], to)

    def works(self):
        self.downlink(self.uplink())

    def configured(self):
        wait_for(lambda: self.configurations() == 1, "the configuration at the SCEF")

    def finish(self):
        for process in list(reversed(self.running)):
            self.stop(process)
        for path in self.folder.glob("*"):
            if path.suffix in (".log", ".trace"):
                text = path.read_text(errors="replace")
                assert "Sanitizer" not in text and "runtime error" not in text, text[-4000:]
                if path.name.startswith("scef-adapter"):
                    for secret in (SECRET, SECRET.split("-")[0], PATH_TOKEN, "PRIVATE KEY"):
                        assert secret not in text, f"{secret} is in {path.name}"

    def kill(self):
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def world(tmp_path):
    w = World(tmp_path)
    try:
        yield w
        w.finish()
    finally:
        w.kill()
        w.server.close()
        w.client.close()


def strings(**files):
    return {key: str(value) for key, value in files.items()}


def mutual(w, **changes):
    """The sections of both sides when all is right; `changes` replaces single members."""
    names = dict(scef="scef", as_client="as-client", as_server="as-server", scef_client="scef-client")
    scef, as_server = (w.authority.issue(names[n]) for n in ("scef", "as_server"))
    as_client, scef_client = (w.authority.issue(names[n], server=False) for n in ("as_client", "scef_client"))
    ca = w.authority.file
    return {
        "tls": strings(certificate=scef[0], key=scef[1], client_ca=ca),
        "callback_tls": strings(ca=ca, certificate=scef_client[0], key=scef_client[1]),
        "scef": strings(ca_file=ca, certificate_file=as_client[0], key_file=as_client[1]),
        "callback": strings(certificate_file=as_server[0], key_file=as_server[1], client_ca_file=ca),
        **changes,
    }


# ---- TLS


def test_mutual_tls_and_path_token(world):
    m = mutual(world)
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"])
    world.start_adapter(m["scef"], {**m["callback"], "path_token": PATH_TOKEN})
    world.configured()
    for _ in range(5):
        world.works()
    assert not world.lines("tls_failed") and not world.lines("tls_client_refused", "scef-sim")
    started = world.lines("started")[0]
    assert f"callback=https://127.0.0.1:{world.callback_port}{callback_path.BASE} " in started
    assert not world.lines("secret_exposed")


SERVER_FAULTS = {
    "unknown_ca": lambda w: w.stranger.issue("bad"),
    "expired": lambda w: w.authority.issue("bad", begin=-2 * DAY, end=-DAY / 24),
    "not_yet_valid": lambda w: w.authority.issue("bad", begin=DAY / 24, end=DAY),
    "name_mismatch": lambda w: w.authority.issue("bad", host="scef.elsewhere.example"),
}


@pytest.mark.parametrize("reason", SERVER_FAULTS)
def test_the_scef_s_certificate_is_wrong(world, reason):
    bad = SERVER_FAULTS[reason](world)
    world.start_sim(tls=strings(certificate=bad[0], key=bad[1]))
    world.start_adapter({"ca_file": str(world.authority.file)})
    line = wait_for(lambda: world.lines("tls_failed", reason=reason), "the line")[0]
    assert f" peer=127.0.0.1:{world.scef_port} " in line and " hint=" in line
    wait_for(lambda: len(world.lines("http_request_failed")) + len(world.lines("configuration")) > 1, "another try")
    assert world.configurations() == 0
    assert len(world.lines("tls_failed")) == 1  # one line, not one for each try
    world.stop(world.sim)
    good = world.authority.issue("good")
    world.start_sim(tls=strings(certificate=good[0], key=good[1]))
    world.configured()
    assert world.lines("tls_recovered")
    world.works()


def test_the_ca_is_pinned_and_its_file_read_anew(world):
    good = world.authority.issue("good")
    ca = world.folder / "ca.pem"
    ca.write_bytes(world.stranger.file.read_bytes())
    world.start_sim(tls=strings(certificate=good[0], key=good[1]))
    world.start_adapter({"ca_file": "ca.pem"})  # relative to the configuration
    wait_for(lambda: world.lines("tls_failed", reason="unknown_ca"), "the line")
    ca.write_bytes(world.authority.file.read_bytes())
    world.configured()
    world.works()


def test_without_ca_file_the_system_s_cas_count(world):
    good = world.authority.issue("good")
    world.start_sim(tls=strings(certificate=good[0], key=good[1]))
    world.start_adapter()
    wait_for(lambda: world.lines("tls_failed", reason="unknown_ca"), "the line")
    assert world.configurations() == 0


CLIENT_FAULTS = {
    "no_certificate": None,
    "unknown_ca": lambda w: w.stranger.issue("as-client", server=False),
    "expired": lambda w: w.authority.issue("as-client", server=False, begin=-2 * DAY, end=-DAY / 24),
    "not_for_clients": lambda w: w.authority.issue("as-client", server=True),
}


@pytest.mark.parametrize("reason", CLIENT_FAULTS)
def test_our_certificate_is_refused(world, reason):
    m = mutual(world)
    bad = CLIENT_FAULTS[reason](world) if CLIENT_FAULTS[reason] else None
    scef = dict(m["scef"])
    if not bad:
        del scef["certificate_file"], scef["key_file"]
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"])
    world.start_adapter(scef, m["callback"])
    wait_for(lambda: world.lines("tls_client_refused", "scef-sim", reason=reason), "the SCEF's line")
    line = wait_for(lambda: world.lines("tls_failed", reason="client_certificate_refused"), "our line")[0]
    assert "certificate_file" in line
    assert world.configurations() == 0
    if bad:
        good = world.authority.issue("renewed", server=False)
        replace(bad, good)
    else:
        world.stop(world.adapter)
        world.start_adapter(m["scef"], m["callback"])
    world.configured()
    world.works()


def test_the_scef_trusts_our_callback_or_says_why(world):
    """Wrong on our side as a server: the simulator tells, and delivers when the adapter is put right."""
    m = mutual(world)
    stranger = world.stranger.issue("stranger-server")
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"], notification_retries=1000)
    wrong = {**m["callback"], **strings(certificate_file=stranger[0], key_file=stranger[1])}
    world.start_adapter(m["scef"], wrong)
    world.configured()
    world.client.sendto(b"\x50\x01\x11\x22\xb1\x33", ("127.0.0.1", world.air_port))
    wait_for(lambda: world.lines("tls_failed", "scef-sim", reason="unknown_ca"), "the SCEF's line")
    world.stop(world.adapter)
    world.start_adapter(m["scef"], m["callback"])
    assert world.server.recv(100)[4:] == b"\xb1\x33"


# ---- the callback server, asked by what knows nothing of it


def https_request(world, path, certificate=None, body=b"{}", version=None):
    context = ssl.create_default_context(cafile=world.authority.file)
    if certificate:
        context.load_cert_chain(*certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    connection = http.client.HTTPSConnection("127.0.0.1", world.callback_port, context=context, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status


def test_callback_server(world):
    m = mutual(world)
    world.start_sim()
    world.start_adapter(callback={**m["callback"], "path_token": PATH_TOKEN})
    good = world.authority.issue("good", server=False)
    bad = {
        "no_certificate": None,
        "unknown_ca": world.stranger.issue("bad1", server=False),
        "expired": world.authority.issue("bad2", server=False, begin=-2 * DAY, end=-DAY / 24),
    }
    path = f"{NIDD}/{PATH_TOKEN}"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert https_request(world, path, good, version=version) == 400  # let in; {} is no notification
        for reason, certificate in bad.items():
            before = len(world.lines("tls_client_refused", reason=reason))
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
                https_request(world, path, certificate, version=version)
            wait_for(lambda: len(world.lines("tls_client_refused", reason=reason)) > before, reason)
    assert https_request(world, "/prefix" + path, good) == 400  # a gateway added something
    for wrong in (NIDD, f"{NIDD}/", f"{NIDD}/{PATH_TOKEN[:-1]}", f"{NIDD}/{PATH_TOKEN}x", "/", f"{path}/",
                  f"{NIDD}/{PATH_TOKEN[:-1]}x", PATH_TOKEN, f"/t8/other/scef/0/{PATH_TOKEN}"):
        assert https_request(world, wrong, good) in ((404, 400) if not wrong.startswith("/") else (404,)), wrong
    with socket.create_connection(("127.0.0.1", world.callback_port), 10) as plain:  # no TLS
        plain.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert not plain.recv(100).startswith(b"HTTP")


def test_https_with_much_in_a_record(world):
    """Several requests in one TLS record, and bodies over many records: nothing may wait inside TLS for a byte that does
    not come."""
    m = mutual(world)
    world.start_sim()
    callback = {key: m["callback"][key] for key in ("certificate_file", "key_file")}
    world.start_adapter(callback=callback)
    context = ssl.create_default_context(cafile=world.authority.file)
    raw = socket.create_connection(("127.0.0.1", world.callback_port), 10)
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
        head = f"POST {NIDD} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        small, large = (f"{head}{n}\r\n\r\n".encode() + b"{" + b" " * (n - 1) for n in (2, 60000))
        for burst in (small * 40, large, large * 3 + small, small):
            tls.sendall(burst)
            wanted, got = burst.count(b"POST"), b""
            while got.count(b"HTTP/1.1 400") < wanted:
                data = tls.recv(65536)
                assert data, f"{got.count(b'HTTP/1.1 400')} of {wanted}"
                got += data


def test_https_callbacks_survive_noise(world):
    m = mutual(world)
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"])
    world.start_adapter(m["scef"], m["callback"])
    world.configured()
    open_ones = []
    for i in range(60):
        s = socket.create_connection(("127.0.0.1", world.callback_port), 10)
        s.sendall([b"", b"\x16\x03\x01\x02\x00", os.urandom(600), b"\x16\x03\x01\xff\xff" + bytes(900)][i % 4])
        open_ones.append(s)
    world.works()
    for s in open_ones:
        s.close()
    world.works()


# ---- the configuration


def test_files_are_checked_at_the_start(world):
    a, stranger = world.authority.issue("a"), world.authority.issue("b")
    encrypted, empty = world.folder / "encrypted.key", world.folder / "empty.txt"
    key_bytes(ec.generate_private_key(ec.SECP256R1()), encrypted, serialization.BestAvailableEncryption(b"x"))
    empty.write_text("\n")
    oauth = "{token_url: 'https://x/', client_id: a, secret_file: %s}"
    rows = [
        ("scef", "ca_file: none.pem", 3, "ca_file", "No such file"),
        ("scef", f"ca_file: {empty}", 3, "ca_file", "holds no CA certificate"),
        ("scef", f"ca_file: {a[1]}", 3, "ca_file", "holds no CA certificate"),
        ("scef", f"ca_file: {world.folder}", 3, "ca_file", "directory"),
        ("scef", f"certificate_file: {a[0]}", 3, "certificate_file", "is there alone"),
        ("scef", f"certificate_file: {a[0]}\n  key_file: none.key", 4, "key_file", "No such file"),
        ("scef", f"certificate_file: {a[0]}\n  key_file: {stranger[1]}", 4, "key_file", "not the key of the cert"),
        ("scef", f"certificate_file: {a[0]}\n  key_file: {encrypted}", 4, "key_file", "holds no key"),
        ("scef", f"certificate_file: {a[1]}\n  key_file: {a[1]}", 3, "certificate_file", "holds no certificate"),
        ("scef", f"oauth: {oauth % 'none.txt'}", 3, "oauth.secret_file", "No such file"),
        ("scef", f"oauth: {oauth % empty}", 3, "oauth.secret_file", "is empty"),
        ("scef", "oauth: {client_id: a}", 3, "oauth.token_url", "is missing"),
        ("scef", "oauth: {client: a}", 3, "oauth.client", "is no key that is known"),
        ("scef", "oauth: yes", 3, "oauth", "is a plain value"),
        ("callback", f"client_ca_file: {world.authority.file}", 5, "client_ca_file", "no effect without"),
        ("callback", f"certificate_file: {a[0]}\n  key_file: none", 6, "key_file", "No such file"),
        ("callback", "path_token: tooshort-1", 5, "path_token", "is too short"),
        ("callback", f"path_token: '{PATH_TOKEN}/x'", 5, "path_token", "holds a character"),
    ]
    for section, text, line, key, wrong in rows:
        config = world.folder / "c.yaml"
        config.write_text(
            "scef:\n  api_root: 'https://127.0.0.1:1'\n"
            + (f"  {text}\n" if section == "scef" else "")
            + "  scs_as_id: as1\n"
            + (f"callback:\n  {text}\n" if section == "callback" else "")
            + "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n"
        )
        got = subprocess.run([BIN / "scef-adapter", "--config", config, "--check"], capture_output=True, text=True,
                             timeout=20, stdin=subprocess.DEVNULL)
        assert got.returncode == 2, text
        first = got.stderr.splitlines()[0]
        assert first.startswith(f"{config}:{line}: {section}.{key}: ") and wrong in first, (text, first)
        assert PATH_TOKEN not in got.stderr and "tooshort-1" not in got.stderr


def test_plain_http_with_certificates_is_a_mistake(world):
    config = world.folder / "c.yaml"
    config.write_text(f"scef: {{api_root: 'http://127.0.0.1:1', scs_as_id: a, ca_file: {world.authority.file}}}\n"
                      "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n")
    got = subprocess.run([BIN / "scef-adapter", "--config", config, "--check"], capture_output=True, text=True)
    assert got.returncode == 2 and "scef.ca_file: has no effect, since api_root is http://" in got.stderr


def test_the_simulator_s_files_are_checked(world):
    a = world.authority.issue("a")
    config = world.folder / "c.yaml"
    for text, line, key, wrong in (
        (f"tls:\n  certificate: {a[0]}\n  key: none", 3, "key", "No such file"),
        (f"tls:\n  certificate: {a[0]}", 2, "certificate", "come together"),
        ("tls:\n  crt: x", 2, "crt", "no such key"),
        ("oauth:\n  client_id: x", 2, "client_secret", "is missing"),
        ("oauth:\n  client_id: x\n  client_secret: y\n  token_lifetime_s: 0", 4, "token_lifetime_s", "0 is not in 1"),
        ("callback_tls: {ca: none}", 1, "ca", "No such file"),
    ):
        config.write_text(f"{text}\nlisten: 127.0.0.1:0\nues: []\n")
        got = subprocess.run([BIN / "scef-sim", "--config", config], capture_output=True, text=True, timeout=20)
        assert got.returncode == 2 and got.stderr.startswith(f"{config}:{line}: {key}: "), (text, got.stderr)
        assert wrong in got.stderr


def test_an_exposed_secret_is_told(world):
    world.start_sim(oauth={"client_id": "as 1", "client_secret": SECRET})
    world.secret_file.chmod(0o644)
    world.start_adapter({"oauth": oauth_section(world)})
    assert f" file={world.secret_file} " in world.lines("secret_exposed")[0]
    assert len(world.lines("secret_in_clear")) == 2  # api_root and token_url are http://


# ---- OAuth2


def oauth_section(world, **changes):
    url = f"{world.scheme}://127.0.0.1:{world.scef_port}/oauth2/token"
    return {"token_url": url, "client_id": "as 1", "secret_file": str(world.secret_file), **changes}


def sim_oauth(**changes):
    return {"client_id": "as 1", "client_secret": SECRET, **changes}


def given(world):
    return world.control("GET", "/oauth")


def adapter_texts(world):
    return world.log("scef-adapter") + (world.folder / "scef-adapter.trace").read_text()


@pytest.mark.parametrize("credentials", ["basic", "body"])
def test_oauth_over_tls(world, credentials):
    m = mutual(world)
    world.start_sim(tls=m["tls"], callback_tls=m["callback_tls"], oauth=sim_oauth())
    world.start_adapter({**m["scef"], "oauth": oauth_section(world, credentials=credentials, scope="a b")}, m["callback"])
    world.configured()
    for _ in range(5):
        world.works()
    assert given(world) == {"issued": 1, "refused": 0, "without_token": 0}
    assert base64.b64encode(SECRET.encode()).decode()[:12] not in adapter_texts(world)
    assert not world.lines("secret_in_clear") and not world.lines("secret_exposed")


def test_oauth_wrong_secret_then_right(world):
    world.start_sim(oauth=sim_oauth())
    world.secret_file.write_text("s3cr3t-but-another\n")
    world.start_adapter({"oauth": oauth_section(world)})
    line = wait_for(lambda: world.lines("oauth_token_failed", reason="invalid_client", status=401), "the line")[0]
    assert "check client_id and the content of secret_file" in line
    begun = time.monotonic()
    wait_for(lambda: given(world)["refused"] >= 3, "back-off")
    assert given(world)["refused"] <= 2 + 2 * (time.monotonic() - begun)  # and not one for each request
    assert world.configurations() == 0 and given(world)["without_token"] == 0
    world.secret_file.write_text(SECRET)
    world.configured()
    world.works()


def test_oauth_tokens_that_end(world):
    world.start_sim(oauth=sim_oauth(token_lifetime_s=2))
    world.start_adapter({"oauth": oauth_section(world)})
    world.configured()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        world.works()
        time.sleep(0.1)
    state = given(world)
    assert state["issued"] >= 3 and state["without_token"] == 0  # renewed before the SCEF would refuse


def test_oauth_token_revoked(world):
    world.start_sim(oauth=sim_oauth())
    world.start_adapter({"oauth": oauth_section(world)})
    world.configured()
    source = world.uplink()
    for round in range(1, 4):
        world.control("POST", "/oauth/revoke")
        world.downlink(source)  # refused once, repeated with a new token: the server never hears of it
        assert given(world) == {"issued": 1 + round, "refused": 0, "without_token": round}


class Endpoint:
    """A token endpoint in front of the simulator's, which can be switched off, and which remembers what it gave."""

    def __init__(self, world):
        self.asked, self.tokens, self.status = 0, [], None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.asked += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = outer.status, b"busy"
                if not status:
                    headers = {k: self.headers[k] for k in ("Content-Type", "Authorization")}
                    url = f"http://127.0.0.1:{world.scef_port}/oauth2/token"
                    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as reply:
                        status, answer = reply.status, reply.read()
                    outer.tokens.append(json.loads(answer)["access_token"])
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.handler, self.port, self.server = Handler, free_port(), None

    def up(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()


def test_oauth_endpoint_down_then_up(world):
    endpoint = Endpoint(world)
    world.start_sim(oauth=sim_oauth())
    world.start_adapter({"oauth": oauth_section(world, token_url=f"http://127.0.0.1:{endpoint.port}/token")})
    assert " hint=" in wait_for(lambda: world.lines("oauth_token_failed"), "the line")[0]
    endpoint.status = 503
    endpoint.up()
    try:
        begun = time.monotonic()
        wait_for(lambda: endpoint.asked >= 2, "asked again")
        assert endpoint.asked <= 2 + 2 * (time.monotonic() - begun)
        wait_for(lambda: world.lines("oauth_token_failed", status=503), "the line with its status")
        assert world.configurations() == 0 and given(world)["without_token"] == 0
        endpoint.status = None
        world.configured()
        world.works()
        assert len(endpoint.tokens) == 1 and endpoint.tokens[0] not in adapter_texts(world)
    finally:
        endpoint.down()


def test_oauth_scef_refuses_every_token(world):
    """A SCEF that does not know its own endpoint's tokens: no storm at the endpoint."""
    endpoint = Endpoint(world)
    world.start_sim(oauth=sim_oauth())
    world.start_adapter({"oauth": oauth_section(world, token_url=f"http://127.0.0.1:{endpoint.port}/token")})
    endpoint.up()
    try:
        stop = threading.Event()

        def revoke():
            while not stop.is_set():
                world.control("POST", "/oauth/revoke")

        threads = [threading.Thread(target=revoke) for _ in range(2)]
        for t in threads:
            t.start()
        time.sleep(5)
        asked = endpoint.asked
        stop.set()
        for t in threads:
            t.join()
        assert asked <= 12, asked
        world.configured()
        world.works()
    finally:
        endpoint.down()


def test_the_simulator_s_token_endpoint(world):
    world.start_sim(oauth=sim_oauth())
    form = "application/x-www-form-urlencoded"
    basic = base64.b64encode(b"as+1:" + urllib.parse.quote(SECRET).encode()).decode()
    body = "grant_type=client_credentials"
    creds = f"&client_id=as%201&client_secret={urllib.parse.quote(SECRET)}"

    def ask(body, status, error=None, method="POST", path="/oauth2/token", type=form, authorization=None):
        connection = http.client.HTTPConnection("127.0.0.1", world.scef_port, timeout=10)
        headers = {"Content-Type": type, **({"Authorization": authorization} if authorization else {})}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read() or b"{}")
        assert answer.status == status, content
        assert error is None or content["error"] == error
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        if path == "/oauth2/token" and method == "POST":
            assert answer.headers["Cache-Control"] == "no-store"
        return content

    token = ask(body, 200, authorization=f"Basic {basic}")
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600
    other = ask(body + creds, 200)["access_token"]
    ask(body, 401, "invalid_client")
    ask(body, 401, "invalid_client", authorization="Basic !!!")
    ask(body + creds.replace("s3", "s4"), 401, "invalid_client")
    ask("grant_type=password" + creds, 400, "unsupported_grant_type")
    ask(creds[1:], 400, "invalid_request")
    ask(body, 400, "invalid_request", type="application/json", authorization=f"Basic {basic}")
    ask(None, 405, method="GET")
    api = "/3gpp-nidd/v1/as1/configurations/c1"
    for t in (token["access_token"], other):
        ask(None, 404, method="GET", path=api, authorization=f"Bearer {t}")
        ask(None, 404, method="GET", path=api, authorization=f"bearer {t}")
    for authorization in (None, "Bearer", "Bearer x", f"Basic {basic}", f"Bearer {other}x"):
        ask(None, 401, method="GET", path=api, authorization=authorization)
