"""A SCEF that got no answer in time tells again, maybe after the adapter was started again: 2xx, and no double effect."""

import base64

import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef
from stack import external_id

DEVICE = external_id(1)


class World:
    def __init__(self, stack, scef, server):
        self.stack, self.scef, self.server = stack, scef, server

    def again(self, how):
        """What lies between the first and the second time."""
        if how == "nothing":
            return
        if how == "stop":
            self.stack.adapter.stop()
        else:
            self.stack.adapter.kill()
        self.stack.start_adapter()
        self.stack.wait(lambda: self.stack.device(DEVICE)["configuration"] == "active", "it is configured")

    def creations(self):
        return [r for r in self.scef.requests if r.method == "POST" and r.path == ROOT]


@pytest.fixture
def world(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.start_adapter([DEVICE])
        yield World(stack, scef, server)


HOW = pytest.mark.parametrize("how", ("nothing", "stop", "kill"))


@HOW
@pytest.mark.parametrize("kind", (wire.CON, wire.NON))
def test_uplink_twice(world, kind, how):
    """The server gets it once, or a second time as what it is: from the same address, with the same Message ID and token,
    which RFC 7252 clause 4.5 makes it recognise."""
    message = wire.request(wire.POST, "/dp", 4711, b"up", kind, payload=b"value")
    link = world.scef.link(DEVICE)
    assert world.stack.uplink(DEVICE, message.encode(), link).status == 204
    first = world.server.expect(token=b"up")
    if kind == wire.CON:
        world.server.send(wire.Message(wire.ACK, wire.code("2.04"), first.mid, b"up"), first.source)
        world.stack.wait(lambda: len(world.scef.deliveries(DEVICE)) == 1, "the device's answer")
    world.again(how)
    assert world.stack.uplink(DEVICE, message.encode(), link).status == 204
    second = world.server.receive(0.3 if how == "nothing" else 20)
    if how == "nothing":
        assert second is None
    else:
        assert (second.data, second.source) == (first.data, first.source)
    other = wire.request(wire.POST, "/dp", 4712, b"new", kind)
    assert world.stack.uplink(DEVICE, other.encode(), link).status == 204
    assert world.server.expect(token=b"new").mid != first.mid


@HOW
def test_delivery_status_twice(world, how):
    """The SCEF buffers the delivery, and tells twice what came of it: one final state."""
    link = f"{world.scef.link(DEVICE)}/downlink-data-deliveries/d1"

    def answer(request):
        if request.path.endswith("/downlink-data-deliveries"):
            body = {**request.json(), "self": link, "deliveryStatus": "BUFFERING"}
            return Answer(201, body, {"Location": link})
        return None

    world.scef.answer = answer
    leg = ("127.77.0.1", world.stack.leg_port)
    world.server.send(wire.request(wire.GET, "/3/0", 7, b"get", wire.NON), leg)
    world.stack.wait(lambda: [m["state"] for m in world.stack.queue(DEVICE)] == ["with_scef"], "it is buffered")
    status = {"niddDownlinkDataTransfer": link, "deliveryStatus": "SUCCESS"}
    for again in (False, True):
        if again:
            world.again(how)
        assert world.stack.notify(status).status == 204
        world.stack.wait(lambda: [m["state"] for m in world.stack.queue(DEVICE)] == ["sent"], "it was delivered")
    data = {request.json()["data"] for request in world.scef.deliveries(DEVICE)}
    assert len(data) == 1, "what a restart repeats is the same message"
    assert how != "nothing" or len(world.scef.deliveries(DEVICE)) == 1
    asked = wire.decode(base64.b64decode(data.pop()))
    answer = wire.Message(wire.NON, wire.code("2.05"), 99, asked.token, [], b"value")
    for _ in range(2):
        assert world.stack.uplink(DEVICE, answer.encode(), world.scef.link(DEVICE)).status == 204
    assert world.server.expect(token=b"get").payload == b"value"
    assert world.server.receive(0.3) is None
    assert world.stack.notify(status).status == 204
    world.stack.wait(lambda: world.stack.queue(DEVICE) == [], "it is answered")
    assert [len(events) for events in world.stack.finals().values()] == [1]


@HOW
def test_configuration_status_twice(world, how):
    """TERMINATED: it is made anew once, and what ended before does not end the new one."""
    made, made_by = [], [world.creations()[0].json()]

    def answer(request):
        if request.method == "POST" and request.path == ROOT:
            made.append(f"{world.scef.link(DEVICE)}x{len(made)}")
            return Answer(201, {**request.json(), "self": made[-1], "status": "ACTIVE"}, {"Location": made[-1]})
        if request.method == "GET":
            return Answer(200, {**made_by[0], "self": made[-1], "status": "ACTIVE"})
        return None

    world.scef.answer = answer
    status = {"niddConfiguration": world.scef.link(DEVICE), "externalId": DEVICE, "status": "TERMINATED"}
    assert world.stack.notify(status).status == 204
    world.stack.wait(lambda: len(made) == 1, "it is made anew")
    world.stack.wait(lambda: world.stack.device(DEVICE)["configuration"] == "active", "it is active")
    world.again(how)
    for _ in range(2):
        assert world.stack.notify(status).status == 204
    assert world.stack.device(DEVICE)["configuration"] == "active"
    message = wire.request(wire.POST, "/dp", 1, b"up", wire.NON)
    assert world.stack.uplink(DEVICE, message.encode(), made[0]).status == 204
    world.server.expect(token=b"up")
    assert len(made) == 1
