"""CoAP as bytes (RFC 7252), written for the tests alone: nothing is shared with what is tested."""

import contextlib
import socket
import struct
import time
from dataclasses import dataclass, field

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = 1, 2, 3, 4
OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, BLOCK1 = 6, 8, 11, 12, 14, 15, 27


def code(text):
    """ "2.05" as a number."""
    class_, detail = text.split(".")
    return int(class_) << 5 | int(detail)


def code_text(number):
    return f"{number >> 5}.{number & 31:02}"


@dataclass
class Message:
    type: int
    code: int
    mid: int
    token: bytes = b""
    options: list = field(default_factory=list)  # (number, value)
    payload: bytes = b""

    def option(self, number):
        """Its values."""
        return [value for found, value in self.options if found == number]

    def path(self):
        return "/" + "/".join(value.decode() for value in self.option(URI_PATH))

    def encode(self):
        out = struct.pack("!BBH", 1 << 6 | self.type << 4 | len(self.token), self.code, self.mid) + self.token
        last = 0
        for number, value in sorted(self.options, key=lambda option: option[0]):
            out += _option_head(number - last, len(value)) + value
            last = number
        return out + (b"\xff" + self.payload if self.payload else b"")


def _nibble(value):
    if value < 13:
        return value, b""
    return (13, bytes([value - 13])) if value < 269 else (14, struct.pack("!H", value - 269))


def _option_head(delta, length):
    (high, more_delta), (low, more_length) = _nibble(delta), _nibble(length)
    return bytes([high << 4 | low]) + more_delta + more_length


def decode(data):
    """Options that are broken end the list, and the payload is None."""
    first, number, mid = struct.unpack("!BBH", data[:4])
    assert first >> 6 == 1, data.hex()
    at = 4 + (first & 15)
    message = Message(first >> 4 & 3, number, mid, data[4:at])
    last = 0
    while at < len(data) and data[at] != 0xFF:
        try:
            delta, length, at = _option_decode(data, at)
        except IndexError:
            message.payload = None
            return message
        last += delta
        message.options.append((last, data[at : at + length]))
        at += length
    message.payload = data[at + 1 :]
    return message


def _option_decode(data, at):
    values = []
    nibbles, at = data[at], at + 1
    for value in (nibbles >> 4, nibbles & 15):
        if value == 15:
            raise IndexError
        extra = max(value - 12, 0)
        if extra:
            value = int.from_bytes(data[at : at + extra]) + (13 if extra == 1 else 269)
            data[at + extra - 1]  # is it there?
            at += extra
        values.append(value)
    return *values, at


def path_options(path):
    return [(URI_PATH, part.encode()) for part in path.strip("/").split("/")]


def empty(kind, mid):
    return Message(kind, 0, mid)


def request(method, path, mid, token, kind=CON, options=(), payload=b""):
    return Message(kind, method, mid, token, [*path_options(path), *options], payload)


def registration(endpoint, mid, token, lifetime=600):
    query = [(URI_QUERY, text.encode()) for text in (f"ep={endpoint}", f"lt={lifetime}", "lwm2m=1.1", "b=U")]
    return request(POST, "/rd", mid, token, options=[*query, (CONTENT_FORMAT, b"\x28")], payload=b"</1/0>,</3/0>")


class Peer:
    """A UDP socket that speaks CoAP messages; `to` is where it sends by default."""

    def __init__(self, to=None, at=("127.0.0.1", 0)):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        for _ in range(100):  # who had the port before may be on its way out
            with contextlib.suppress(OSError):
                self.socket.bind(at)
                break
            time.sleep(0.1)
        else:
            self.socket.bind(at)
        self.to = to

    @property
    def address(self):
        return self.socket.getsockname()

    def send(self, message, to=None):
        data = message if isinstance(message, bytes) else message.encode()
        self.socket.sendto(data, to or self.to)

    def _datagram(self, timeout):
        self.socket.settimeout(timeout)
        try:
            return self.socket.recvfrom(65536)
        except TimeoutError:
            return None, None

    def receive(self, timeout=20):
        """The next message; who sent it is in `.source`, its bytes in `.data`. None when there is none in time."""
        data, source = self._datagram(timeout)
        if data is None:
            return None
        message = decode(data)
        message.source, message.data = source, data
        return message

    def receive_raw(self, timeout=20):
        data, _ = self._datagram(timeout)
        return data

    def expect(self, timeout=20, **members):
        """The next message that has these members; others, and DTLS records, are skipped."""
        skipped = []
        while True:
            data, source = self._datagram(timeout)
            assert data is not None, f"no message with {members}; there came {skipped}"
            if data[0] >> 6 != 1:
                skipped.append(data.hex())
                continue
            message = decode(data)
            message.source, message.data = source, data
            if all(getattr(message, name) == value for name, value in members.items()):
                return message
            skipped.append(message)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
