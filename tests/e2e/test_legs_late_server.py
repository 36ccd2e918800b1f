"""A server that answers late, separately or twice, by every transport: each exchange costs two NAS messages all the same."""

import time

import legs
import pytest
import wire
from stack import endpoint, external_id, free_ports
from test_late_server import Schedule

CREATED, CHANGED, CONTENT = (wire.code(text) for text in ("2.01", "2.04", "2.05"))
# What the server does with a request, so many seconds after its first copy; the second comes after 2 to 3 (RFC 7252
# clause 4.8).
ANSWERS = {
    "at once": [(0, "piggybacked")],
    "late": [(4, "piggybacked")],
    "twice": [(0, "piggybacked"), (0.5, "piggybacked")],
    "separately": [(0, "acknowledge"), (0.3, "separate")],
    "separately and late": [(0, "acknowledge"), (4, "separate")],
    "separately and three times": [(0, "acknowledge"), (0.3, "separate"), (0.8, "separate"), (1.3, "separate")],
    "separately without an acknowledgement": [(0.3, "separate")],
}
# And with a notification.
ACKNOWLEDGEMENTS = {"at once": (0,), "late": (3,), "twice": (0, 0.5)}
LATEST_S = 4


class Server:
    """Does as its schedule says with the first copy of each message; notes how many copies came."""

    def __init__(self, stack):
        self.peer, self.schedule = wire.Peer(at=("127.0.0.1", stack.server_port)), Schedule()
        self.copies, self.mid, self.stray = {}, 100, []

    def run(self, plan, seconds=LATEST_S + 1):
        """`plan(message)`: [(seconds, message to send)]."""
        end = time.monotonic() + seconds
        while self.schedule.due() or time.monotonic() < end:
            message = self.peer.receive(0.02)
            if message is None or message.code == 0:
                continue
            copy = (message.source, message.mid, message.token)
            self.copies[copy] = self.copies.get(copy, 0) + 1
            if self.copies[copy] == 1:
                now = time.monotonic() - self.schedule.start
                for after, reply in plan(message):
                    self.schedule.at(now + after, lambda r=reply, to=message.source: self.peer.send(r, to))

    def observe(self, place, device, token):
        """Asks, and the device answers."""
        self.mid += 1
        self.peer.send(wire.request(wire.GET, "/3/0/9", self.mid, token, options=[(wire.OBSERVE, b"")]), place)
        asked = device.expect(code=wire.GET, token=token)
        device.send(wire.Message(wire.ACK, CONTENT, asked.mid, token, [(wire.OBSERVE, b"\x01")], b"first"))
        answer = self.peer.expect(code=CONTENT, token=token)
        if answer.type == wire.CON:
            self.peer.send(wire.empty(wire.ACK, answer.mid), place)

    def answers(self, request, how, code):
        self.mid += 1
        made = {
            "acknowledge": wire.empty(wire.ACK, request.mid),
            "piggybacked": wire.Message(wire.ACK, code, request.mid, request.token),
            "separate": wire.Message(wire.CON, code, self.mid, request.token),
        }
        return [(after, made[what]) for after, what in ANSWERS[how]]


@pytest.fixture
def chain(stack):
    """(stack, server, devices on the air interface)"""
    count = len(ANSWERS)
    air = free_ports(count)
    stack.start_scef(
        [
            {"external_id": external_id(n), "air": f"127.0.0.1:{air + n - 1}", "client": "air", "psm": False}
            for n in range(1, count + 1)
        ]
    )
    server, devices = Server(stack), [wire.Peer(("127.0.0.1", air + n)) for n in range(count)]
    yield stack, server, devices
    for peer in (server.peer, *devices):
        peer.close()


def received(device):
    """All that has come to it."""
    return list(iter(lambda: device.receive(0.3), None))


@pytest.mark.parametrize("scheme", legs.SCHEMES)
def test_exchanges_cost_two_nas_messages(chain, scheme):
    stack, server, devices = chain
    numbers = range(1, len(ANSWERS) + 1)
    stack.start_adapter([external_id(n) for n in numbers], servers=legs.servers(stack, scheme))

    hows = dict(zip((endpoint(n) for n in numbers), ANSWERS))
    places = {}

    def registration(message):
        name = next(v for v in message.option(wire.URI_QUERY) if v.startswith(b"ep="))[3:].decode()
        places[message.source] = name
        return server.answers(message, hows[name], CREATED)

    for n, device in zip(numbers, devices):
        device.send(wire.registration(endpoint(n), n, b"r%d" % n))
    server.run(registration)
    assert len(places) == len(ANSWERS)  # each device has an address of its own
    for n, device in zip(numbers, devices):
        assert [(m.type, m.code, m.mid, m.token) for m in received(device)] == [(wire.ACK, CREATED, n, b"r%d" % n)]
        assert [e["dir"] for e in stack.nas(ext_id=external_id(n), what="sent")] == ["mo", "mt"], hows[endpoint(n)]
    by_datagrams = scheme in ("coap", "coaps")
    if by_datagrams:  # the server was asked again meanwhile; by a connection it never is
        assert max(server.copies.values()) > 1

    # The same of what devices tell when they are observed: CON costs two messages, NON one. By a connection nothing is
    # acknowledged.
    hows = dict(zip(places, [*ACKNOWLEDGEMENTS] * len(places)))
    for place, name in places.items():
        n = next(n for n in numbers if endpoint(n) == name)
        server.observe(place, devices[n - 1], b"o%d" % n)

    def notification(message):
        assert message.code == CONTENT
        if message.type == wire.NON:
            return []
        return [(after, wire.empty(wire.ACK, message.mid)) for after in ACKNOWLEDGEMENTS[hows[message.source]]]

    server.copies.clear()
    for n, device in zip(numbers, devices):
        for kind, mid in ((wire.CON, 50 + n), (wire.NON, 70 + n)):
            device.send(wire.Message(kind, CONTENT, mid, b"o%d" % n, [(wire.OBSERVE, bytes([mid]))], b"told"))
    server.run(notification)
    assert len(server.copies) == 2 * len(ANSWERS)
    for n, device in zip(numbers, devices):
        assert [(m.type, m.code, m.mid) for m in received(device)] == [(wire.ACK, 0, 50 + n)]
        sent = [(e["dir"], e["type"]) for e in stack.nas(ext_id=external_id(n), what="sent")][4:]
        assert sorted(sent) == [("mo", "CON"), ("mo", "NON"), ("mt", "ACK")]


@pytest.mark.parametrize("scheme", legs.SCHEMES)
def test_requests_cost_two_nas_messages(chain, scheme):
    """Read, write, execute and observe; by datagrams each is repeated twice, before and after the device has answered."""
    stack, server, devices = chain
    device, name = devices[0], external_id(1)
    stack.start_adapter([name], servers=legs.servers(stack, scheme))
    device.send(wire.registration(endpoint(1), 1, b"r"))
    places = []

    def registration(message):
        places.append(message.source)
        return server.answers(message, "at once", CREATED)

    server.run(registration, 1)
    assert device.expect(type=wire.ACK).code == CREATED
    by_datagrams = scheme in ("coap", "coaps")
    requests = [
        wire.request(wire.GET, "/3/0", 200, b"read"),
        wire.request(wire.PUT, "/3/0/13", 201, b"writ", options=[(wire.CONTENT_FORMAT, b"")], payload=b"1893456000"),
        wire.request(wire.POST, "/3/0/4", 202, b"exec"),
        wire.request(wire.GET, "/3/0/9", 203, b"obse", options=[(wire.OBSERVE, b"")]),
    ]
    for number, request in enumerate(requests):
        server.peer.send(request, places[0])
        if by_datagrams:
            server.peer.send(request, places[0])
        asked = device.expect(token=request.token)
        assert (asked.type, asked.code, asked.payload) == (wire.CON, request.code, request.payload)
        observe = [(wire.OBSERVE, b"\x01")] if request.option(wire.OBSERVE) else []
        code = CONTENT if request.code == wire.GET else CHANGED
        device.send(wire.Message(wire.ACK, code, asked.mid, asked.token, observe, b"%d" % number))
        answer = server.peer.expect(token=request.token, code=code)
        assert answer.payload == b"%d" % number
        if answer.type == wire.CON:
            server.peer.send(wire.empty(wire.ACK, answer.mid), places[0])
        if by_datagrams:
            server.peer.send(request, places[0])
            assert server.peer.expect(mid=request.mid, type=wire.ACK).code == 0
    assert received(device) == []
    sent = [(e["dir"], e["token"]) for e in stack.nas(ext_id=name, what="sent")][2:]
    assert sent == [(way, request.token.hex()) for request in requests for way in ("mt", "mo")]
    assert [[e["state"] for e in events] for events in stack.finals().values()] == [["answered"]] * len(requests)
