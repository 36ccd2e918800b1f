"""What lives longer than the process: NIDD configurations at the SCEF, and the devices' addresses at the server."""

import pytest
import wire
from fake_scef import Answer, FakeScef
from stack import endpoint, external_id, free_ports

COUNT = 5
DEVICES = [external_id(n) for n in range(1, COUNT + 1)]
STOP_MAX_S = 10  # it promises 2; a loaded machine under a sanitizer gets more


@pytest.fixture(params=("prefix", "ports"))
def chain(stack, request):
    air = free_ports(COUNT + 1)
    ue = {"external_id": "dev%d@example.org", "client": "air", "psm": False}
    stack.start_scef([{**ue, "air": f"127.0.0.1:{air}", "count": COUNT + 1}])
    stack.leg = {}
    if request.param == "ports":
        first = free_ports(COUNT + 1)
        stack.leg = {"mode": "ports", "address": "127.0.0.1", "port_range": f"{first}-{first + COUNT}"}
    stack.air = [wire.Peer(("127.0.0.1", air + n)) for n in range(COUNT + 1)]
    stack.mid = 0
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.wire_server = server
        yield stack
    for peer in stack.air:
        peer.close()


def requests(stack, method):
    """Statuses of the adapter's requests about configurations."""
    stack.read()
    wanted = {"event": "t8", "dir": "in", "method": method}
    return [
        event["status"]
        for event in stack.scef_events
        if all(event.get(k) == v for k, v in wanted.items()) and "downlink" not in event["path"]
    ]


def exchange(stack, number):
    """A registration through all of it; returns the device's address at the server."""
    device = stack.air[number - 1]
    stack.mid += 1
    token = stack.mid.to_bytes(2, "big")
    device.send(wire.registration(endpoint(number), stack.mid, token))
    request = stack.wire_server.expect(token=token)
    stack.wire_server.send(wire.Message(wire.ACK, wire.code("2.01"), request.mid, token), request.source)
    device.expect(token=token)
    return request.source


def read(stack, number, address):
    """A read of the server, answered by the device."""
    stack.mid += 1
    token = b"r" + stack.mid.to_bytes(2, "big")
    stack.wire_server.send(wire.request(wire.GET, "/3/0", stack.mid, token), address)
    asked = stack.air[number - 1].expect(token=token)
    stack.air[number - 1].send(wire.Message(wire.ACK, wire.code("2.05"), asked.mid, token, [], b"value"))
    answer = stack.wire_server.expect(token=token)
    stack.wire_server.send(wire.empty(wire.ACK, answer.mid), address)
    assert answer.payload == b"value" and answer.source == address


def links(stack):
    return {device: stack.device(device)["configuration_link"] for device in DEVICES}


def test_found_again_after_a_restart(chain):
    chain.start_adapter(DEVICES, server_leg=chain.leg)
    assert requests(chain, "POST") == [201] * COUNT and not requests(chain, "GET")
    before = links(chain)
    addresses = [exchange(chain, n) for n in range(1, COUNT + 1)]
    assert len(set(addresses)) == COUNT
    assert chain.adapter.stop() < STOP_MAX_S

    chain.start_adapter()
    assert len(requests(chain, "POST")) == COUNT, "a second POST"
    chain.wait(lambda: requests(chain, "GET") == [200] * COUNT, "each configuration was asked after")
    assert links(chain) == before
    # The server may speak first: it finds everyone where they were.
    for n, address in enumerate(addresses, 1):
        read(chain, n, address)
    assert [exchange(chain, n) for n in range(1, COUNT + 1)] == addresses


def test_addresses_stay_when_devices_come_and_go(chain):
    chain.start_adapter(DEVICES, server_leg=chain.leg)
    addresses = [exchange(chain, n) for n in range(1, COUNT + 1)]
    assert chain.adapter.stop() < STOP_MAX_S

    newcomer = external_id(COUNT + 1)
    chain.start_adapter([newcomer, *reversed(DEVICES[1:])], server_leg=chain.leg)
    assert [exchange(chain, n) for n in range(2, COUNT + 1)] == addresses[1:]
    assert exchange(chain, COUNT + 1) not in addresses[1:]


def test_recreated_when_forgotten_during_the_absence(chain):
    chain.start_adapter(DEVICES, server_leg=chain.leg)
    before = links(chain)
    addresses = [exchange(chain, n) for n in range(1, COUNT + 1)]
    assert chain.adapter.stop() < STOP_MAX_S
    chain.control("POST", "/scef/restart?forget=1")

    chain.start_adapter()
    chain.wait(lambda: all(chain.device(d)["configuration"] == "active" for d in DEVICES), "all are configured again")
    assert requests(chain, "GET") == [404] * COUNT
    assert requests(chain, "POST") == [201] * 2 * COUNT
    assert all(link != before[device] for device, link in links(chain).items())
    for n, address in enumerate(addresses, 1):
        read(chain, n, address)


def test_recreated_when_forgotten_in_the_presence(chain):
    """Found out by the next delivery, which is not lost by it."""
    chain.start_adapter(DEVICES, server_leg=chain.leg)
    addresses = [exchange(chain, n) for n in range(1, COUNT + 1)]
    chain.control("POST", "/scef/restart?forget=1")
    for n, address in enumerate(addresses, 1):
        read(chain, n, address)
        exchange(chain, n)
    assert requests(chain, "POST") == [201] * 2 * COUNT


def test_killed_while_it_asks_for_configurations(chain):
    """At any point of the start: afterwards there is one configuration for each, and no more."""
    asked = lambda: len(requests(chain, "POST")) + len(requests(chain, "GET"))  # noqa: E731
    for more in range(COUNT):
        enough = asked() + more
        adapter = chain.start_adapter(DEVICES, ready=False, server_leg=chain.leg)
        chain.wait(lambda n=enough: asked() >= n, "some are asked for")
        adapter.kill()
    chain.start_adapter(DEVICES, server_leg=chain.leg)
    chain.wait(lambda: all(chain.device(d)["configuration"] == "active" for d in DEVICES), "all are configured")
    assert chain.control("GET", "/scef")["configurations"] == COUNT
    for n in range(1, COUNT + 1):
        read(chain, n, exchange(chain, n))


def test_sigterm_does_not_wait_for_a_scef_that_hangs(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        adapter = stack.start_adapter([external_id(1)])
        message = wire.registration(endpoint(1), 1, b"t")
        assert stack.uplink(external_id(1), message, scef.link(external_id(1))).status == 204
        address = server.receive().source
        scef.answer = lambda request: Answer(raw=b"", then="hang")
        server.send(wire.request(wire.GET, "/3/0", 5, b"r"), address)
        stack.wait(lambda: scef.deliveries(external_id(1)), "the delivery is under way")
        assert adapter.stop() < STOP_MAX_S

        # What was accepted is still there, and goes on.
        scef.answer = lambda request: None
        seen = len(scef.deliveries(external_id(1)))
        stack.start_adapter()
        stack.wait(lambda: len(scef.deliveries(external_id(1))) > seen, "it is delivered after all")
        first, *_, last = scef.deliveries(external_id(1))
        assert first.json()["data"] == last.json()["data"]  # the same Message ID and token


def test_a_wrong_configuration_is_told_and_nothing_starts(stack):
    path = stack.directory / "wrong.yaml"
    path.write_text("scef: {api_root: nowhere, scs_as_id: as1}\nservers: []\nrelai: {}\n")
    adapter = stack.start("scef-adapter", "--config", path)
    adapter.expected = {2}
    stack.wait(lambda: not adapter.running(), "it ends")
    errors = adapter.errors()
    assert all(line.startswith(f"{path}:") for line in errors.splitlines()), errors
    assert "api_root" in errors and "relai" in errors
