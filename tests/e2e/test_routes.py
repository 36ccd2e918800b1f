"""Routes: who of several servers gets a message; bootstrap; observers over a restart; the configuration read again."""

import json

import pytest
import wire
from routed import DEVICE, OTHER, Servers

URI_HOST, URI_PORT = 3, 7


@pytest.fixture
def world(stack):
    servers = Servers(stack, ["second", "bootstrap"])
    yield servers
    servers.close()


def host(name, port=None):
    return [(URI_HOST, name.encode()), *([(URI_PORT, port.to_bytes(2, "big"))] if port else [])]


ROUTES = [
    {"server": "second", "uri_host": "second.example.org"},
    {"server": "bootstrap", "uri_host": "third.example.org", "uri_port": 5999},
    {"server": "second", "rds_ue_port": 4},
    {"server": "bootstrap", "rds_ue_port": 4, "rds_scef_port": 5},
    {"server": "bootstrap", "bootstrap": True},
    {"server": "second", "external_id": "meter-*@example.org"},
    {"server": "bootstrap", "domain": "bootstrap.example.org"},
    {"server": "second", "dtls": True},
]


def test_each_match(world):
    devices = [DEVICE, "meter-7@example.org", "x@bootstrap.example.org", {"external_id": OTHER, "server": "second"}]
    world.start(devices, routes=ROUTES)
    ports = lambda ue, scef: {"rdsPort": {"portUE": ue, "portSCEF": scef}, "reliableDataService": True}  # noqa: E731
    for expected, said in (
        ("main", {}),
        ("second", {"options": host("second.example.org")}),
        ("second", {"options": host("SECOND.Example.org")}),
        ("main", {"options": host("third.example.org")}),
        ("bootstrap", {"options": host("third.example.org", 5999)}),
        ("second", ports(4, 0)),
        ("bootstrap", ports(4, 5)),
        ("bootstrap", {**ports(4, 5), "options": host("second.example.org")}),
        ("main", ports(5, 4)),
        ("bootstrap", {"path": "/bs", "options": [(wire.URI_QUERY, b"ep=" + DEVICE.encode())]}),
        ("bootstrap", {"path": "/bspack", "method": wire.GET}),
        ("main", {"path": "/bspack"}),
        ("second", {"device": devices[1]}),
        ("bootstrap", {"device": devices[2]}),
        ("second", {"device": OTHER}),
        ("second", {"device": OTHER, "path": "/bs"}),
    ):
        name, _ = world.got(world.say(**said))
        assert name == expected, said
    record = bytes([22, 0xFE, 0xFD]) + bytes(20)  # DTLS of the device itself
    world.up(record)
    assert world["second"].receive_raw() == record
    assert world.stack.device(devices[1])["server"] == "second"
    assert world.stack.device(OTHER)["server"] == "second"
    listed = world.stack.scefctl("route", "ls")
    assert listed[1] == ["second", "-", "-", "second.example.org", "-", "no", "no", "-", "-"]
    assert listed[4] == ["bootstrap", "4", "5", "-", "-", "no", "no", "-", "-"]
    assert [line[0] for line in listed[1:]] == [route["server"] for route in ROUTES]


def test_two_servers_for_one_device(world):
    """Each has its own exchanges with it: answers, requests and notifications go to whom they belong, and both see the
    device at the same address."""
    world.start(routes=[{"server": "second", "uri_host": "second.example.org"}])
    _, first = world.got(world.say())
    _, second = world.got(world.say(options=host("second.example.org")))
    assert first.source == second.source
    for n, name in enumerate(("main", "second")):
        asked = wire.request(wire.GET, "/3/0", 100, b"ask%d" % n, wire.NON)  # the same Message ID at both
        world[name].send(asked, first.source)
        request = world.delivered(DEVICE, n + 1)[n]
        assert (request.code, request.token) == (wire.GET, asked.token)
        answer = wire.Message(wire.NON, wire.code("2.05"), 200 + n, request.token, [], b"for %d" % n)
        world.up(answer)
        got = world[name].expect(token=asked.token)
        assert (got.code, got.payload) == (wire.code("2.05"), b"for %d" % n)
    world.nothing("main")
    world.nothing("second")


def register(world, name, path, created, options=()):
    """By CON; the server's answer comes down piggybacked."""
    before = len(world.scef.deliveries(DEVICE))
    query = [(wire.URI_QUERY, b"ep=urn:nai:" + DEVICE.encode()), (wire.URI_QUERY, b"lt=600"), (wire.URI_QUERY, b"b=UQ")]
    token = world.say(path, wire.CON, [*query, (wire.URI_QUERY, b"lwm2m=1.1"), *options])
    who, request = world.got(token)
    assert who == name
    place = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, b"4711")] if path == "/rd" else []
    world[name].send(wire.Message(wire.ACK, created, request.mid, token, place), request.source)
    answer = world.delivered(DEVICE, before + 1)[before]
    assert (answer.type, answer.code, answer.token) == (wire.ACK, created, token)
    return request.source


def test_bootstrap_then_management(world):
    """Bootstrap-Request, what the bootstrap server writes, Bootstrap-Finish; then the device registers at its server,
    which cannot be mistaken for the other one."""
    world.start(routes=[{"server": "bootstrap", "bootstrap": True}], relay={"endpoint_check": "enforce"})
    at = register(world, "bootstrap", "/bs", wire.code("2.04"))
    steps = (
        (wire.DELETE, "/0", "2.02"),
        (wire.PUT, "/0/0", "2.04"),
        (wire.PUT, "/1/0", "2.04"),
        (wire.POST, "/bs", "2.04"),
    )
    for n, (method, path, status) in enumerate(steps):
        before = len(world.scef.deliveries(DEVICE))
        asked = wire.request(method, path, 300 + n, b"bs%d" % n, options=[(wire.CONTENT_FORMAT, b"\x2d\x16")])
        asked.payload = b"\x08\x00" if method == wire.PUT else b""
        world["bootstrap"].send(asked, at)
        assert world["bootstrap"].expect(mid=300 + n).type == wire.ACK
        request = world.delivered(DEVICE, before + 1)[before]
        assert (request.code, request.path(), request.payload) == (method, path, asked.payload)
        world.up(wire.Message(wire.ACK, wire.code(status), request.mid, request.token))
        answer = world["bootstrap"].expect(token=asked.token)
        assert answer.code == wire.code(status)
        world["bootstrap"].send(wire.empty(wire.ACK, answer.mid), at)
    assert register(world, "main", "/rd", wire.code("2.01")) == at
    world.nothing("second")
    (shown,) = world.stack.device(DEVICE)["registrations"]
    assert (shown["server"], shown["lifetime_s"], shown["lwm2m"]) == ("main", 600, "1.1")
    assert shown["queue_mode"] is True and shown["until"]
    (line,) = [line for line in world.stack.scefctl("device", "show", DEVICE) if line[0] == "registrations"]
    assert {"server=main", "lifetime_s=600", "queue_mode=yes"} <= set(line)


@pytest.mark.parametrize("end", ("stop", "kill"))
def test_observers_after_a_restart(world, end):
    """Both servers observe the same resource; after a restart each notification finds its own."""
    world.start(routes=[{"server": "second", "uri_host": "second.example.org"}])
    _, seen = world.got(world.say())
    for n, name in enumerate(("main", "second")):
        asked = wire.request(wire.GET, "/3/0/9", 400 + n, b"ob%d" % n, wire.NON, [(wire.OBSERVE, b"")])
        world[name].send(asked, seen.source)
        request = world.delivered(DEVICE, n + 1)[n]
        content = [(wire.OBSERVE, b"\x01")]
        world.up(wire.Message(wire.NON, wire.code("2.05"), 500 + n, request.token, content, b"100"))
        assert world[name].expect(token=asked.token).payload == b"100"
    assert world.stack.device(DEVICE)["observations"] == 2
    getattr(world.stack.adapter, end)()
    world.stack.start_adapter()
    world.active(DEVICE)
    assert world.stack.device(DEVICE)["observations"] == 2
    for n, name in enumerate(("main", "second")):
        told = wire.Message(wire.NON, wire.code("2.05"), 600 + n, b"ob%d" % n, [(wire.OBSERVE, b"\x02")], b"99")
        world.up(told)
        got = world[name].expect(token=told.token)
        assert (got.payload, got.source) == (b"99", seen.source)
    world.nothing("main")
    world.nothing("second")


# --- SIGHUP ------------------------------------------------------------------------------------------------------


def test_a_route_is_switched(world):
    """What is under way when the rule changes stays where it is; what is new goes by the new rule."""
    to = lambda server: [{"server": server, "domain": "example.org"}]  # noqa: E731
    world.start(routes=to("main"))
    token = world.say(kind=wire.CON)
    _, request = world.got(token)
    world["main"].send(wire.request(wire.GET, "/3/0", 7, b"down"), request.source)
    assert world["main"].expect(mid=7).type == wire.ACK
    asked = world.delivered(DEVICE, 1)[0]

    world.reload(routes=to("second"))
    assert world.stack.scefctl("route", "ls")[1][0] == "second"
    assert world.stack.device(DEVICE)["server"] == "second"
    # the exchange of before: the device repeats itself, the old server answers, and is answered
    world.up(wire.request(wire.POST, "/x", world.mid, token))
    world.nothing("second")
    world["main"].send(wire.Message(wire.ACK, wire.code("2.04"), request.mid, token), request.source)
    answer = world.delivered(DEVICE, 2)[1]
    assert (answer.type, answer.code, answer.token) == (wire.ACK, wire.code("2.04"), token)
    world.up(wire.Message(wire.ACK, wire.code("2.05"), asked.mid, asked.token, [], b"old"))
    assert world["main"].expect(token=b"down").payload == b"old"

    name, message = world.got(world.say())
    assert (name, message.source) == ("second", request.source)
    world.reload(routes=[])
    assert world.got(world.say())[0] == "main"
    assert world.stack.metric("reloads_total", result="taken") == 2
    assert world.stack.log("needs_restart") == []


def test_a_mistake_changes_nothing(world):
    world.start(routes=[{"server": "second"}])
    world.reload(event="reload_refused", routes=[{"server": "bootstrap"}, {"server": "nobody"}], log={"level": "debug"})
    (fault,) = world.stack.log("configuration_fault")
    assert "routes[1].server" in fault and "adapter.yaml" in fault
    assert world.got(world.say())[0] == "second"
    assert world.stack.log("reloaded") == []
    assert world.stack.metric("reloads_total", result="refused") == 1
    (world.stack.directory / "adapter.yaml").unlink()
    world.hang_up()
    world.stack.wait(lambda: len(world.stack.log("reload_refused")) == 2, "a file that is not there")
    assert world.got(world.say())[0] == "second"


def test_devices_servers_and_what_needs_a_restart(world):
    world.start([DEVICE, OTHER])
    assert world.got(world.say())[0] == "main"
    store = {"path": str(world.stack.directory / "elsewhere")}
    changed = {"external_id": DEVICE, "server": "second", "endpoint": "urn:imei:490154203237518"}
    world.reload([changed, "new@example.org"], store=store, relay={"nstart": 3})
    assert world.got(world.say())[0] == "second"
    shown = world.stack.device(DEVICE)
    assert (shown["server"], shown["endpoint"]) == ("second", "urn:imei:490154203237518")
    assert len(world.stack.log("needs_restart", key="store.path")) == 1
    assert len(world.stack.log("needs_restart", key="relay.nstart")) == 1
    assert len(world.stack.log("needs_restart", key="devices", added=1, removed=1)) == 1
    assert len(world.stack.log("needs_restart")) == 3
    assert world.got(world.say(device=OTHER))[0] == "main"  # taken out, and still served
    assert world.stack.admin("/v1/devices/new@example.org").status == 404

    third = [*world.servers(), {"name": "third", "uri": f"coap://127.0.0.1:{world.ports['main'] + 1}"}]
    world.reload([changed, OTHER], servers=third, routes=[{"server": "third"}])
    assert len(world.stack.log("needs_restart", key="routes", server="third")) == 1
    assert len(world.stack.log("needs_restart", key="servers")) == 1
    assert world.stack.scefctl("route", "ls")[1:] == []
    assert world.got(world.say())[0] == "second"


def test_groups_servers(world):
    """A listed device and a learned one follow the server of their group."""
    group = "meters@example.org"
    listed = [{"external_id": DEVICE, "group": group}]
    groups = lambda **more: [{"external_group_id": group, "learn": True, **more}]  # noqa: E731
    world.start(listed, groups=groups(), routes=[{"server": "bootstrap", "domain": "example.org"}])
    link = {"niddConfiguration": world.scef.link(group)}
    places = {}
    for device in (DEVICE, OTHER):
        name, message = world.got(world.say(device=device, **link))
        assert name == "bootstrap"  # a group without a server: the routes decide
        places[device] = message.source
    assert world.stack.device(OTHER)["learned"] is True
    for options, server in (({"server": "second"}, "second"), ({}, "main")):
        world.reload(listed, groups=groups(**options), routes=[])
        for device, place in places.items():
            name, message = world.got(world.say(device=device, **link))
            assert (name, message.source) == (server, place)
    assert world.stack.log("needs_restart") == []


def test_switched_again_and_again(world):
    """Under load: every message gets to one server, and to one only."""
    world.start(routes=[])
    for n in range(30):
        routes = [{"server": ("second", "bootstrap")[n % 2], "domain": "example.org"}] if n % 3 else []
        config = world.stack.adapter_config([DEVICE, OTHER], servers=world.servers(), routes=routes)
        text = json.dumps(config) if n % 5 else '{"routes": ['
        (world.stack.directory / "adapter.yaml").write_text(text)
        world.hang_up()
        world.got(world.say(device=(DEVICE, OTHER)[n % 2]))
    world.reload(routes=[{"server": "second"}])
    assert world.got(world.say())[0] == "second"
    assert world.stack.metric("reloads_total", result="refused") > 0


def test_devices_file_is_read_again(world):
    path = world.stack.directory / "more.jsonl"
    line = lambda server: '{"external_id": "%s", "server": "%s"}\n' % (OTHER, server)  # noqa: E731
    path.write_text(line("second"))
    world.start([DEVICE], devices_file=str(path))
    world.active(OTHER)
    assert world.got(world.say(device=OTHER))[0] == "second"
    path.write_text(line("nobody"))
    world.hang_up()
    world.stack.wait(lambda: world.stack.log("reload_refused"), "a mistake in devices_file")
    (fault,) = world.stack.log("configuration_fault")
    assert "more.jsonl:1: server: " in fault
    assert world.got(world.say(device=OTHER))[0] == "second"
    path.write_text(line("bootstrap"))
    world.hang_up()
    world.stack.wait(lambda: world.stack.log("reloaded"), "devices_file is read again")
    assert world.got(world.say(device=OTHER))[0] == "bootstrap"


def test_log_level(world):
    world.start(log={"level": "warn"})
    world.got(world.say())
    assert world.stack.log("uplink") == []
    world.reload(log={"level": "debug"})
    world.got(world.say())
    world.stack.wait(lambda: world.stack.log("uplink"), "the log tells of uplinks")
