"""A start on a store with many devices: who is asked about is there at once, the others follow, and in the end all is
as after a start that has read everything."""

import json
import os
import signal

import pytest
import wire
from fake_scef import ROOT, Answer, FakeScef, slug
from stack import endpoint

COUNT = 100_000  # devices that nothing is heard of
FEW = [f"zz{n}@example.org" for n in (1, 2, 3, 4)]  # the last in every order
NUMBERED = {"external_id": "zz5@example.org", "msisdn": "491700000005", "endpoint": "node-5"}
STATIC = ("external_id", "msisdn", "scef", "server", "group", "endpoint", "learned", "leg", "configuration_link")


@pytest.fixture
def chain(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.fake_scef, stack.wire_server, stack.mid = scef, server, 0
        yield stack


def only_the_few(request):
    """No news of the others: their configurations are asked for in vain."""
    if any(request.about(device) for device in (*FEW, NUMBERED["external_id"])):
        return buffers(request)
    return Answer(503, {"status": 503}, {"Retry-After": "600"})


def buffers(request):
    """Downlinks to FEW[1] are kept by the SCEF."""
    if not request.path.endswith(f"{slug(FEW[1])}/downlink-data-deliveries"):
        return None
    link = f"http://scef{request.path}/1"
    return Answer(201, {**request.json(), "deliveryStatus": "BUFFERING_TEMPORARILY_NOT_REACHABLE"}, {"Location": link})


def place(stack, device):
    """The device's address, as a message of it shows it."""
    stack.mid += 1
    token = b"p" + stack.mid.to_bytes(2, "big")
    message = wire.registration(endpoint(1), stack.mid, token)
    message.type = wire.NON
    assert stack.uplink(device, message, stack.fake_scef.link(device)).status == 204
    return stack.wire_server.expect(token=token).source


def ask(stack, address, token):
    stack.mid += 1
    stack.wire_server.send(wire.request(wire.GET, "/3/0", stack.mid + 7000, token), address)
    assert stack.wire_server.expect(type=wire.ACK).code == 0


LEGS = {"prefix": "127.64.0.0/10"}  # room for them all


def write_file(stack, more=()):
    path = stack.directory / "devices.jsonl"
    with open(path, "w") as out:
        for n in range(COUNT):
            out.write(json.dumps({"external_id": f"d{n}@example.org"}) + "\n")
        for device in FEW:
            out.write(json.dumps({"external_id": device}) + "\n")
        for device in (NUMBERED, *more):
            out.write(json.dumps(device) + "\n")
    return path


def devices(stack):
    """What does not change by itself, of all of them."""
    found, cursor = {}, 0
    while cursor is not None:
        page = stack.admin(f"/v1/devices?limit=1000&cursor={cursor}").json()
        for device in page["devices"]:
            found[device["external_id"]] = {key: device.get(key) for key in STATIC}
        cursor = page["next"]
    return found


def test_a_large_store(chain):
    chain.fake_scef.answer = buffers
    chain.start_adapter([*FEW, NUMBERED], server_leg=LEGS)
    addresses = {device: place(chain, device) for device in FEW}
    ask(chain, addresses[FEW[1]], b"kept")
    chain.wait(lambda: chain.fake_scef.deliveries(FEW[1]), "the SCEF keeps it")
    chain.adapter.stop()

    chain.fake_scef.answer = only_the_few
    write_file(chain)
    chain.start_adapter([], ready=False, devices_file="devices.jsonl", server_leg=LEGS)
    chain.wait(lambda: chain.log("imported"), "the devices are stored")
    chain.adapter.stop()

    # Each of these is the first that is heard of its device.
    chain.start_adapter(ready=False)
    assert place(chain, FEW[0]) == addresses[FEW[0]]
    ask(chain, addresses[FEW[2]], b"asked")
    shown = chain.scefctl("device", "show", FEW[3])
    assert any(FEW[3] in line for line in shown)
    by_number = chain.admin(f"/v1/devices/{NUMBERED['msisdn']}").json()
    assert by_number["external_id"] == NUMBERED["external_id"] and by_number["endpoint"] == "node-5"
    link = f"http://scef{ROOT}/{slug(FEW[1])}/downlink-data-deliveries/1"
    status = {"niddDownlinkDataTransfer": link, "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"}
    assert chain.notify(status).status == 204
    assert [m["state"] for m in chain.queue(FEW[1])] == ["sent"]
    assert chain.admin("/v1/devices/nobody@example.org").status == 404
    unknown = chain.uplink("nobody@example.org", wire.empty(wire.CON, 1), chain.fake_scef.link("nobody@example.org"))
    assert unknown.status == 404

    chain.wait(lambda: chain.log("loaded"), "all devices are loaded", 120)
    assert chain.log("loaded", devices=COUNT + len(FEW) + 1)
    loaded = devices(chain)
    assert len(loaded) == COUNT + len(FEW) + 1
    assert chain.admin("/readyz").json()["loading"] is False
    chain.adapter.stop()

    # The same file, but a younger one: everything is read and compared.
    os.utime(chain.directory / "devices.jsonl")
    chain.start_adapter(ready=False)
    chain.wait(lambda: chain.log("imported"), "all was compared")
    assert not chain.log("loaded")
    assert devices(chain) == loaded
    assert place(chain, FEW[0]) == addresses[FEW[0]]


def test_what_has_changed_counts(chain):
    """A device more, one less, another server for one: each start sees the file that is there."""
    chain.fake_scef.answer = buffers
    chain.start_adapter([*FEW, NUMBERED])
    chain.wait(lambda: chain.log("imported"), "the devices are stored")
    address = place(chain, FEW[0])
    chain.adapter.stop()

    chain.start_adapter([*FEW[:3], {**NUMBERED, "endpoint": "node-6"}, "zz6@example.org"])
    chain.wait(lambda: chain.log("imported"), "the devices are stored")
    expected = devices(chain)
    assert FEW[3] not in expected and expected["zz6@example.org"]["leg"] == 5
    chain.adapter.stop()

    chain.start_adapter()
    chain.wait(lambda: chain.log("loaded"), "all devices are loaded")
    assert devices(chain) == expected
    assert expected[NUMBERED["external_id"]]["endpoint"] == "node-6"
    assert chain.admin(f"/v1/devices/{FEW[3]}").status == 404
    assert place(chain, FEW[0]) == address


def reload(chain, listed):
    (chain.directory / "adapter.yaml").write_text(json.dumps(chain.adapter_config(listed)))
    before = len(chain.log("reloaded"))
    chain.adapter.process.send_signal(signal.SIGHUP)
    chain.wait(lambda: len(chain.log("reloaded")) > before, "the reload")


def test_a_reload_is_remembered(chain):
    """What SIGHUP has changed is what the next start finds without reading devices; what it could not, is not."""
    chain.fake_scef.answer = buffers
    listed = [*FEW, NUMBERED]
    chain.start_adapter(listed)
    chain.wait(lambda: chain.log("imported"), "the devices are stored")
    reload(chain, listed)
    chain.adapter.stop()

    chain.start_adapter()
    chain.wait(lambda: chain.log("loaded"), "all devices are loaded")
    listed[-1] = {**NUMBERED, "endpoint": "node-6"}
    reload(chain, listed)
    chain.wait(lambda: chain.log("imported"), "the device is stored")
    chain.adapter.stop()

    chain.start_adapter()
    chain.wait(lambda: chain.log("loaded"), "all devices are loaded")
    assert chain.device(NUMBERED["msisdn"])["endpoint"] == "node-6"
    reload(chain, [*listed, "zz6@example.org"])
    assert chain.log("needs_restart", key="devices", added=1)
    chain.adapter.stop()

    chain.start_adapter()
    assert chain.device("zz6@example.org")["leg"] == 5
    assert not chain.log("loaded")


def test_a_reload_waits_for_all(chain):
    chain.fake_scef.answer = only_the_few
    path = write_file(chain)
    chain.start_adapter([], ready=False, devices_file="devices.jsonl", server_leg=LEGS)
    chain.wait(lambda: chain.log("imported"), "the devices are stored")
    chain.adapter.stop()

    chain.start_adapter(ready=False)
    with open(path, "a") as out:
        out.write(json.dumps({"external_id": "new@example.org"}) + "\n")
    chain.adapter.process.send_signal(signal.SIGHUP)
    chain.wait(lambda: chain.log("needs_restart", key="devices", added=1, removed=0), "the reload", 120)
    chain.adapter.stop()

    chain.start_adapter(ready=False)
    chain.wait(lambda: "new@example.org" in chain.admin("/v1/devices/new@example.org").body.decode(), "it is there", 60)
