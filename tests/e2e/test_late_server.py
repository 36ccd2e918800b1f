"""A server that gets its acknowledgements late, or not at all, and repeats itself: none of that reaches the radio.

The servers here are bare datagrams, so that the pattern on the wire is the test's and nobody's library's.
"""

import time

import pytest
import wire
from stack import endpoint, external_id, free_ports

RETRANSMISSIONS_S = (0, 2, 6, 14, 30)  # RFC 7252 clause 4.8 without its random factor


class Device:
    """A device on the air interface that speaks when the test says so."""

    def __init__(self, number, air_port):
        self.id = external_id(number)
        self.name = endpoint(number)
        self.peer = wire.Peer(("127.0.0.1", air_port))

    def register(self, mid=1, token=b"\x01"):
        self.peer.send(wire.registration(self.name, mid, token))

    def answer(self, request, payload=b"x"):
        self.peer.send(wire.Message(wire.ACK, wire.code("2.05"), request.mid, request.token, [], payload))


@pytest.fixture
def chain(stack):
    """(stack, server, devices): three devices, the second of which sleeps."""
    air = free_ports(3)
    ue = {"client": "air", "active_time_s": 1}
    stack.start_scef(
        [
            {"external_id": external_id(n), "air": f"127.0.0.1:{air + n - 1}", "psm": n == 2, **ue}
            for n in (1, 2, 3)
        ]
    )
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.start_adapter([external_id(n) for n in (1, 2, 3)])
        devices = [Device(n, air + n - 1) for n in (1, 2, 3)]
        yield stack, server, devices
        for device in devices:
            device.peer.close()


def accept_registration(server, device):
    """Where the device is from now on, as the server sees it."""
    device.register()
    request = server.expect(code=wire.POST)
    location = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, b"7")]
    created = wire.Message(wire.ACK, wire.code("2.01"), request.mid, request.token, location)
    server.send(created, request.source)
    assert device.peer.expect(type=wire.ACK).code == wire.code("2.01")
    return request.source


class Schedule:
    """Things to do at times counted from now."""

    def __init__(self):
        self.start = time.monotonic()
        self.entries = []

    def at(self, seconds, do):
        self.entries.append((self.start + seconds, len(self.entries), do))

    def due(self):
        self.entries.sort()
        while self.entries and self.entries[0][0] <= time.monotonic():
            self.entries.pop(0)[2]()
        return bool(self.entries)


def test_repetitions_at_0_2_6_14_and_30_s_cost_no_second_nas_message(chain):
    """Three requests at once, each by the whole pattern: the device of the first answers at once, that of the second
    sleeps for the first 20 seconds, that of the third answers after 10."""
    stack, server, devices = chain
    places = [accept_registration(server, device) for device in devices]
    requests = [wire.request(wire.GET, "/3/0", 100 + n, bytes([0xA0 + n])) for n in range(3)]
    schedule = Schedule()
    stack.wait(lambda: not stack.control("GET", f"/ues/{devices[1].id}")["awake"], "device 2 sleeps")
    for n in range(3):
        for seconds in RETRANSMISSIONS_S:
            schedule.at(seconds, lambda n=n: server.send(requests[n], places[n]))
    schedule.at(20, lambda: devices[1].peer.send(wire.request(wire.POST, "/rd/7", 2, b"\x02")))

    received, answers = {n: [] for n in range(3)}, []
    pending = {n: [] for n in range(3)}
    while schedule.due() or time.monotonic() < schedule.start + RETRANSMISSIONS_S[-1] + 2:
        for n, device in enumerate(devices):
            message = device.peer.receive(0.02)
            if message and message.code == wire.GET:
                pending[n].append(message)
                if n == 2:
                    schedule.at(10, lambda m=message: devices[2].answer(m))
                else:
                    device.answer(message)
        message = server.receive(0.02)
        if not message:
            continue
        n = places.index(message.source)
        if message.type == wire.ACK:
            received[n].append(message)
        elif message.code == wire.POST:
            reply = wire.Message(wire.ACK, wire.code("2.04"), message.mid, message.token)
            server.send(reply, message.source)
        else:
            answers.append((n, message))
            server.send(wire.empty(wire.ACK, message.mid), message.source)

    assert [len(messages) for messages in pending.values()] == [1, 1, 1]
    for n in range(3):
        token = requests[n].token.hex()
        nas = stack.nas(ext_id=devices[n].id, what="sent", token=token)
        assert [e["dir"] for e in nas] == ["mt", "mo"], nas
        # Every copy was acknowledged; after the first by a repetition of the same.
        assert len(received[n]) == len(RETRANSMISSIONS_S)
        assert {(m.code, m.mid) for m in received[n]} == {(0, requests[n].mid)}
    assert sorted((n, m.type, m.code, m.token) for n, m in answers) == [
        (n, wire.CON, wire.code("2.05"), requests[n].token) for n in range(3)
    ]
    assert all([e["state"] for e in events] == ["answered"] for events in stack.finals().values())


def test_server_that_does_not_acknowledge_is_spoken_to_again_without_the_device(chain):
    """A registration and a notification that the server acknowledges only when they come again."""
    stack, server, (device, *_) = chain
    device.register()
    copies = [server.expect(code=wire.POST) for _ in range(2)]
    assert len({copy.data for copy in copies}) == 1
    server.send(wire.empty(wire.ACK, copies[0].mid), copies[0].source)
    created = wire.Message(wire.CON, wire.code("2.01"), 900, copies[0].token, [(wire.LOCATION_PATH, b"rd")])
    for _ in range(3):  # its answer comes separately, and repeatedly, because it misses the ACK
        server.send(created, copies[0].source)
    assert server.expect(type=wire.ACK, mid=900).code == 0
    # One message of the device, one for it: the separate answer is its piggybacked ACK.
    answer = device.peer.expect(type=wire.ACK)
    assert (answer.code, answer.mid, answer.token) == (wire.code("2.01"), 1, b"\x01")
    assert device.peer.receive(1) is None
    assert [e["dir"] for e in stack.nas(ext_id=device.id, what="sent")] == ["mo", "mt"]

    server.send(wire.request(wire.GET, "/3/0/9", 901, b"ob", options=[(wire.OBSERVE, b"")]), copies[0].source)
    request = device.peer.expect(code=wire.GET)
    content = wire.Message(wire.ACK, wire.code("2.05"), request.mid, request.token, [(wire.OBSERVE, b"\x01")], b"90")
    device.peer.send(content)
    server.send(wire.empty(wire.ACK, server.expect(code=wire.code("2.05")).mid), copies[0].source)
    device.peer.send(wire.Message(wire.CON, wire.code("2.05"), 3, b"ob", [(wire.OBSERVE, b"\x02")], b"89"))
    copies = [server.expect(payload=b"89") for _ in range(2)]
    assert len({copy.data for copy in copies}) == 1
    server.send(wire.empty(wire.ACK, copies[0].mid), copies[0].source)
    assert device.peer.expect(type=wire.ACK).mid == 3
    sent = [(e["dir"], e["type"], e["code"]) for e in stack.nas(ext_id=device.id, what="sent")]
    assert sent[2:] == [("mt", "CON", "0.01"), ("mo", "ACK", "2.05"), ("mo", "CON", "2.05"), ("mt", "ACK", "0.00")]
