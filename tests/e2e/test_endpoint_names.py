"""A device that registers under another device's name: enforce, warn, off; and one that gives no name at all."""

import pytest
import wire
from routed import DEVICE, OTHER, Servers


@pytest.fixture
def world(stack):
    servers = Servers(stack, [])
    yield servers
    servers.close()


def query(*texts):
    return [(wire.URI_QUERY, text.encode()) for text in texts]


def refused(world, path, *texts):
    """4.00 to the device, and nothing to the server."""
    before, lines = len(world.scef.deliveries(DEVICE)), len(world.stack.log("audit"))
    token = world.say(path, wire.CON, query(*texts))
    answer = world.delivered(DEVICE, before + 1)[before]
    assert (answer.type, answer.code, answer.mid, answer.token) == (wire.ACK, wire.code("4.00"), world.mid, token)
    world.nothing("main")
    assert len(world.stack.log("audit")) == lines + 1
    return world.stack.log("audit")[-1]


def passed(world, path, *texts):
    """The server gets it bit-exact but for the message layer."""
    token = world.say(path, options=query(*texts))
    _, message = world.got(token)
    assert message.option(wire.URI_QUERY) == [text.encode() for text in texts]


OWN = [DEVICE, f"urn:nai:{DEVICE}", "dev1@EXAMPLE.org"]
STRANGE = [OTHER, f"urn:nai:{OTHER}", "urn:imei:490154203237518", "", DEVICE[:-1]]


def test_enforce(world):
    world.start(relay={"endpoint_check": "enforce"})
    for n, name in enumerate(STRANGE):
        line = refused(world, "/bs" if n % 2 else "/rd", f"ep={name}", "lt=60")
        assert f" ext_id={DEVICE} " in line and " level=warn " in line and " reason=endpoint_refused " in line
        assert (f" endpoint={name} " if name else ' endpoint="" ') in line
    refused(world, "/rd", f"ep={DEVICE}", f"ep={OTHER}")  # does not hide behind a right one
    assert world.stack.metric("endpoint_audits_total", result="endpoint_refused") == len(STRANGE) + 1
    traced = world.stack.adapter_named("audit", ext_id=DEVICE)
    assert [e["endpoint"] for e in traced] == [*STRANGE, OTHER]
    assert world.stack.metric("server_messages_out_total", server="main") == 0
    for name in OWN:
        passed(world, "/rd", f"ep={name}", "lt=60")
    passed(world, "/rd", "lt=60")
    passed(world, "/rd/7", f"ep={OTHER}")  # an Update has no name


def test_the_same_refusal_for_a_repetition(world):
    """The device repeats what it has got no answer to: the same answer, and one line only."""
    world.start(relay={"endpoint_check": "enforce"})
    refused(world, "/rd", f"ep={OTHER}")
    token = b"up" + world.mid.to_bytes(2, "big")
    world.up(wire.request(wire.POST, "/rd", world.mid, token, wire.CON, query(f"ep={OTHER}")))
    answers = world.delivered(DEVICE, 2)
    assert answers[0].encode() == answers[1].encode()
    assert len(world.stack.log("audit")) == 1


@pytest.mark.parametrize("check", ("warn", "off", None))
def test_warn_and_off(world, check):
    world.start(relay={"endpoint_check": check} if check else {})
    passed(world, "/rd", f"ep={OTHER}", "lt=60")
    audits = world.stack.log("audit", ext_id=DEVICE, endpoint=OTHER, reason="endpoint_differs")
    assert len(audits) == (0 if check == "off" else 1)
    assert world.stack.metric("endpoint_audits_total", result="endpoint_differs") == len(audits)


def test_provisioned_name(world, tmp_path):
    imei = "urn:imei:490154203237518"
    (tmp_path / "more.jsonl").write_text('{"external_id": "%s", "endpoint": "meter 7"}\n' % OTHER)
    listed = [{"external_id": DEVICE, "endpoint": imei}]
    world.start(listed, relay={"endpoint_check": "enforce"}, devices_file=str(tmp_path / "more.jsonl"))
    world.active(OTHER)
    passed(world, "/rd", f"ep={imei}")
    passed(world, "/rd", f"ep={DEVICE}")
    refused(world, "/rd", "ep=meter 7")
    token = world.say("/rd", options=query("ep=meter 7"), device=OTHER)
    assert world.got(token)[1].option(wire.URI_QUERY) == [b"ep=meter 7"]
    assert world.stack.device(DEVICE)["endpoint"] == imei


def test_fill_in(world):
    """A missing name is filled in, in its place among the options; the rest is as it was."""
    listed = [DEVICE, {"external_id": OTHER, "endpoint": "meter 7"}]
    world.start(listed, relay={"endpoint_check": "enforce", "endpoint_fill_in": True})
    for device, name in ((DEVICE, f"urn:nai:{DEVICE}"), (OTHER, "meter 7")):
        options = [(wire.CONTENT_FORMAT, b"\x28"), *query("lt=60", "b=U"), (2048, b"else")]
        _, message = world.got(world.say("/rd", options=options, device=device))
        assert sorted(message.option(wire.URI_QUERY)) == sorted([b"lt=60", b"b=U", f"ep={name}".encode()])
        rest = [option for option in message.options if option[0] != wire.URI_QUERY]
        assert rest == [(wire.URI_PATH, b"rd"), (wire.CONTENT_FORMAT, b"\x28"), (2048, b"else")]
    passed(world, "/rd", f"ep={DEVICE}")
    passed(world, "/rd/7", "lt=60")
    refused(world, "/rd", f"ep={OTHER}")


def test_switched_by_sighup(world):
    world.start()
    passed(world, "/rd", f"ep={OTHER}")
    world.reload(relay={"endpoint_check": "enforce", "endpoint_fill_in": True})
    refused(world, "/rd", f"ep={OTHER}")
    _, message = world.got(world.say("/rd"))
    assert message.option(wire.URI_QUERY) == [f"ep=urn:nai:{DEVICE}".encode()]
    world.reload(relay={"endpoint_check": "off"})
    passed(world, "/rd", f"ep={OTHER}")
    passed(world, "/rd")
