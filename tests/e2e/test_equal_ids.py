"""Fifty devices that use the same Message IDs and tokens at the same time, and a server that does so too."""

import selectors
import time

import pytest
import wire
from stack import endpoint, external_id, free_ports

COUNT = 50
MODES = {"prefix": {}, "ports": {"mode": "ports", "address": "127.0.0.1"}}


class Crowd:
    """All devices and the server, served as messages come."""

    def __init__(self, stack, air):
        self.server = wire.Peer(at=("127.0.0.1", stack.server_port))
        self.devices = [wire.Peer(("127.0.0.1", air + n)) for n in range(COUNT)]
        self.selector = selectors.DefaultSelector()
        for who in (None, *range(COUNT)):
            peer = self.server if who is None else self.devices[who]
            self.selector.register(peer.socket, selectors.EVENT_READ, (who, peer))

    def serve(self, on_message, finished, timeout=60):
        """on_message(who, message), who is None for the server, until finished()."""
        end = time.monotonic() + timeout
        while not finished():
            assert time.monotonic() < end, "not all messages came in time"
            for key, _ in self.selector.select(0.1):
                who, peer = key.data
                on_message(who, peer.receive())

    def close(self):
        self.selector.close()
        for peer in (self.server, *self.devices):
            peer.close()


@pytest.fixture(params=MODES)
def crowd(stack, request):
    air = free_ports(COUNT)
    leg = dict(MODES[request.param])
    if leg:
        first = free_ports(COUNT)
        leg["port_range"] = f"{first}-{first + COUNT - 1}"
    ue = {"external_id": "dev%d@example.org", "count": COUNT, "psm": False, "delay_ms": [0, 50]}
    stack.start_scef([{**ue, "client": "air", "air": f"127.0.0.1:{air}"}])
    everyone = Crowd(stack, air)
    stack.start_adapter([external_id(n + 1) for n in range(COUNT)], server_leg=leg)
    everyone.stack = stack
    yield everyone
    everyone.close()


def test_every_answer_reaches_the_right_one(crowd):
    places, locations, answers, values = {}, {}, {}, {}

    def registrations(who, message):
        if who is None and message.code == wire.POST:
            name = next(v for v in message.option(wire.URI_QUERY) if v.startswith(b"ep="))[3:].decode()
            places[name] = message.source
            options = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, name.encode())]
            created = wire.Message(wire.ACK, wire.code("2.01"), message.mid, message.token, options)
            crowd.server.send(created, message.source)
        elif who is not None:
            assert (message.type, message.mid, message.token) == (wire.ACK, 7, b"same"), (who, message)
            assert who not in locations, "answered twice"
            locations[who] = message.option(wire.LOCATION_PATH)[1].decode()

    for n in range(COUNT):
        crowd.devices[n].send(wire.registration(endpoint(n + 1), 7, b"same"))
    crowd.serve(registrations, lambda: len(locations) == COUNT)
    assert locations == {n: endpoint(n + 1) for n in range(COUNT)}
    assert len(set(places.values())) == COUNT  # each is its own address

    def reads(who, message):
        if who is not None:
            assert (message.type, message.code, message.token) == (wire.CON, wire.GET, b"read"), (who, message)
            value = str(who).encode()
            crowd.devices[who].send(wire.Message(wire.ACK, wire.code("2.05"), message.mid, message.token, [], value))
        elif message.code:
            assert message.token == b"read"
            values.setdefault(message.source, []).append(message.payload)
            crowd.server.send(wire.empty(wire.ACK, message.mid), message.source)
        else:
            answers.setdefault(message.source, []).append((message.type, message.mid))

    for place in places.values():
        crowd.server.send(wire.request(wire.GET, "/3/0/2", 99, b"read"), place)
    crowd.serve(reads, lambda: len(values) == COUNT and len(answers) == COUNT)
    assert values == {places[endpoint(n + 1)]: [str(n).encode()] for n in range(COUNT)}
    assert set(map(tuple, answers.values())) == {((wire.ACK, 99),)}

    crowd.stack.wait(lambda: len(crowd.stack.adapter_named("final", state="answered")) == COUNT, "all are final")
    for n in range(COUNT):
        sent = crowd.stack.nas(ext_id=external_id(n + 1), what="sent")
        assert [e["dir"] for e in sent] == ["mo", "mt", "mt", "mo"]


def test_own_and_served_exchanges_of_one_device_do_not_mix(crowd):
    """Device and server each ask the other, with one Message ID and one token for both."""
    asked, answered = set(), {}

    def both(who, message):
        if who is None and message.code == wire.POST:
            # First a request of its own to that device, then the answer.
            crowd.server.send(wire.request(wire.GET, "/1/0/1", 5, b"t"), message.source)
            crowd.server.send(wire.Message(wire.ACK, wire.code("2.04"), message.mid, message.token), message.source)
        elif who is None and message.code:
            answered.setdefault("server", {})[message.source] = (message.code, message.payload)
            crowd.server.send(wire.empty(wire.ACK, message.mid), message.source)
        elif who is not None and message.code == wire.GET:
            asked.add(who)
            payload = str(who).encode()
            crowd.devices[who].send(wire.Message(wire.ACK, wire.code("2.05"), message.mid, message.token, [], payload))
        elif who is not None:
            assert (message.type, message.mid, message.token) == (wire.ACK, 5, b"t"), message
            answered.setdefault("devices", {})[who] = message.code

    for n in range(COUNT):
        crowd.devices[n].send(wire.request(wire.POST, "/rd/1", 5, b"t"))
    crowd.serve(both, lambda: [len(answered.get(side, ())) for side in ("server", "devices")] == [COUNT, COUNT])
    assert len(asked) == COUNT
    assert set(answered["devices"].values()) == {wire.code("2.04")}
    assert sorted(answered["server"].values()) == sorted((wire.code("2.05"), str(n).encode()) for n in range(COUNT))
