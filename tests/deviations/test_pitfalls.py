"""Where T8 says something else than one expects, and where a naive SCS/AS loses, repeats or floods."""

import base64
import json
import re
import socket
import time

import pytest
from scripted import DELIVERIES, DEVICE, ROOT, Answer, wire

PROBLEM = {"Content-Type": "application/problem+json"}


def failure(cause, nested=True, status=500, content_type="application/json", **members):
    problem = {"status": status, "title": "Error", "cause": cause}
    body = {"problemDetail": problem, **members} if nested else {**problem, **members}
    return Answer(status, body, {"Content-Type": content_type})


# ---- 500 is a normal answer


@pytest.mark.parametrize("cause", ["TEMPORARILY_NOT_REACHABLE", "TRIGGERED", "NO_PDN_CONNECTION"])
def test_500_about_the_ue_is_not_hammered(world, cause):
    """Nothing is repeated like after a broken server's 500: the message waits for the UE. The cause TRIGGERED says that the
    data was dropped: it is submitted again, by the UE's first message."""
    world.scef.delivered = failure(cause)
    world.start(scef={"breaker_failures": 1}, relay={"retry_min_s": 300, "retry_max_s": 600})
    world.accepted(b"u")
    world.wait(lambda: world.queued() == ["queued"], "it is queued again")
    time.sleep(1)
    assert len(world.submissions(b"u")) == 1
    world.scef.delivered = None
    world.speak()
    world.submitted(b"u", times=2)
    world.device_answers(b"u")
    assert world.answer(b"u").code == wire.code("2.05")
    assert world.stack.metric("scef_held_back_total", reason="breaker") == 0


def test_status_triggered_is_the_opposite_of_cause_triggered(world):
    """deliveryStatus TRIGGERED in a 201: buffered there, and not submitted again whatever the UE says."""
    link = world.scef.link(DEVICE) + DELIVERIES + "/t"
    world.scef.delivered = Answer(201, {"self": link, "deliveryStatus": "TRIGGERED"}, {"Location": link})
    world.start()
    world.accepted(b"t")
    world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
    for _ in range(3):
        world.speak()
    assert world.queued() == ["with_scef"] and len(world.submissions(b"t")) == 1
    assert world.status(link, "SUCCESS_NEXT_HOP_UNACKNOWLEDGED") == 204
    world.device_answers(b"t")
    assert world.answer(b"t").code == wire.code("2.05")


def test_requested_retransmission_time(world):
    """It is kept: not before, unless the UE speaks."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 3))
    world.scef.delivered = [failure("TEMPORARILY_NOT_REACHABLE", requestedRetransmissionTime=when), None]
    world.start(relay={"retry_min_s": 300, "retry_max_s": 600})
    world.accepted(b"r")
    world.submitted(b"r", times=2)
    world.device_answers(b"r")
    assert world.answer(b"r").code == wire.code("2.05")


# ---- 200 and 201


@pytest.mark.parametrize("status", ["SUCCESS", "SUCCESS_NEXT_HOP_ACKNOWLEDGED", "SENDING", "WHATEVER", None])
def test_200_is_done(world, status):
    """No notification is waited for, and none is believed."""
    body = {"externalId": DEVICE, "data": "AA=="}
    world.scef.delivered = Answer(200, {**body, **({"deliveryStatus": status} if status else {})})
    world.start()
    world.accepted(b"d")
    world.wait(lambda: world.queued() == ["sent"], "it is sent")
    assert world.status(world.scef.link(DEVICE) + DELIVERIES + "/x", "FAILURE") in (204, 404)
    assert world.queued() == ["sent"]
    world.device_answers(b"d")
    assert world.answer(b"d").code == wire.code("2.05")
    assert len(world.submissions(b"d")) == 1


def test_notification_before_the_201(world):
    """The status overtakes the answer that names the delivery."""
    link = world.scef.link(DEVICE) + DELIVERIES + "/early"

    def early(request):
        assert world.status(link, "SUCCESS_NEXT_HOP_ACKNOWLEDGED") == 204
        return Answer(201, {"self": link, "deliveryStatus": "BUFFERING"}, {"Location": link})

    world.scef.delivered = early
    world.start()
    world.accepted(b"e")
    world.wait(lambda: world.queued() == ["sent"], "it is sent")
    world.device_answers(b"e")
    assert world.answer(b"e").code == wire.code("2.05")
    assert len(world.submissions(b"e")) == 1


def test_test_notification_before_the_201(world):
    """It comes for a configuration that we do not know yet."""

    def created(request):
        assert world.notify({"subscription": world.scef.link(DEVICE)}).status in (200, 204)
        return None

    world.scef.created = created
    world.start()
    world.served()


def test_the_same_uplink_and_status_again(world):
    """T8 has no rule for repeated callbacks: a SCEF that got our 204 late tells it again. Nothing happens twice."""
    world.start()
    message = wire.request(wire.POST, "/dp", 77, b"again", payload=b"x")
    for _ in range(3):
        assert world.tell(message).status == 204
    assert world.server.expect(token=b"again").payload == b"x"
    world.server.send(wire.Message(wire.ACK, wire.code("2.04"), 0, b"none"), world.address())
    found = world.server.receive(0.5)
    assert found is None or found.mid, found
    copies = [m for m in iter(lambda: world.server.receive(0.2), None) if m.token == b"again"]
    assert all(copy.mid == copies[0].mid for copy in copies)  # repetitions of ours, recognisable


# ---- bodies of errors


@pytest.mark.parametrize("content_type", ["application/json", "application/problem+json", "text/plain", "nonsense"])
@pytest.mark.parametrize("nested", [True, False])
def test_cause_wherever_it_is(world, nested, content_type):
    """Nested in problemDetail or at the top, and whatever the media type claims."""
    world.scef.delivered = failure("DATA_TOO_LARGE", nested, 403, content_type)
    world.start()
    world.accepted(b"c", method=wire.PUT, payload=b"x" * 40)
    assert world.answer(b"c").code == wire.code("4.13")


@pytest.mark.parametrize("status", [400, 403, 500, 503])
@pytest.mark.parametrize("body", [b"", b"<html><body>no</body></html>", b"null", b'"no"'])
def test_errors_without_a_use(world, status, body):
    """4xx: the server hears 5.02. 5xx: the message waits."""
    kind = "text/html" if body.startswith(b"<") else "application/json"
    world.scef.delivered = [Answer(status, body, {"Content-Type": kind}), None]
    world.start()
    world.accepted(b"h")
    if status < 500:
        assert world.answer(b"h").code == wire.code("5.02")
        return
    world.submitted(b"h")
    world.speak()
    world.submitted(b"h", times=2)
    world.device_answers(b"h")
    assert world.answer(b"h").code == wire.code("2.05")


@pytest.mark.parametrize("nested", [True, False])
def test_quota_exceeded_closes_the_device(world, nested):
    """403, and yet no refusal: kept until the window ends, whatever the UE says meanwhile."""
    answer = failure("QUOTA_EXCEEDED", nested, 403)
    answer.headers["Retry-After"] = "2"
    world.scef.delivered = [answer, None]
    world.start()
    world.accepted(b"q")
    world.submitted(b"q")
    world.wait(lambda: world.queued() == ["queued"], "it is queued again")
    world.speak()
    world.submitted(b"q", times=2)
    world.device_answers(b"q")
    assert world.answer(b"q").code == wire.code("2.05")


# ---- sizes, features, times


@pytest.mark.parametrize("bits, taken", [(160, True), (159, False)])
def test_maximum_packet_size_is_in_bits(world, bits, taken):
    link = world.scef.link(DEVICE)
    answer = {"self": link, "externalId": DEVICE, "maximumPacketSize": bits}
    world.scef.created = Answer(201, answer, {"Location": link})
    world.start()
    empty = len(wire.request(wire.PUT, "/3/0", 1, b"s").encode())
    reply = world.ask(b"s", method=wire.PUT, payload=b"x" * (20 - empty - 1))
    assert reply.code == (0 if taken else wire.code("4.13"))


def test_what_the_adapter_asks_for(world):
    """maximumLatency 0 in each delivery, since its absence would let the SCEF buffer; in the configuration no query and no
    fragment in notificationDestination, supportedFeatures, one identity, and nothing that only a SCEF may set."""
    world.start()
    world.served()
    asked = world.scef.asked("created")[0].json()
    assert "?" not in asked["notificationDestination"] and "#" not in asked["notificationDestination"]
    assert asked["externalId"] == DEVICE and "msisdn" not in asked and "supportedFeatures" in asked
    assert not {"self", "status", "maximumPacketSize"} & set(asked)
    delivery = world.scef.asked("delivered")[0].json()
    assert delivery["maximumLatency"] == 0 and delivery["externalId"] == DEVICE
    assert not {"self", "deliveryStatus", "requestedRetransmissionTime"} & set(delivery)
    assert {request.media_type for request in world.scef.requests if request.method == "POST"} == {"application/json"}


def test_a_shorter_duration_is_renewed(world):
    """It is absolute, the SCEF may shorten it, and nobody tells when it is over."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    link = world.scef.link(DEVICE)
    shown = {"self": link, "externalId": DEVICE, "duration": when}
    world.scef.created = Answer(201, shown, {"Location": link})
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86400 * 30))
    world.scef.patched = Answer(200, {**shown, "duration": later})
    world.start()
    world.wait(lambda: world.scef.asked("patched"), "it is renewed")
    assert "duration" in world.scef.asked("patched")[0].json()
    assert world.scef.asked("patched")[0].media_type == "application/merge-patch+json"
    world.served()


# ---- links


@pytest.mark.parametrize("how", ["self", "location", "both"])
def test_links_to_foreign_hosts_are_not_followed(world, how):
    """An absolute link may hold a host that is good only inside the operator's network: the path counts, at our SCEF."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        foreign = f"http://127.0.0.1:{trap.getsockname()[1]}{ROOT}/dev1"
        body = {"externalId": DEVICE, **({} if how == "location" else {"self": foreign})}
        world.scef.created = Answer(201, body, {} if how == "self" else {"Location": foreign})
        buffered = {"deliveryStatus": "BUFFERING", "self": f"{foreign}{DELIVERIES}/1"}
        world.scef.delivered = Answer(201, buffered, {"Location": buffered["self"]})
        world.start()
        world.accepted(b"f")
        world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
        assert world.status(f"{world.scef.link(DEVICE)}{DELIVERIES}/1", "SUCCESS") == 204
        world.device_answers(b"f")
        assert world.answer(b"f").code == wire.code("2.05")
        assert world.scef.asked("delivered")[0].path == f"{ROOT}/dev1{DELIVERIES}"
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_location_goes_before_self(world):
    answer = {"self": f"{ROOT}/wrong", "externalId": DEVICE}
    world.scef.created = Answer(201, answer, {"Location": f"{ROOT}/dev1"})
    world.start()
    world.served()
    assert world.scef.asked("delivered")[0].path == f"{ROOT}/dev1{DELIVERIES}"


def test_moved_for_good_to_where_nothing_is(world):
    """308 for the collection, to a place that answers 404: the next try is at the configured place again."""
    world.scef.created = [
        Answer(308, b"", {"Location": f"http://127.0.0.1:{world.stack.scef_port}/gone/configurations"}),
        Answer(404, {}),
        None,
    ]
    world.start()
    assert [request.path for request in world.scef.asked("created")] == [ROOT, "/gone/configurations", ROOT]
    world.served()


def test_moved_for_good_and_gone_later(world):
    """308 to a place that works, until one day it does not."""
    link = world.scef.link(DEVICE)
    good = {"self": link, "externalId": DEVICE}
    world.scef.created = [
        Answer(308, b"", {"Location": f"http://127.0.0.1:{world.stack.scef_port}/new/configurations"}),
        Answer(201, good, {"Location": link}),
        Answer(404, {}),
        None,
    ]
    world.scef.delivered = [Answer(404, {}), None]
    world.start()
    world.accepted(b"g")
    assert world.answer(b"g").code == wire.code("5.02")
    world.wait(lambda: world.state() == "active", "it is configured again")
    world.served()
    paths = [request.path for request in world.scef.asked("created")]
    assert paths == [ROOT, "/new/configurations", "/new/configurations", ROOT]


# ---- what else comes to the callback URL


ODD_NOTIFICATIONS = {
    "test": {"subscription": "LINK"},
    "ports": {"niddConfiguration": "LINK", "externalId": DEVICE, "managedPorts": [{"self": "LINK/rds-ports/ue1-ef2", "appId": "a"}]},
    "no ports": {"niddConfiguration": "LINK", "externalId": DEVICE},
    "group": {"niddDownlinkDataTransfer": "LINK/downlink-data-deliveries/1",
              "gmdResults": [{"externalId": DEVICE, "deliveryStatus": "SUCCESS"}]},
    "rds": {"niddConfiguration": "LINK", "externalId": DEVICE, "status": "ACTIVE", "rdsCapIndication": False},
    "rds port": {"niddConfiguration": "LINK", "externalId": DEVICE, "status": "RDS_PORT_UNKNOWN",
                 "rdsPort": {"portUE": 1, "portSCEF": 2}},
    "status of a later release": {"niddConfiguration": "LINK", "externalId": DEVICE, "status": "SUSPENDED"},
    "unknown members": {"subscription": "LINK", "new": {"a": [1]}, "vendorSpecific-010415": {"x": 1}},
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_NOTIFICATIONS)
def test_notifications_of_no_use_here(world, name):
    """Understood, answered 2xx, and nothing else is disturbed."""
    world.start()
    text = json.dumps(ODD_NOTIFICATIONS[name]).replace("LINK", world.scef.link(DEVICE))
    reply = world.notify(json.loads(text))
    assert reply.status in (200, 204), (reply.status, reply.body)
    assert reply.status == 204 or reply.json()["details"]
    world.served()


def test_the_trigger_of_a_nef_needs_a_body(world):
    """The one notification that 204 does not answer (TS 29.522 clause 5.5)."""
    world.start()
    body = {"afId": "as1", "nefId": "nef-3", "gpsi": f"extid-{DEVICE}", "suppFeat": "0"}
    reply = world.stack.notify(body, "/t8/configuration-trigger/scef")
    assert reply.status == 200 and reply.json() == {"suppFeat": "0"}
    world.served()


@pytest.mark.parametrize("form", ["padded", "unpadded", "with line breaks", "with escapes"])
def test_base64_as_it_comes(world, form):
    world.start()
    message = wire.request(wire.POST, "/dp", 5, b"b64", wire.NON, payload=b"\xfb\xff\xfe???>>>" + b"x" * 60)
    data = base64.b64encode(message.encode()).decode()
    assert "=" in data and ("/" in data or "+" in data)
    data = {
        "padded": data, "unpadded": data.rstrip("="), "with line breaks": "\\r\\n".join(re.findall(".{1,20}", data)),
        "with escapes": data.replace("/", "\\/").replace("+", "\\u002b").replace("=", "\\u003d"),
    }[form]  # fmt: skip
    body = f'{{"niddConfiguration":"{world.scef.link(DEVICE)}","externalId":"{DEVICE}","data":"{data}"}}'
    assert world.notify(body.encode()).status == 204
    assert world.server.expect(token=b"b64").payload == message.payload


def test_uplinks_flow_while_the_scef_is_silent(world):
    """A callback server that stops answering can cost UEs their connections: it never waits for the SCEF."""
    world.scef.delivered = Answer(raw=b"", then="hang")
    world.start()
    world.accepted(b"w")
    world.submitted(b"w")
    for _ in range(20):
        assert world.speak().status == 204


def test_terminated_and_made_again(world):
    world.start()
    body = {"niddConfiguration": world.scef.link(DEVICE), "externalId": DEVICE, "status": "TERMINATED"}
    assert world.notify(body).status == 204
    world.wait(lambda: len(world.scef.asked("created")) == 2, "it is made anew")
    world.wait(lambda: world.state() == "active", "it is active")
    world.served()


def test_not_authorised(world):
    """The UE lost its NIDD authorisation: what waits is refused to the server, with the reason."""
    world.scef.delivered = failure("TEMPORARILY_NOT_REACHABLE")
    world.start(relay={"retry_max_s": 600})
    world.accepted(b"z")
    world.wait(lambda: world.queued() == ["queued"], "it waits")
    status = "TERMINATED_UE_NOT_AUTHORIZED"
    assert world.notify({"niddConfiguration": world.scef.link(DEVICE), "externalId": DEVICE, "status": status}).status == 204
    assert world.answer(b"z").code == wire.code("5.02")
    assert world.state() == "refused"
