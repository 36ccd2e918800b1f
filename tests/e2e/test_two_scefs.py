"""Several SCEFs: each device at its own, none speaks for another's, and one that is down holds up no other."""

import callback_path
import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef
from stack import free_ports

EAST, WEST = "a@east.example.org", "b@west.example.org"


def scef(name, port, **more):
    return {"name": name, "api_root": f"http://127.0.0.1:{port}", "scs_as_id": "as1", **more}


class World:
    """Two SCEFs and a server that are the test, and the adapter in between."""

    def __init__(self, stack, server):
        self.stack, self.server, self.mid = stack, server, 0
        self.ports = {"east": stack.scef_port, "west": free_ports()}
        self.scefs = {}

    def serve(self, *names):
        for name in names:
            self.scefs[name] = FakeScef(self.ports[name])

    def start(self, more=(), devices=(), **options):
        scefs = [scef(name, port, **options.get(name, {})) for name, port in self.ports.items()]
        listed = [{"external_id": EAST}, {"external_id": WEST, "scef": "west"}, *devices]
        self.stack.start_adapter(listed, scef=scefs, ready=options.get("ready", True), **dict(more))

    def active(self, device):
        self.stack.wait(lambda: self.stack.device(device)["configuration"] == "active", f"{device} is configured")

    def works(self, device, name):
        """A message up and one down."""
        fake, path = self.scefs[name], callback_path.nidd(name)
        self.active(device)
        self.mid += 1
        token = self.mid.to_bytes(2, "big")
        up = wire.request(wire.POST, "/rd", self.mid, token, wire.NON)
        assert self.stack.uplink(device, up, fake.link(device), path).status == 204
        address = self.server.expect(token=token).source
        before = len(fake.deliveries(device))
        self.server.send(wire.request(wire.GET, "/3/0", self.mid, b"d" + token, wire.NON), address)
        self.stack.wait(lambda: len(fake.deliveries(device)) > before, f"the delivery to {device} is at {name}")
        assert fake.deliveries(device)[-1].json()["externalId"] == device

    def close(self):
        for fake in self.scefs.values():
            fake.close()


@pytest.fixture
def world(stack):
    with wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        it = World(stack, server)
        yield it
        it.close()


def test_each_device_at_its_own(world):
    world.serve("east", "west")
    world.start()
    world.works(EAST, "east")
    world.works(WEST, "west")
    for name, device in (("east", EAST), ("west", WEST)):
        created = [r.json() for r in world.scefs[name].requests if r.method == "POST" and r.path == ROOT]
        assert [body["externalId"] for body in created] == [device]
        assert created[0]["notificationDestination"].endswith(f":{world.stack.callback_port}{callback_path.nidd(name)}")
        assert world.stack.device(device)["scef"] == name
        assert world.stack.metric("configurations_active", scef=name) == 1
        assert world.stack.metric("uplinks_total", scef=name, result="taken") == 1
        assert world.stack.metric("downlink_submits_total", scef=name, status="200") == 1
    listed = world.stack.scefctl("scef", "ls")
    assert [line[:6] for line in listed[1:]] == [
        ["east", "3gpp", "closed", "0", "1", "1"],
        ["west", "3gpp", "closed", "0", "1", "1"],
    ]
    events = [e for e in world.stack.adapter_named("uplink")]
    assert {(e["ext_id"], e["scef"]) for e in events} == {(EAST, "east"), (WEST, "west")}


def test_none_speaks_for_another(world):
    world.serve("east", "west")
    world.start()
    world.works(EAST, "east")
    world.works(WEST, "west")
    message = wire.request(wire.POST, "/rd", 999, b"bad", wire.NON)
    link = world.scefs["west"].link(WEST)
    for path in (callback_path.nidd("east"), callback_path.nidd("north"), callback_path.nidd("")):
        assert world.stack.uplink(WEST, message, link, path).status == 404
    status = {"niddConfiguration": link, "externalId": WEST, "status": "TERMINATED"}
    assert world.stack.notify(status, callback_path.nidd("east")).status == 404
    assert world.server.receive(0.2) is None
    assert world.stack.device(WEST)["configuration"] == "active"
    world.works(WEST, "west")


BODIES = {
    "uplink": {"niddConfiguration": "/x/v1/as1/configurations/1", "externalId": EAST, "data": "QAE="},
    "delivery status": {"niddDownlinkDataTransfer": "/a/b", "deliveryStatus": "SUCCESS"},
    "trigger report": {"transaction": "/t/1", "result": "SUCCESS"},
    "monitoring": {"subscription": "/s/1", "cancelInd": True},
    "configuration trigger": {"afId": "a", "nefId": "n", "gpsi": f"extid-{EAST}", "suppFeat": "0"},
}


def test_an_api_has_its_path(world):
    """A body of another API is refused where it does not belong, and does nothing there."""
    world.serve("east", "west")
    world.start()
    paths = {
        callback_path.nidd("east"): {"uplink", "delivery status"},
        callback_path.triggering("east"): {"trigger report"},
        callback_path.monitoring("east"): {"monitoring"},
        callback_path.configuration_trigger("east"): {"configuration trigger"},
    }
    for path, own in paths.items():
        for kind, body in BODIES.items():
            reply = world.stack.notify(body, path)
            if kind not in own:
                assert reply.status == 400, (path, kind, reply.status)
            elif kind == "configuration trigger":
                assert (reply.status, reply.json()) == (200, {"suppFeat": "0"})
            elif kind != "uplink":  # whose configuration is none
                assert reply.status == 204, (path, kind, reply.body)
    assert world.server.receive(0.1) is None


def test_configuration_trigger(world):
    world.serve("east", "west")
    world.start()
    body = BODIES["configuration trigger"]
    for path, gpsi, result, state in (
        (callback_path.configuration_trigger("east"), f"extid-{EAST}", "known", "active"),
        (callback_path.configuration_trigger("west"), f"extid-{EAST}", "unknown_device", "unknown_device"),
        (callback_path.configuration_trigger("west"), "msisdn-491701234567", "unknown_device", "unknown_device"),
    ):
        name = path.rsplit("/", 1)[1]
        before = world.stack.metric("configuration_triggers_total", scef=name, result=result)
        reply = world.stack.notify({**body, "gpsi": gpsi}, path)
        assert (reply.status, reply.json()) == (200, {"suppFeat": "0"})
        assert world.stack.metric("configuration_triggers_total", scef=name, result=result) == before + 1
        assert world.stack.log("configuration_trigger", scef=name, configuration=state)
    assert world.stack.notify(body, callback_path.configuration_trigger("north")).status == 404


@pytest.mark.parametrize("fault", ("dead", "hangs", "fails"))
def test_one_down_holds_up_no_other(world, fault):
    """West has so many devices that all its windows are full; east's work from the first moment on."""
    many = [{"external_id": f"dev{i}@west.example.org", "scef": "west"} for i in range(300)]
    world.serve("east")
    if fault != "dead":
        world.serve("west")
        bad = Answer(503) if fault == "fails" else Answer(raw=b"", then="hang")
        world.scefs["west"].answer = lambda request: bad
    later = {"external_id": "c@east.example.org"}  # behind all of west's in line
    world.start(devices=[*many, later], west={"request_timeout_ms": 2000})
    world.works(EAST, "east")
    world.works(later["external_id"], "east")
    assert world.stack.admin("/readyz").status == 200
    assert world.stack.metric("configurations_active", scef="west") == 0
    world.stack.wait(lambda: world.stack.metric("scef_breaker_opens_total", scef="west") > 0, "west's breaker opens")
    assert world.stack.metric("scef_breaker_opens_total", scef="east") == 0
    # what a server sends to west's device is kept, and east's go on meanwhile
    leg = world.stack.device(WEST)["leg"]
    assert leg == 1
    world.server.send(wire.request(wire.GET, "/3/0", 7, b"w"), ("127.77.0.2", world.stack.leg_port))
    assert world.server.expect(mid=7).type == wire.ACK
    world.works(EAST, "east")
    assert len(world.stack.queue(WEST)) == 1
    if fault == "dead":
        world.serve("west")
    world.scefs["west"].answer = lambda request: None
    world.stack.wait(lambda: len(world.scefs["west"].deliveries(WEST)) == 1, "west is back, and gets what waited")


def test_a_refused_configuration_is_asked_for_when_the_nef_wants_it(world):
    world.serve("east", "west")
    forbidden = Answer(403, {"status": 403, "cause": "OPERATION_PROHIBITED"})
    world.scefs["east"].answer = lambda request: forbidden
    world.start()
    world.stack.wait(lambda: world.stack.device(EAST)["configuration"] == "refused", "it is refused")
    world.scefs["east"].answer = lambda request: None
    body = BODIES["configuration trigger"]
    assert world.stack.notify(body, callback_path.configuration_trigger("west")).status == 200
    assert world.stack.device(EAST)["configuration"] == "refused"  # west is not asked about east's
    assert world.stack.notify(body, callback_path.configuration_trigger("east")).status == 200
    world.works(EAST, "east")
    asked = len(world.scefs["east"].requests)
    assert world.stack.notify(body, callback_path.configuration_trigger("east")).status == 200
    world.works(EAST, "east")
    assert [r.method for r in world.scefs["east"].requests[asked:]] == ["POST"]  # the delivery of `works`


def test_dialects(world):
    """Each SCEF gets its requests as its dialect words them."""
    world.serve("east", "west")

    def answer(request):
        if request.method == "POST" and request.path.endswith("/configurations"):
            link = f"{request.path}/1"
            return Answer(201, {**request.json(), "self": link, "status": "ACTIVE"}, {"Location": link})
        return None

    world.scefs["west"].answer = answer
    world.start(west={"dialect": "oracle-8.3"})
    world.active(WEST)
    world.active(EAST)
    assert world.scefs["west"].requests[0].path == "/3gpp_t8_nidd/v1/as1/configurations"
    assert world.scefs["east"].requests[0].path == ROOT
    assert [line[1] for line in world.stack.scefctl("scef", "ls")[1:]] == ["3gpp", "oracle-8.3"]


def test_notification_test(world):
    """East sends its test notification, even before the answer to the creation; west never does."""
    world.serve("east", "west")
    order = []

    def east(request):
        if request.method == "POST" and request.path == ROOT:
            body = {"subscription": world.scefs["east"].link(EAST)}
            order.append(world.stack.notify(body, callback_path.nidd("east")).status)
        return None

    world.scefs["east"].answer = east
    options = {"test_notification": True, "request_timeout_ms": 1000}
    world.start(devices=[{"external_id": "c@west.example.org", "scef": "west"}], east=options, west=options)
    for name in ("east", "west"):
        world.stack.wait(lambda name=name: any(r.path == ROOT for r in world.scefs[name].requests), "a creation")
        body = next(r.json() for r in world.scefs[name].requests if r.path == ROOT)
        assert body["requestTestNotification"] is True
        assert int(body["supportedFeatures"], 16) & 4  # feature 3, TS 29.122 clause 5.6.4
    world.stack.wait(lambda: order, "east's notification")
    assert order == [204]
    world.stack.wait(lambda: world.stack.log("test_notification_missing", scef="west"), "the warning about west")
    assert len(world.stack.log("test_notification_missing")) == 1
    assert len(world.stack.log("test_notification", scef="east")) == 1
    assert world.stack.metric("test_notifications_total", scef="east") == 1
    assert world.stack.metric("test_notifications_total", scef="west") == 0
    listed = {line[0]: line for line in world.stack.scefctl("scef", "ls")}
    assert listed["east"][7] == "seen" and listed["west"][7] == "missing"


def test_none_asked_for_none_missed(world):
    world.serve("east", "west")
    world.start(east={"request_timeout_ms": 200})
    world.works(EAST, "east")
    created = next(r.json() for r in world.scefs["east"].requests if r.path == ROOT)
    assert "requestTestNotification" not in created
    assert world.stack.scefctl("scef", "ls")[1][7] == "-"
