"""Who keeps what a device is not there for: the adapter (all other tests), the SCEF, or the server."""

import base64

import pytest
import wire
from stack import endpoint, external_id, free_ports, http_request

DEVICE = external_id(1)


def answer(device, request, code="2.05", payload=b"x"):
    device.send(wire.Message(wire.ACK, wire.code(code), request.mid, request.token, [], payload))


class Chain:
    """A device that has registered and sleeps, its server, and where the server sends."""

    def __init__(self, stack, server, device, place):
        self.stack, self.server, self.device, self.place = stack, server, device, place

    def ask(self, mid, token, code=wire.GET, path="/3/0", payload=b""):
        message = wire.request(code, path, mid, token)
        message.payload = payload
        self.server.send(message, self.place)
        return self.server.expect(type=wire.ACK)

    def deliveries(self):
        """What the SCEF has in its buffer."""
        link = self.stack.device(DEVICE)["configuration_link"]
        return http_request(self.stack.scef_port, "GET", f"/3gpp-nidd/v1{link}/downlink-data-deliveries").json()

    def buffered(self, count=1):
        return self.stack.wait(lambda: len(self.deliveries()) == count and (self.deliveries() or True), "buffered")

    def wake(self):
        self.stack.control("POST", f"/ues/{DEVICE}/wake")

    def answered(self, request, token):
        """The device answers, the server hears so, and acknowledges."""
        assert request.token == token
        answer(self.device, request)
        heard = self.server.expect(code=wire.code("2.05"))
        assert heard.token == token
        self.server.send(wire.empty(wire.ACK, heard.mid), heard.source)
        self.stack.wait(lambda: self.stack.adapter_named("final", state="answered"), "its final state")


@pytest.fixture
def chain(stack, request):
    air = free_ports()
    stack.start_scef(
        [{"external_id": DEVICE, "client": "air", "air": f"127.0.0.1:{air}", "psm": True, "active_time_s": 1}]
    )
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server, wire.Peer(("127.0.0.1", air)) as device:
        relay = {"retry_min_s": 3600, "nidd_ack_timeout_ms": 1000, "downlink_buffer": "scef", **request.param}
        stack.start_adapter([DEVICE], relay=relay)
        device.send(wire.registration(endpoint(1), 1, b"\x01"))
        register = server.expect(code=wire.POST)
        server.send(wire.Message(wire.ACK, wire.code("2.01"), register.mid, register.token), register.source)
        device.expect(type=wire.ACK)
        stack.wait(lambda: not stack.control("GET", f"/ues/{DEVICE}")["awake"], "the device sleeps")
        yield Chain(stack, server, device, register.source)


def configured(**relay):
    return pytest.mark.parametrize("chain", [relay], indirect=True)


@configured()
def test_the_scef_keeps_it_over_a_restart_of_the_adapter(chain):
    chain.ask(100, b"\xa0")
    delivery = chain.buffered()[0]
    assert 86390 <= delivery["maximumLatency"] <= 86400
    chain.stack.wait(lambda: [m["state"] for m in chain.stack.queue(DEVICE)] == ["with_scef"], "with the SCEF")
    chain.stack.adapter.kill()
    chain.stack.start_adapter()
    chain.wake()
    chain.answered(chain.device.expect(code=wire.GET), b"\xa0")
    assert len(chain.stack.nas(dir="mt", what="sent", token="a0")) == 1
    assert chain.deliveries() == [] and chain.stack.queue(DEVICE) == []


@configured()
def test_the_scef_loses_its_buffer(chain):
    """It tells nobody. The device speaks and gets nothing: the SCEF is asked, and gets it again."""
    chain.ask(100, b"\xa0")
    chain.buffered()
    chain.stack.control("POST", "/scef/restart")
    assert chain.deliveries() == []
    chain.device.send(wire.Message(wire.NON, wire.POST, 7, b"\x07", [(wire.URI_PATH, b"dp")], b"{}"))
    chain.buffered()
    chain.wake()
    chain.answered(chain.device.expect(code=wire.GET), b"\xa0")
    assert len(chain.stack.nas(dir="mt", what="sent", token="a0")) == 1


@configured()
def test_the_scef_loses_its_configurations(chain):
    chain.ask(100, b"\xa0")
    chain.buffered()
    before = chain.stack.device(DEVICE)["configuration_link"]
    chain.stack.control("POST", "/scef/restart?forget=1")
    chain.stack.adapter.stop()
    chain.stack.start_adapter()
    chain.stack.wait(lambda: chain.stack.device(DEVICE)["configuration_link"] not in ("", before), "made anew")
    chain.buffered()
    chain.wake()
    chain.answered(chain.device.expect(code=wire.GET), b"\xa0")
    assert len(chain.stack.nas(dir="mt", what="sent", token="a0")) == 1


@configured(downlink_latest_wins=True)
def test_the_latest_wins_in_the_scefs_buffer(chain):
    chain.ask(100, b"\xa0", wire.PUT, "/1/0/1", b"100")
    chain.buffered()
    chain.ask(101, b"\xa1", wire.PUT, "/1/0/1", b"200")
    replaced = chain.server.expect(code=wire.code("5.03"))
    assert replaced.token == b"\xa0"
    chain.server.send(wire.empty(wire.ACK, replaced.mid), replaced.source)
    chain.stack.wait(lambda: [base64.b64decode(d["data"])[-3:] for d in chain.deliveries()] == [b"200"], "PUT there")
    chain.wake()
    request = chain.device.expect(code=wire.PUT)
    assert request.payload == b"200"
    chain.answered(request, b"\xa1")
    assert chain.stack.nas(dir="mt", what="sent", token="a0") == []
    assert [e["state"] for e in chain.stack.adapter_named("final", token="a0")] == ["displaced"]


@configured(downlink_buffer="server")
def test_the_server_keeps_it(chain):
    """Found asleep: 5.03 for what was accepted, and at once for what comes then; awake again, it goes."""
    chain.ask(100, b"\xa0")
    refused = chain.server.expect(code=wire.code("5.03"))
    assert refused.token == b"\xa0" and refused.option(wire.MAX_AGE)
    chain.server.send(wire.empty(wire.ACK, refused.mid), refused.source)
    assert chain.ask(101, b"\xa1").code == wire.code("5.03")
    assert chain.stack.queue(DEVICE) == [] and chain.deliveries() == []
    chain.device.send(wire.Message(wire.NON, wire.POST, 7, b"\x07", [(wire.URI_PATH, b"dp")], b"{}"))
    chain.server.expect(code=wire.POST)
    assert chain.ask(102, b"\xa2").code == 0
    chain.answered(chain.device.expect(code=wire.GET), b"\xa2")
