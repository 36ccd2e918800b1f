"""LwM2M servers, on asyncio: two by UDP that keep devices busy and note what becomes of each request, one by TCP."""

import asyncio
import socket
from dataclasses import dataclass

import stream_wire
import wire

REPEAT_S = 0.08
CREATED, CHANGED, UNAVAILABLE = wire.code("2.01"), wire.code("2.04"), wire.code("5.03")


@dataclass
class Request:
    ue: str
    message: wire.Message
    accepted: bool = False  # acknowledged, or answered
    refused: int = 0  # code
    answers: set = None  # (code, payload)


class UdpServer(asyncio.DatagramProtocol):
    """`world` has dice, addresses, calm, reached and broken(text)."""

    def __init__(self, world, name, port):
        self.world, self.name = world, name
        self.dice = world.dice
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", port))
        self.requests = {}  # token: Request
        self.mids = {}  # (address, mid): token
        self.seen = {}  # (address, mid, token) of what came: the replies
        self.mid = self.dice.randrange(65536)

    async def start(self):
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=self.socket)

    def connection_made(self, transport):
        self.transport = transport

    def error_received(self, error):
        pass  # the adapter is dead just now

    def next_mid(self):
        self.mid = (self.mid + 1) & 0xFFFF
        return self.mid

    def send(self, message, address):
        self.transport.sendto(message.encode(), address)

    def open(self, ue=None):
        return [r for r in self.requests.values() if not r.answers and not r.refused and ue in (None, r.ue)]

    # ---- requests of ours

    def ask(self, ue, token, method, path, options=(), payload=b""):
        message = wire.request(method, path, self.next_mid(), token, options=options, payload=payload)
        request = Request(ue, message, answers=set())
        self.requests[token] = request
        self.mids[self.world.addresses[ue], message.mid] = token
        self.repeat(request)

    def repeat(self, request):
        if not request.accepted and not request.refused:
            self.send(request.message, self.world.addresses[request.ue])
            asyncio.get_running_loop().call_later(REPEAT_S, self.repeat, request)

    # ---- what comes

    def datagram_received(self, data, address):
        message = wire.decode(data)
        if message.type in (wire.ACK, wire.RST):
            self.reaction(message, address)
            return
        if not message.code:
            return
        if message.payload:
            self.world.reached.add(message.payload)
        key = (address, message.mid, message.token)
        if key not in self.seen:
            self.seen[key] = self.request(message, address) if not message.code >> 5 else self.answer(message, address)
        for reply in self.seen[key]:
            self.send(reply, address)

    def reaction(self, message, address):
        request = self.requests.get(self.mids.get((address, message.mid)))
        if not request or message.type != wire.ACK:
            return  # of a separate answer of ours
        if not message.code:
            request.accepted = True
        elif not request.accepted:
            request.refused = message.code

    def answer(self, message, address):
        """Or a notification."""
        acknowledgement = [wire.empty(wire.ACK, message.mid)] if message.type == wire.CON else []
        request = self.requests.get(message.token)
        if not request:
            return self.unknown(message)
        if self.world.addresses.get(request.ue) != address:
            self.world.broken(f"{self.name} got an answer from another device: {message}")
        request.accepted = True
        if message.option(wire.OBSERVE):  # a notification may come before the answer, and is one then
            request.answers.add((message.code, b"observed"))
            if message.payload[:1] != b"r" and self.dice.random() < 0.1:
                return [wire.empty(wire.RST, message.mid)]  # it wants no more of these (RFC 7641 clause 3.6)
        else:
            request.answers.add((message.code, message.payload if message.code >> 5 == 2 else b""))
        return acknowledgement

    def unknown(self, message):
        """A device repeats its separate answer; the adapter has died, and nobody knows any more whom it was for. Only
        when it has got there is that no loss (RFC 7252 clause 4.2: Reset)."""
        for server in self.world.servers():
            asked = server.requests.get(message.token)
            if asked and asked.answers:
                return [wire.empty(wire.RST, message.mid)]
        self.world.broken(f"{self.name} got a response with the token of no request: {message}")
        return []

    def request(self, message, address):
        if message.path() == "/rd":
            ue = next(v for v in message.option(wire.URI_QUERY) if v.startswith(b"ep="))[11:].decode()
            if self.world.addresses.setdefault(ue, address) != address:
                self.world.broken(f"{ue} has moved to {address}")
        if message.type != wire.CON:
            return []
        if not self.world.calm and self.dice.random() < 0.3:
            separate = wire.Message(wire.CON, CHANGED, self.next_mid(), message.token)
            return [wire.empty(wire.ACK, message.mid), separate]
        return [wire.Message(wire.ACK, CHANGED, message.mid, message.token)]


class StreamServer(asyncio.Protocol):
    """One connection of a device (RFC 8323)."""

    def __init__(self, world):
        self.world, self.buffer = world, b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(stream_wire.frame(stream_wire.signal(stream_wire.CSM)))

    def data_received(self, data):
        self.buffer += data
        while (message := self.next()) is not None:
            if message.payload and message.code >> 5 != 7:
                self.world.reached.add(message.payload)
            if message.code == stream_wire.PING:
                self.transport.write(stream_wire.frame(stream_wire.signal(stream_wire.PONG, message.token)))
            elif message.code and not message.code >> 5:
                self.transport.write(stream_wire.frame(wire.Message(wire.NON, CHANGED, 0, message.token)))

    def next(self):
        if len(self.buffer) < 2:
            return None
        nibble, token_len = self.buffer[0] >> 4, self.buffer[0] & 15
        extra = {13: 1, 14: 2}.get(nibble, 0)
        base = {13: 13, 14: 269}.get(nibble, nibble)
        length = base + int.from_bytes(self.buffer[1 : 1 + extra], "big") if extra else nibble
        total = 2 + extra + token_len + length
        if len(self.buffer) < total:
            return None
        data, self.buffer = self.buffer[:total], self.buffer[total:]
        return wire.decode(bytes([1 << 6 | wire.NON << 4 | token_len, data[1 + extra], 0, 0]) + data[2 + extra :])
