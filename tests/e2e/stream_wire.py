"""CoAP over TCP and TLS as bytes (RFC 8323), written for the tests alone, and certificates for it."""

import datetime
import ipaddress
import socket
import ssl
import struct

import wire
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CSM, PING, PONG, RELEASE, ABORT = (7 << 5 | detail for detail in range(1, 6))
NON = wire.NON


def frame(message):
    """What a message is on a stream."""
    data = message if isinstance(message, bytes) else message.encode()
    token_len = data[0] & 15
    length = len(data) - 4 - token_len
    if length < 13:
        head = bytes([length << 4 | token_len])
    elif length < 269:
        head = bytes([13 << 4 | token_len, length - 13])
    elif length < 65805:
        head = bytes([14 << 4 | token_len]) + struct.pack("!H", length - 269)
    else:
        head = bytes([15 << 4 | token_len]) + struct.pack("!I", length - 65805)
    return head + data[1:2] + data[4:]


def signal(code, token=b"", options=(), payload=b""):
    return wire.Message(NON, code, 0, token, list(options), payload)


class Connection:
    def __init__(self, sock, source):
        self.socket, self.source, self.buffer = sock, source, b""

    def send(self, *messages):
        self.socket.sendall(b"".join(map(frame, messages)))

    def send_raw(self, data):
        self.socket.sendall(data)

    def _more(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(f"closed, {self.buffer.hex()} is left")
            self.buffer += data

    def receive(self, timeout=20):
        """The next message, as it would be in a datagram. EOFError: closed. TimeoutError."""
        self.socket.settimeout(timeout)
        self._more(1)
        nibble, token_len = self.buffer[0] >> 4, self.buffer[0] & 15
        extra = {13: 1, 14: 2, 15: 4}.get(nibble, 0)
        self._more(2 + extra)
        base = {13: 13, 14: 269, 15: 65805}.get(nibble, nibble)
        length = base + int.from_bytes(self.buffer[1 : 1 + extra]) if extra else nibble
        total = 2 + extra + token_len + length
        self._more(total)
        data, self.buffer = self.buffer[:total], self.buffer[total:]
        head = bytes([1 << 6 | NON << 4 | token_len, data[1 + extra], 0, 0])
        return wire.decode(head + data[2 + extra :])

    def expect(self, code, timeout=20):
        message = self.receive(timeout)
        assert message.code == code, message
        return message

    def closed(self, timeout=20):
        """Whether it is closed, and nothing but signals came before."""
        try:
            while self.receive(timeout).code >> 5 == 7:
                pass
        except (EOFError, ConnectionError):
            return True
        return False

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


class Server:
    """Takes one connection after the other; `tls` is an ssl.SSLContext."""

    def __init__(self, port, host="127.0.0.1", tls=None):
        self.socket = socket.create_server((host, port))
        self.tls = tls

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self, timeout=30):
        """ssl.SSLError: the handshake failed."""
        self.socket.settimeout(timeout)
        sock, source = self.socket.accept()
        sock.settimeout(timeout)
        if self.tls:
            sock = self.tls.wrap_socket(sock, server_side=True)
        return Connection(sock, source)

    def welcome(self, max_message_size=None, timeout=30):
        """A connection on which both sides have said their CSM."""
        connection = self.accept(timeout)
        connection.csm = connection.expect(CSM)
        size = [] if max_message_size is None else [(2, max_message_size.to_bytes(4).lstrip(b"\0"))]
        connection.send(signal(CSM, options=size))
        return connection


# --- certificates ------------------------------------------------------------------------------------------------

DAY = datetime.timedelta(days=1)


class Authority:
    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = directory / f"{name}.pem"
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self.subject, self.key.public_key(), x509.BasicConstraints(True, None), -1, 30)
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject, key, extension, first_day, days):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + first_day * DAY)
            .not_valid_after(now + days * DAY)
            .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, host, first_day=-1, days=30):
        """(certificate file, key file) for an address or a name."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        names = x509.SubjectAlternativeName([name])
        certificate = self._sign(subject, key.public_key(), names, first_day, days)
        paths = [self.directory / f"{self.name}-{host}-{days}.{kind}" for kind in ("crt", "key")]
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths


def server_context(certificate, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["coap"])
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
