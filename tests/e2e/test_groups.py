"""Groups of devices: one NIDD configuration for all, devices that are learned, and all of it after a restart."""

import callback_path
import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef

GROUP = "meters@example.org"
LISTED = ["a@example.org", "b@example.org"]


class World:
    def __init__(self, stack, scef, server):
        self.stack, self.scef, self.server, self.mid = stack, scef, server, 0

    def start(self, **group):
        devices = [{"external_id": device, "group": GROUP} for device in LISTED]
        self.stack.start_adapter(devices, groups=[{"external_group_id": GROUP, **group}])
        self.active()

    def group(self):
        (group,) = self.stack.admin("/v1/groups").json()["groups"]
        return group

    def active(self):
        self.stack.wait(lambda: self.group()["configuration"] == "active", "the group is configured")

    def creations(self):
        return [r.json() for r in self.scef.requests if r.method == "POST" and r.path == ROOT]

    def uplink(self, device, **members):
        """The reply, and what the server got of it."""
        self.mid += 1
        token = self.mid.to_bytes(2, "big")
        message = wire.request(wire.POST, "/rd", self.mid, token, wire.NON)
        reply = self.stack.uplink(device, message, self.scef.link(GROUP))
        return reply, self.server.receive(20 if reply.status == 204 else 0.1)

    def deliveries(self, device):
        return [body for r in self.scef.deliveries(GROUP) if (body := r.json()).get("externalId") == device]

    def downlink(self, device, address):
        before = len(self.deliveries(device))
        self.mid += 1
        self.server.send(wire.request(wire.GET, "/3/0", self.mid, self.mid.to_bytes(3, "big"), wire.NON), address)
        self.stack.wait(lambda: len(self.deliveries(device)) > before, f"the delivery to {device}")
        assert "externalGroupId" not in self.deliveries(device)[-1]


@pytest.fixture
def world(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        yield World(stack, scef, server)


def test_one_configuration_for_all(world):
    world.start()
    (created,) = world.creations()
    assert created["externalGroupId"] == GROUP
    assert "externalId" not in created and "msisdn" not in created
    assert int(created["supportedFeatures"], 16) & 1  # feature 1, TS 29.122 clause 5.6.4
    addresses = {}
    for device in LISTED:
        reply, message = world.uplink(device)
        assert reply.status == 204
        addresses[device] = message.source
        world.downlink(device, message.source)
        shown = world.stack.device(device)
        assert (shown["group"], shown["learned"], shown["configuration"]) == (GROUP, False, "active")
    assert len(set(addresses.values())) == len(LISTED)
    reply, message = world.uplink("stranger@example.org")
    assert reply.status == 404 and message is None

    world.stack.adapter.stop()
    world.stack.start_adapter()
    world.active()
    assert len(world.creations()) == 1, "made a second time"
    for device in LISTED:
        reply, message = world.uplink(device)
        assert reply.status == 204 and message.source == addresses[device]
        world.downlink(device, message.source)
    listed = world.stack.scefctl("group", "ls")
    assert listed[1][:6] == [GROUP, "scef", "-", "active", "no", "2"]  # the routes decide about the server


def test_learned(world):
    world.start(learn=True, learn_max=2)
    addresses = {}
    for device in ("n1@example.org", "n2@example.org"):
        reply, message = world.uplink(device)
        assert reply.status == 204, reply.body
        addresses[device] = message.source
        world.downlink(device, message.source)
        shown = world.stack.device(device)
        assert (shown["group"], shown["learned"], shown["scef"], shown["server"]) == (GROUP, True, "scef", "main")
    reply, message = world.uplink("n3@example.org")
    assert reply.status == 404 and message is None, "more than learn_max"
    other = wire.request(wire.POST, "/rd", 9, b"x", wire.NON)
    assert world.stack.uplink("n4@example.org", other, world.scef.link("else@example.org")).status == 404
    assert world.stack.metric("learned_total") == 2
    assert world.group()["learned"] == 2 and world.group()["devices"] == 4
    assert len(world.stack.log("learned", group=GROUP)) == 2
    assert world.uplink(LISTED[0])[0].status == 204

    world.stack.adapter.kill()
    world.stack.start_adapter()
    world.active()
    for device, address in addresses.items():
        assert world.stack.device(device)["learned"] is True
        reply, message = world.uplink(device)
        assert reply.status == 204 and message.source == address, "its address is another one"
        world.downlink(device, address)
    assert world.uplink("n3@example.org")[0].status == 404


def test_lost_and_made_anew(world):
    """The SCEF forgets the configuration: no member's message is lost."""
    world.start()
    addresses = {}
    for device in LISTED:
        addresses[device] = world.uplink(device)[1].source
    gone = [True]

    def answer(request):
        if gone[0] and request.method == "POST" and request.path == ROOT:
            gone[0] = False
        elif gone[0] and request.path.startswith(f"{ROOT}/"):
            return Answer(404, {"status": 404, "cause": "RESOURCE_NOT_FOUND"})
        return None

    world.scef.answer = answer
    for n, device in enumerate(LISTED):
        world.server.send(wire.request(wire.GET, "/3/0", 500 + n, b"l%d" % n), addresses[device])
        assert world.server.expect(mid=500 + n).type == wire.ACK
    world.stack.wait(lambda: len(world.creations()) >= 2, "it is made anew")
    got = lambda: {r.json()["externalId"] for r in world.scef.deliveries(GROUP)}  # noqa: E731
    world.stack.wait(lambda: got() == set(LISTED), "both deliveries")
    world.stack.wait(
        lambda: all(m["state"] != "queued" for d in LISTED for m in world.stack.queue(d)), "both reached their device"
    )


@pytest.mark.parametrize("status", ("TERMINATED", "TERMINATED_UE_NOT_AUTHORIZED"))
def test_a_member_is_not_the_group(world, status):
    """What the SCEF says of one member leaves the group's configuration, and the other member, alone."""
    world.start()
    body = {"niddConfiguration": world.scef.link(GROUP), "externalId": LISTED[0], "status": status}
    for _ in range(2):
        assert world.stack.notify(body, callback_path.NIDD).status == 204
    reply, message = world.uplink(LISTED[1])
    assert reply.status == 204
    world.downlink(LISTED[1], message.source)
    assert world.group()["configuration"] == "active" and len(world.creations()) == 1
