"""Several processes share the devices: each serves its slice, and sends on what is another's by 307."""

import base64
import json

import callback_path
import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef
from stack import Stack, http_request

COUNT = 3
GROUP = "meters@example.org"
DEVICES = [f"dev{n}@example.org" for n in range(12)]
MEMBERS = [f"meter{n}@example.org" for n in range(12)]


def crc32c(data):
    """RFC 3720's, bit by bit: written for the test alone."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def slice_of(identity):
    return crc32c(identity.encode()) % COUNT


class World:
    def __init__(self, directory, scef, server):
        self.scef, self.server, self.mid = scef, server, 0
        self.stacks = []
        for n in range(COUNT):
            (directory / str(n)).mkdir()
            self.stacks.append(Stack(directory / str(n)))

    def start(self, learn=False):
        """All of them at once, with one file of devices."""
        urls = " ".join(f"http://127.0.0.1:{s.callback_port}{callback_path.BASE}" for s in self.stacks)
        devices = [{"external_id": d} for d in DEVICES] + [{"external_id": m, "group": GROUP} for m in MEMBERS]
        shared = self.stacks[0].directory / "devices.jsonl"
        shared.write_text("".join(json.dumps(device) + "\n" for device in devices))
        for n, stack in enumerate(self.stacks):
            stack.start_adapter(
                [],
                ready=False,
                scef={"api_root": f"http://127.0.0.1:{self.scef.port}"},
                servers=[{"name": "main", "uri": f"coap://127.0.0.1:{self.server.address[1]}"}],
                server_leg={"prefix": f"127.{80 + n}.0.0/16"},
                slices={"index": n, "count": COUNT, "urls": urls},
                groups=[{"external_group_id": GROUP, "learn": learn}],
                devices_file=str(shared),
            )
        for stack in self.stacks:
            stack.wait(lambda s=stack: self.configured(s), "all devices are configured")

    @staticmethod
    def devices(stack):
        return stack.admin("/v1/devices?limit=1000").json()["devices"]

    def configured(self, stack):
        return all(device["configuration"] == "active" for device in self.devices(stack))

    def notify(self, port, path, body, hops=COUNT):
        """As a SCEF that follows 307 (TS 29.122 clause 5.2.10); the reply, and the ports that were asked."""
        asked = [port]
        reply = http_request(port, "POST", path, body)
        while reply.status == 307 and len(asked) <= hops:
            rest = reply.headers["Location"].removeprefix("http://127.0.0.1:")
            port, path = rest.split("/", 1)
            asked.append(int(port))
            reply = http_request(int(port), "POST", f"/{path}", body)
        return reply, asked

    def uplink(self, stack, device, link, slice_):
        """A message of the device to that process, on the path that the process with that slice has told."""
        self.mid += 1
        token = self.mid.to_bytes(2, "big")
        message = wire.request(wire.POST, "/rd", self.mid, token, wire.NON)
        body = {"niddConfiguration": link, "externalId": device, "data": base64.b64encode(message.encode()).decode()}
        reply, asked = self.notify(stack.callback_port, callback_path.nidd(slice_=slice_), body)
        got = self.server.receive(20 if reply.status == 204 else 0.1)
        return reply, asked, got


@pytest.fixture
def world(stack, tmp_path):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        it = World(tmp_path, scef, server)
        try:
            yield it
            for one in it.stacks:
                one.finish()
        finally:
            for one in it.stacks:
                one.kill_all()


def test_each_has_its_slice(world):
    world.start()
    for n, stack in enumerate(world.stacks):
        listed = {device["external_id"] for device in world.devices(stack)}
        assert listed == {d for d in DEVICES + MEMBERS if slice_of(d) == n}
        assert listed  # a test with an empty slice would test little
    created = [r.json() for r in world.scef.requests if r.method == "POST" and r.path == ROOT]
    assert sorted(body["externalId"] for body in created if "externalId" in body) == sorted(DEVICES)
    for body in created:
        n = slice_of(body.get("externalId") or body["externalGroupId"])
        port = world.stacks[n].callback_port
        assert body["notificationDestination"] == f"http://127.0.0.1:{port}{callback_path.nidd(slice_=n)}"
    assert len([body for body in created if "externalGroupId" in body]) == 1, "the group's has one owner"
    assert [stack.admin("/v1/groups").json()["groups"][0]["foreign"] for stack in world.stacks] == [
        slice_of(GROUP) != n for n in range(COUNT)
    ]


def test_sent_on_to_the_owner(world):
    world.start()
    legs = set()
    for device in DEVICES:
        owner = slice_of(device)
        for n, stack in enumerate(world.stacks):
            reply, asked, message = world.uplink(stack, device, world.scef.link(device), owner)
            assert reply.status == 204, (device, n, reply.body)
            ports = [stack.callback_port, world.stacks[owner].callback_port]
            assert asked == (ports if n != owner else ports[:1])
            assert message.source[0].startswith(f"127.{80 + owner}.")
            legs.add(message.source)
    assert len(legs) == len(DEVICES)
    assert sum(s.metric("slice_redirects_total") for s in world.stacks) == len(DEVICES) * (COUNT - 1)
    shouted = DEVICES[0].replace("example.org", "EXAMPLE.ORG")  # whose case does not count
    owner = slice_of(DEVICES[0])
    reply, asked, _ = world.uplink(world.stacks[owner], shouted, world.scef.link(DEVICES[0]), owner)
    assert reply.status == 204 and len(asked) == 1
    # a status of a device, and a stranger's message: sent on once, and answered there
    status = {"niddConfiguration": "/x/v1/as1/configurations/none", "externalId": DEVICES[0], "status": "ACTIVE"}
    other = (owner + 1) % COUNT
    reply, asked = world.notify(world.stacks[other].callback_port, callback_path.nidd(slice_=other), status)
    assert reply.status == 404 and len(asked) == 2
    for stack in world.stacks:
        reply, asked, _ = world.uplink(stack, "stranger@example.org", world.scef.link("x@y"), 0)
        assert reply.status == 404 and asked[-1] == world.stacks[slice_of("stranger@example.org")].callback_port
    # a path with a slice that is none
    body = {"niddConfiguration": "/a", "externalId": DEVICES[0], "data": "QAE="}
    assert world.notify(world.stacks[0].callback_port, callback_path.nidd(slice_=COUNT), body)[0].status == 404


@pytest.mark.parametrize("learn", (False, True))
def test_a_group_over_all_slices(world, learn):
    """The owner makes the configuration, the SCEF tells it everything, and each member is served by its own process."""
    world.start(learn)
    owner = slice_of(GROUP)
    for member in [*MEMBERS, "new1@example.org", "new2@example.org", "new3@example.org"]:
        n = slice_of(member)
        reply, asked, message = world.uplink(world.stacks[owner], member, world.scef.link(GROUP), owner)
        assert asked[-1] == world.stacks[n].callback_port and len(asked) == (1 if n == owner else 2)
        if member.startswith("new") and not learn:
            assert reply.status == 404
            continue
        assert reply.status == 204, reply.body
        assert message.source[0].startswith(f"127.{80 + n}.")
        before = len(world.scef.deliveries(GROUP))
        world.mid += 1
        world.server.send(wire.request(wire.GET, "/3/0", world.mid, b"%d" % world.mid, wire.NON), message.source)
        world.stacks[n].wait(lambda b=before: len(world.scef.deliveries(GROUP)) > b, "the delivery")
        assert world.scef.deliveries(GROUP)[-1].json()["externalId"] == member


def test_status_of_a_groups_delivery(world):
    """The SCEF buffers all the same, and tells the configuration's owner what came of it: that reaches the process that
    has asked."""
    deliveries = []

    def answer(request):
        if request.path.endswith("/downlink-data-deliveries"):
            deliveries.append(f"{request.path}/d{len(deliveries)}")
            body = {**request.json(), "self": deliveries[-1], "deliveryStatus": "BUFFERING"}
            return Answer(201, body, {"Location": deliveries[-1]})
        return None

    world.scef.answer = answer
    world.start()
    owner = slice_of(GROUP)
    for n, stack in enumerate(world.stacks):
        member = next(m for m in MEMBERS if slice_of(m) == n)
        _, _, message = world.uplink(world.stacks[owner], member, world.scef.link(GROUP), owner)
        world.mid += 1
        world.server.send(wire.request(wire.GET, "/3/0", world.mid, b"%d" % world.mid, wire.NON), message.source)
        stack.wait(lambda s=stack, m=member: [q["state"] for q in s.queue(m)] == ["with_scef"], "it is buffered")
        status = {"niddDownlinkDataTransfer": deliveries[-1], "deliveryStatus": "SUCCESS"}
        reply, asked = world.notify(world.stacks[owner].callback_port, callback_path.nidd(slice_=owner), status)
        assert reply.status == 204 and len(asked) == (n - owner) % COUNT + 1
        stack.wait(lambda s=stack, m=member: s.queue(m)[0]["state"] == "sent", "its process knows")
    # of a delivery that nobody knows: once round, and taken
    status = {"niddDownlinkDataTransfer": f"{deliveries[-1]}x", "deliveryStatus": "SUCCESS"}
    reply, asked = world.notify(world.stacks[owner].callback_port, callback_path.nidd(slice_=owner), status)
    assert reply.status == 204 and len(asked) == COUNT and len(set(asked)) == COUNT
