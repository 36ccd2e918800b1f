"""SCEFs of older releases, all of which say /v1: what TS 29.122 called things before V15.2.0, and what it had not yet."""

import pytest
from scripted import DELIVERIES, DEVICE, Answer, World, wire


def buffered(world: World, status, link="/d1", **members):
    """201 with this status."""
    url = world.scef.link(DEVICE) + DELIVERIES + link
    return Answer(201, {"self": url, "externalId": DEVICE, "deliveryStatus": status, **members}, {"Location": url})


@pytest.mark.parametrize("status", ["FAILURE_TEMORARILY_NOT_REACHABLE", "FAILURE_QUOTA_EXCEEDED", "FAILURE_RATE_EXCEEDED"])
@pytest.mark.parametrize("code", [200, 201])
def test_a_failure_told_in_a_success(world, code, status):
    """Before V15.2.0 there was no error body: the answer's deliveryStatus said that it had failed."""
    world.scef.delivered = [Answer(code, {"externalId": DEVICE, "data": "AA==", "deliveryStatus": status}), None]
    world.start()
    world.accepted(b"old")
    world.submitted(b"old")
    world.wait(lambda: world.queued() == ["queued"] or len(world.submissions(b"old")) > 1, "it is not taken for delivered")
    world.speak()
    world.submitted(b"old", times=2)
    world.device_answers(b"old")
    assert world.answer(b"old").code == wire.code("2.05")


@pytest.mark.parametrize("status", ["TRIGGERING", "BUFFERING", "TRIGGERED", "SOMETHING_NEW"])
def test_pending_under_any_name(world, status):
    """201 is pending whatever it is called; the notification ends it, and nothing is sent twice."""
    world.scef.delivered = [buffered(world, status), None]
    world.start()
    world.accepted(b"old")
    world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
    world.speak()
    assert world.status(world.scef.link(DEVICE) + DELIVERIES + "/d1", "SUCCESS") == 204
    world.wait(lambda: world.queued() == ["sent"], "it is sent")
    assert len(world.submissions(b"old")) == 1
    world.device_answers(b"old")
    assert world.answer(b"old").code == wire.code("2.05")


@pytest.mark.parametrize(
    "status",
    [
        "FAILURE_TEMORARILY_NOT_REACHABLE", "FAILURE_TEMPORARILY_NOT_REACHABLE", "FAILURE_TIMEOUT", "FAILURE_NEXT_HOP",
        "FAILURE", "FAILURE_OF_A_NEW_KIND", "FAILURE_RATE_EXCEEDED", "STOPPED_BUT_TRIGGERING",
    ],
)  # fmt: skip
def test_a_pending_one_fails_under_any_name(world, status):
    """The adapter still has it: submitted again, and answered then."""
    world.scef.delivered = [buffered(world, "BUFFERING"), None]
    world.start(relay={"nidd_ack_timeout_ms": 1000})
    world.accepted(b"old")
    world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
    assert world.status(world.scef.link(DEVICE) + DELIVERIES + "/d1", status) == 204
    world.speak()
    world.submitted(b"old", times=2)
    world.device_answers(b"old")
    assert world.answer(b"old").code == wire.code("2.05")


def test_too_large_told_in_a_success(world):
    world.scef.delivered = Answer(200, {"externalId": DEVICE, "data": "AA==", "deliveryStatus": "FAILURE_DATA_TOO_LARGE"})
    world.start()
    world.accepted(b"big", method=wire.PUT, payload=b"x" * 50)
    assert world.answer(b"big").code == wire.code("4.13")
    assert len(world.submissions(b"big")) == 1


def test_problem_details_with_capitals(world):
    """Before V15.2.0 its members were Detail, Instance and Status."""
    problem = {"Status": 500, "Detail": "UE asleep", "cause": "TEMPORARILY_NOT_REACHABLE"}
    world.scef.delivered = [Answer(500, problem, {"Content-Type": "application/problem+json"}), None]
    world.start()
    world.accepted(b"old")
    world.submitted(b"old")
    world.speak()
    world.device_answers(b"old")
    assert world.answer(b"old").code == wire.code("2.05")


def test_412_is_a_refusal(world):
    """Named before V15.2.0, and never since: an unknown 4xx is like 400."""
    world.scef.delivered = Answer(412, {})
    world.start()
    world.accepted(b"old")
    assert world.answer(b"old").code == wire.code("5.02")


def test_an_uplink_without_any_identity(world):
    """Before V15.2.0 it needed none. Now a device is known by its identity alone: refused clearly, so that it is seen."""
    world.start()
    reply = world.speak(externalId=None)
    assert reply.status == 400 and reply.json()["cause"], reply.body


def test_empty_arrays(world):
    """Arrays could be empty."""

    def created(request):
        answer = world.scef.good(request)
        answer.body |= {"rdsPorts": [], "niddDownlinkDataTransfers": []}
        return answer

    world.scef.created = created
    world.start()
    world.served()


def test_features_of_no_release(world):
    for n, features in enumerate(["", "0" * 40 + "FF", "fFfF", None, 7, "XYZ"]):
        body = {"self": world.scef.link(DEVICE), "externalId": DEVICE, "supportedFeatures": features}
        world.scef.created = Answer(201, {k: v for k, v in body.items() if v is not None}, {"Location": body["self"]})
        world.start()
        world.served(b"s%d" % n)
        world.stack.adapter.stop()


@pytest.mark.parametrize("status", [200, 204])
def test_a_destination_that_cannot_be_patched(world, status):
    """notificationDestination may be changed by PATCH since Rel-17. A SCEF of before ignores what it does not know, and
    answers as if all were well: the configuration is made anew, once."""
    shown = {"self": world.scef.link(DEVICE), "externalId": DEVICE, "notificationDestination": "http://127.0.0.1:1/old"}
    world.scef.created = [Answer(201, shown, {"Location": shown["self"]}), None]
    world.scef.got = Answer(200, shown)
    world.scef.patched = Answer(200, shown) if status == 200 else Answer(204)
    world.scef.deleted = Answer(204)
    world.start(active=False)
    world.wait(lambda: len(world.scef.asked("created")) == 2, "it is made anew")
    world.wait(lambda: world.state() == "active", "it is active")
    world.served()
    assert len(world.scef.asked("patched")) == 1 and len(world.scef.asked("deleted")) == 1
