"""The adapter's WebSocket towards a SCEF that has gone mad, by a seed: handshakes that are none, frames that are none, and now
and then one that is in order. Then it comes to its senses, and an uplink gets through at the first try of the adapter."""

import base64
import hashlib
import json
import random
import re
import socket
import struct
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("deviations", "e2e")]
from scripted import DEVICE, Answer, World, wire  # noqa: E402

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SECONDS = 8


def frame(payload, opcode=2, final=True, mask=None, bits=0, length=None):
    length = len(payload) if length is None else length
    head = bytes([final << 7 | bits << 4 | opcode])
    masked = 0x80 if mask else 0
    if length < 126:
        head += bytes([masked | length])
    elif length < 65536:
        head += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", length)
    return head + (mask or b"") + payload


def notification(number, body):
    raw = json.dumps(body).encode() if not isinstance(body, bytes) else body
    return b"3GPP-WS-Notif-Seq: %d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (number, len(raw)) + raw


class MadEndpoint(threading.Thread):
    def __init__(self, seed, link):
        super().__init__(daemon=True)
        self.dice = random.Random(f"{seed} websocket")
        self.link = link
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.sane = False
        self.connections = self.done = 0
        self.uplink = None  # the notification to send when sane
        self.acknowledged = threading.Event()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                connection.settimeout(10)
                request = b""
                while b"\r\n\r\n" not in request:
                    more = connection.recv(4096)
                    if not more:
                        return
                    request += more
                key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)[1]
                accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
                good = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept
                if self.sane:
                    connection.sendall(good + frame(notification(1, self.uplink)))
                    if connection.recv(4096):  # masked: what it says, tests/test_websocket.py reads
                        self.acknowledged.set()
                    connection.recv(1)
                elif self.dice.random() < 0.3:
                    self.bad_handshake(connection, good)
                else:
                    connection.sendall(good)
                    for _ in range(self.dice.randint(1, 30)):
                        if not self.bad_frame(connection):
                            break
                self.done += 1
        except OSError:
            self.done += 1

    def bad_handshake(self, connection, good):
        dice = self.dice
        connection.sendall(
            dice.choice(
                [
                    good.replace(b"101", b"200"), good.replace(b"101", b"401"), good.replace(b"Accept: ", b"Accept: x"),
                    good.replace(b"Upgrade: websocket\r\n", b""), good[: dice.randrange(len(good))], dice.randbytes(200),
                    b"HTTP/1.1 101 x\r\n" + b"A: b\r\n" * 9000, b"HTTP/1.1 101 x\r\nX: " + b"y" * 300000,
                    b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + good, b"HTTP/1.1 307 x\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", b"",
                    good.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), good.replace(b"\r\n", b"\n"),
                ]
            )  # fmt: skip
        )

    def bad_frame(self, connection):
        """False: the connection is over."""
        dice = self.dice
        body = {"niddConfiguration": self.link, "externalId": DEVICE, "data": base64.b64encode(dice.randbytes(30)).decode()}
        good = notification(dice.randrange(2**32), body)
        raw = dice.choice(
            [
                frame(good), frame(good), frame(good, opcode=1), frame(good, bits=4), frame(good, mask=b"\1\2\3\4"),
                frame(good[: dice.randrange(len(good))]), frame(good[:20], final=False) + frame(good[20:], opcode=0),
                frame(good[:20], final=False) + frame(b"ping", 9) + frame(good[20:], opcode=0), frame(b"", opcode=0),
                frame(good[:20], final=False) * 3, frame(good, opcode=dice.randrange(16)), frame(b"x" * 126, 9), frame(b"x", 9, False),
                frame(b"p" * 100, 9) * 200, frame(b"p", 10), frame(b"", length=2**63), frame(good, length=2**40), frame(good, length=1 << 20),
                frame(b"z" * 300000), frame(b""), frame(notification(2**40, body)), frame(notification(1, b"{")), frame(notification(1, b"")),
                frame(good.replace(b"\r\n", b"\n")), frame(good.replace(b"Content-Length: ", b"Content-Length: 9")),
                frame(good.replace(b"Content-Length: ", b"Content-Length: -")), frame(good.replace(b"Seq", b"Seqq")),
                frame(good.replace(b"application/json", b"text/x")), frame(b"A: b\r\n" * 5000 + b"\r\n"), dice.randbytes(500),
                frame(dice.randbytes(200)), frame(notification(3, b"[" * 100000)),
            ]
        )  # fmt: skip
        if dice.random() < 0.15:
            raw = dice.choice([frame(struct.pack("!H", dice.choice([0, 999, 1000, 1005, 4999, 65535])), 8), frame(b"x", 8), frame(b"y" * 125, 8)])
        if dice.random() < 0.1:
            raw = raw[: dice.randrange(len(raw) + 1)]
            connection.sendall(raw)
            if dice.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if len(raw) < 400 and dice.random() < 0.2:
            for at in range(len(raw)):
                connection.sendall(raw[at : at + 1])
        else:
            connection.sendall(raw)
        connection.setblocking(False)
        try:
            connection.recv(65536)
        except BlockingIOError:
            pass
        connection.settimeout(10)
        time.sleep(dice.random() * 0.01)
        return True


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1, 2])
def test_websocket_of_a_mad_scef(tmp_path, seed):
    world = World(tmp_path)
    endpoint = MadEndpoint(seed, world.scef.link(DEVICE))
    try:
        endpoint.start()

        def created(request):
            link = world.scef.link(DEVICE)
            uri = {"requestWebsocketUri": True, "websocketUri": f"ws://127.0.0.1:{endpoint.port}/ws/1"}
            return Answer(201, {"self": link, **request.json(), "supportedFeatures": "6", "websockNotifConfig": uri}, {"Location": link})

        world.scef.created = created
        allowed = f"127.0.0.1:{endpoint.port}"
        world.start(scef={"notifications": "websocket", "websocket_ping_s": 1, "allowed_hosts": allowed})
        end = time.monotonic() + SECONDS
        world.wait(lambda: time.monotonic() > end and endpoint.done >= 3, "the madness is over", 60)
        assert world.stack.admin("/livez").status == 200

        message = wire.request(wire.POST, "/dp", 4242, b"sane", wire.NON, payload=b"x")
        data = base64.b64encode(message.encode()).decode()
        endpoint.uplink = {"niddConfiguration": world.scef.link(DEVICE), "externalId": DEVICE, "data": data}
        endpoint.sane = True
        assert world.server.expect(token=b"sane", timeout=90).payload == b"x"
        world.wait(endpoint.acknowledged.is_set, "it is acknowledged")
        world.stack.finish()
    finally:
        endpoint.listener.close()
        world.scef.close()
        world.server.close()
        world.stack.kill_all()
    assert endpoint.connections >= 3
