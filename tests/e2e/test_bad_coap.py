"""Bytes that are no CoAP, or not quite, from both sides: dropped and counted with a reason, or carried unchanged where
that is none of a relay's business; nothing else is disturbed."""

import random

import pytest
import wire
from stack import endpoint, external_id, free_ports

DEVICE, OTHER = external_id(1), external_id(2)


@pytest.fixture
def chain(stack):
    """Two devices on the air interface and a server, all of them bare datagrams."""
    air = free_ports(2)
    stack.start_scef(
        [{"external_id": "dev%d@example.org", "client": "air", "air": f"127.0.0.1:{air}", "psm": False, "count": 2}]
    )
    with (
        wire.Peer(at=("127.0.0.1", stack.server_port)) as server,
        wire.Peer(("127.0.0.1", air)) as device,
        wire.Peer(("127.0.0.1", air + 1)) as other,
    ):
        stack.start_adapter([DEVICE, OTHER])
        stack.wire_server, stack.devices, stack.mid = server, {DEVICE: device, OTHER: other}, 1000
        stack.places = {name: exchange(stack, name) for name in (DEVICE, OTHER)}
        yield stack
        exchange(stack, OTHER)
        exchange(stack, DEVICE)


def exchange(stack, device):
    """A registration there and back again; returns the device's address at the server. Skips what is left over."""
    stack.mid += 1
    token = stack.mid.to_bytes(2, "big")
    stack.devices[device].send(wire.registration(endpoint(1), stack.mid, token))
    request = stack.wire_server.expect(token=token)
    stack.wire_server.send(wire.Message(wire.ACK, wire.code("2.01"), request.mid, token), request.source)
    assert stack.devices[device].expect(token=token).mid == stack.mid
    return request.source


def dropped(stack, reason):
    return stack.metric("dropped_total", reason=reason)


TOKEN9 = bytes([0x49, 1, 0, 1]) + bytes(9)
GARBAGE = {  # bytes: why they are dropped
    "one byte": (b"\x40", "not_coap"),
    "three bytes": (b"\x40\x01\x00", "not_coap"),
    "version 0": (b"\x00\x01\x00\x01", "not_coap"),
    "version 2": (b"\x80\x01\x00\x01", "not_coap"),
    "version 3": (b"\xc0\x01\x00\x01", "not_coap"),
    "token of 9 bytes": (TOKEN9, "not_coap"),
    "token of 15 bytes": (b"\x4f\x01\x00\x01" + bytes(15), "not_coap"),
    "token cut off": (b"\x48\x01\x00\x01\x01\x02", "not_coap"),
    "empty with more": (b"\x40\x00\x00\x01\xff", "not_coap"),
    "empty with a token": (b"\x41\x00\x00\x01\xaa", "not_coap"),
    "class 1": (b"\x40\x21\x00\x01", "reserved_class"),
    "ACK to nothing": (b"\x60\x00\xde\xad", "unmatched_ack"),
    "ACK with an answer to nothing": (b"\x62\x45\xde\xae\x01\x02\xffx", "unmatched_ack"),
    "RST to nothing": (b"\x70\x00\xde\xaf", "unmatched_rst"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_of_the_device(chain, name):
    data, reason = GARBAGE[name]
    before = dropped(chain, reason)
    chain.devices[DEVICE].send(data)
    chain.wait(lambda: dropped(chain, reason) == before + 1, "it is counted as dropped")
    assert chain.wire_server.receive(0.1) is None
    assert chain.devices[DEVICE].receive(0.1) is None


@pytest.mark.parametrize("name", GARBAGE)
def test_of_the_server(chain, name):
    data, reason = GARBAGE[name]
    before = dropped(chain, reason)
    chain.wire_server.send(data, chain.places[DEVICE])
    chain.wait(lambda: dropped(chain, reason) == before + 1, "it is counted as dropped")
    assert chain.devices[DEVICE].receive(0.1) is None
    sent = len(chain.nas(ext_id=DEVICE, what="sent"))
    assert sent == 2  # the registration and its answer


def dropped_sum(stack):
    lines = stack.admin("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("scef_adapter_dropped_total"))


@pytest.mark.parametrize("first", (20, 22, 25, 0x2F))
def test_dtls_is_carried_as_it_is(chain, first):
    up, down = bytes([first, 0xFE, 0xFD]) + bytes(20), bytes([first, 0xFE, 0xFD]) + bytes(range(40))
    chain.devices[DEVICE].send(up)
    assert chain.wire_server.receive_raw() == up
    chain.wire_server.send(down, chain.places[DEVICE])
    assert chain.devices[DEVICE].receive_raw() == down


@pytest.mark.parametrize("first", (20, 22, 25, 0x2F))
def test_what_is_too_short_for_dtls_is_counted(chain, first):
    before = dropped(chain, "not_dtls")
    chain.devices[DEVICE].send(bytes([first, 0xFE, 0xFD]))
    chain.wait(lambda: dropped(chain, "not_dtls") == before + 1, "it is counted as dropped")
    assert chain.wire_server.receive(0.1) is None


def test_empty_datagrams_are_nothing(chain):
    chain.wire_server.send(b"", chain.places[DEVICE])
    chain.devices[DEVICE].send(b"")
    assert chain.devices[DEVICE].receive(0.2) is None


@pytest.mark.parametrize(
    "tail",
    (b"\xf0", b"\xdd", b"\xff", b"\x0f", b"\xee\xff", b"\xb2rd\xff", b"\x51x\x51", b"\x11\x00" * 600),
    ids=lambda tail: tail[:4].hex(),
)
def test_options_that_are_broken_pass_unchanged(chain, tail):
    """A relay is not stricter than the ends: what follows the token is theirs."""
    up = b"\x52\x02\x00\x07up" + tail
    chain.devices[DEVICE].send(up)
    message = chain.wire_server.receive_raw()
    assert message[4:] == up[4:] and message[:2] == up[:2]
    down = b"\x52\x01\x00\x08dn" + tail
    chain.wire_server.send(down, chain.places[DEVICE])
    message = chain.devices[DEVICE].receive_raw()
    assert message[4:] == down[4:] and message[:2] == down[:2]


def test_pings_are_answered_where_they_arrive(chain):
    chain.devices[DEVICE].send(wire.empty(wire.CON, 77))
    assert chain.devices[DEVICE].receive().data == wire.empty(wire.RST, 77).encode()
    chain.wire_server.send(wire.empty(wire.CON, 78), chain.places[DEVICE])
    assert chain.wire_server.receive().data == wire.empty(wire.RST, 78).encode()
    assert len(chain.nas(ext_id=DEVICE, what="sent")) == 4


def test_response_to_nothing_is_reset(chain):
    before = dropped(chain, "unmatched_response")
    chain.wire_server.send(wire.Message(wire.CON, wire.code("2.05"), 500, b"never"), chain.places[DEVICE])
    assert chain.wire_server.receive().data == wire.empty(wire.RST, 500).encode()
    assert dropped(chain, "unmatched_response") == before + 1
    assert chain.devices[DEVICE].receive(0.1) is None


def test_strangers_and_strange_addresses(chain):
    """Another port of the server's host, and an address that is no device's."""
    request = wire.request(wire.GET, "/3/0", 1, b"x").encode()
    with wire.Peer() as stranger:
        before = chain.metric("leg_dropped_total", reason="unknown_peer")
        stranger.send(request, chain.places[DEVICE])
        chain.wait(
            lambda: chain.metric("leg_dropped_total", reason="unknown_peer") == before + 1, "the stranger is counted"
        )
        assert stranger.receive(0.1) is None
    host, port = chain.places[DEVICE]
    sum_before = dropped_sum(chain) + chain.metric("leg_dropped_total", reason="unknown_leg")
    for address in ("127.77.9.9", "127.77.0.0", "127.77.255.255", "127.78.0.1", "127.0.0.1"):
        chain.wire_server.send(request, (address, port))
    chain.wait(
        lambda: dropped_sum(chain) + chain.metric("leg_dropped_total", reason="unknown_leg") == sum_before + 5,
        "all are counted",
    )
    assert chain.devices[DEVICE].receive(0.1) is None and chain.devices[OTHER].receive(0.1) is None


def mutated(dice, message):
    data = bytearray(message)
    for _ in range(dice.randrange(1, 4)):
        kind = dice.randrange(4)
        at = dice.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] = dice.randrange(256)
        elif kind == 1:
            data[at:at] = dice.randbytes(dice.randrange(1, 20))
        elif kind == 2:
            del data[at : at + dice.randrange(1, 8)]
        else:
            data = data[:at]
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_mutations_each_way(chain, seed):
    """Of messages that would mean something. Nobody knows what each becomes; the other device does not notice."""
    dice = random.Random(seed)
    models = [
        wire.registration(endpoint(1), 1, b"abcd").encode(),
        wire.request(wire.GET, "/3/0", 2, b"efgh", options=[(wire.OBSERVE, b"")]).encode(),
        wire.Message(wire.ACK, wire.code("2.05"), 2, b"efgh", [], b"payload").encode(),
        wire.Message(wire.CON, wire.code("2.05"), 3, b"efgh", [(wire.OBSERVE, b"\x05")], b"payload").encode(),
        wire.empty(wire.ACK, 4).encode(),
        wire.empty(wire.RST, 5).encode(),
    ]
    for n in range(1000):
        chain.devices[DEVICE].send(mutated(dice, dice.choice(models)))
        chain.wire_server.send(mutated(dice, dice.choice(models)), chain.places[DEVICE])
        if n % 50 == 0:
            exchange(chain, OTHER)
    assert chain.admin("/livez").status == 200
    # The device may be as busy as its queue is long; that is for the test of queues. The other one is served.
    chain.devices[DEVICE], chain.places[DEVICE] = chain.devices[OTHER], chain.places[OTHER]


def test_random_bytes_at_every_door(chain):
    dice = random.Random(7)
    for n in range(500):
        data = dice.randbytes(dice.randrange(1, 1300))
        chain.devices[DEVICE].send(data)
        chain.wire_server.send(dice.randbytes(dice.randrange(1, 1300)), chain.places[DEVICE])
        if n % 50 == 0:
            exchange(chain, OTHER)
    chain.devices[DEVICE], chain.places[DEVICE] = chain.devices[OTHER], chain.places[OTHER]
