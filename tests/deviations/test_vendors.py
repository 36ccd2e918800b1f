"""What SCEFs that are in service do otherwise than TS 29.122 says, seen in their guides, samples and logs. Values here are
made up."""

import base64
import socket

import pytest
from scripted import DELIVERIES, DEVICE, ROOT, Answer, wire

FORBIDDEN = {"title": "Forbidden", "status": 403}


def oracle_error(status, number, text="something went wrong"):
    problem = {"title": "Error", "status": status, "detail": f"SCEF-ERR-{status}-{number}: {text}"}
    return Answer(status, problem, {"Content-Type": "application/problem+json"})


# ---- Oracle DSR SCEF


@pytest.mark.parametrize(
    "name, setting",
    [
        ("3gpp_t8_nidd", {"api_name": "3gpp_t8_nidd"}), ("3gpp_t8_nidd", {"dialect": "oracle-8.3"}),
        ("3gpp-nidd", {"dialect": "oracle-8.4"}),
    ],
)  # fmt: skip
def test_oracle_names_of_the_api(world, name, setting):
    """Release 8.3 writes underscores."""
    root = f"http://127.0.0.1:{world.stack.scef_port}/{name}/v1/as1/configurations"

    def created(request):
        assert request.path == f"/{name}/v1/as1/configurations"
        return Answer(201, {"self": f"{root}/dev1", "externalId": DEVICE}, {"Location": f"{root}/dev1"})

    world.scef.created = created
    world.start(scef=setting)
    world.accepted(b"o")
    request = world.wait(lambda: world.scef.asked("delivered"), "it is submitted")[0]
    assert request.path == f"/{name}/v1/as1/configurations/dev1{DELIVERIES}"
    world.device_answers(b"o", niddConfiguration=f"{root}/dev1")
    assert world.answer(b"o").code == wire.code("2.05")


def test_oracle_too_large(world):
    """111: the data exceeds the maximum. The code is in `detail`; there is no `cause`."""
    world.scef.delivered = oracle_error(403, 111)
    world.start()
    world.accepted(b"o", method=wire.PUT, payload=b"x" * 60)
    assert world.answer(b"o").code == wire.code("4.13")


def test_oracle_no_pdn_connection(world):
    """115: a word about the UE, whatever its status; the message waits, and no circuit breaker opens."""
    world.scef.delivered = [*[oracle_error(500, 115)] * 8, None]
    world.start(scef={"breaker_failures": 2})
    world.accepted(b"o")
    world.submitted(b"o")
    for _ in range(8):
        world.speak()
    world.submitted(b"o", times=9)
    world.device_answers(b"o")
    assert world.answer(b"o").code == wire.code("2.05")
    assert world.stack.metric("scef_breaker_opens_total") == 0


def test_oracle_context_not_found(world):
    """110 with 404: the configuration is gone, and made anew."""
    world.scef.delivered = [oracle_error(404, 110), None]
    world.start()
    world.accepted(b"o")
    world.submitted(b"o", times=2)
    world.device_answers(b"o")
    assert world.answer(b"o").code == wire.code("2.05")
    assert len(world.scef.asked("created")) == 2


def test_oracle_buffered_data_ends_in_failure(world):
    """Evicted from its queue, or its Diameter link lost: FAILURE without more; the adapter has it still."""
    link = world.scef.link(DEVICE) + DELIVERIES + "/7"
    world.scef.delivered = [Answer(201, {"self": link, "deliveryStatus": "BUFFERING"}, {"Location": link}), None]
    world.start(relay={"nidd_ack_timeout_ms": 1000})
    world.accepted(b"o")
    world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
    assert world.status(link, "FAILURE") == 204
    world.submitted(b"o", times=2)
    world.device_answers(b"o")
    assert world.answer(b"o").code == wire.code("2.05")


def test_a_slash_behind_links(world):
    """As on its monitoring collection."""
    link = world.scef.link(DEVICE)

    def created(request):
        return Answer(201, {"self": link + "/", "externalId": DEVICE}, {"Location": link + "/"})

    world.scef.created = created
    world.start()
    assert world.speak().status == 204
    assert world.speak(niddConfiguration=link + "/").status == 204
    world.served(niddConfiguration=link + "/")


# ---- MTS


@pytest.mark.parametrize("dialect", ["3gpp", "mts"])
def test_mts(world, dialect):
    """Reading needs no dialect. Paths for links; the state in `status`; no data in the answer."""
    path = "/3gpp-nidd/v1/as1/configurations/60aa00bb11cc22dd33ee44ff"
    world.scef.created = Answer(201, {"self": path, "externalId": DEVICE}, {"Location": path})
    waits = {
        "self": f"{path}{DELIVERIES}/12", "status": "BUFFERING_TEMPORARILY_NOT_REACHABLE", "externalId": DEVICE,
        "reliableDataService": False,
    }  # fmt: skip
    world.scef.delivered = Answer(201, waits)  # no Location
    world.start(scef={"dialect": dialect})
    reply = world.speak(niddConfiguration=path, reliableDataService=False)
    assert reply.status in (200, 204)
    world.accepted(b"m")
    request = world.wait(lambda: world.scef.asked("delivered"), "it is submitted")[0]
    assert request.path == path + DELIVERIES
    world.wait(lambda: world.queued() == ["with_scef"], "it is with the SCEF")
    assert world.status(f"{path}{DELIVERIES}/12", "SUCCESS_NEXT_HOP_ACKNOWLEDGED") == 204
    world.wait(lambda: world.queued() == ["sent"], "it is sent")
    world.device_answers(b"m", niddConfiguration=path, reliableDataService=False)
    assert world.answer(b"m").code == wire.code("2.05")
    assert len(world.submissions(b"m")) == 1


def test_mts_a_failure_in_status(world):
    """`status` tells of failure as well as deliveryStatus would."""
    world.scef.delivered = [Answer(200, {"externalId": DEVICE, "status": "FAILURE_TEMPORARILY_NOT_REACHABLE"}), None]
    world.start()
    world.accepted(b"m")
    world.submitted(b"m")
    world.speak()
    world.submitted(b"m", times=2)
    world.device_answers(b"m")
    assert world.answer(b"m").code == wire.code("2.05")


# ---- India


INNER = "http://127.0.0.1:%d/SCEF/3gpp-nidd/v1/as1/configurations/0b1c2d3e-4f50-4172-8394-a5b6c7d8e9fa"


@pytest.mark.parametrize("dialect", ["3gpp", "in"])
def test_india(world, dialect):
    """Links with a host that only the operator sees, and a prefix of its own; both identities; the domain in capitals;
    base64 padded with an escape; data first."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        inner = INNER % trap.getsockname()[1]
        tail = inner[inner.index("/3gpp-nidd") :]
        device = {"external_id": "001010000000001@example.com", "msisdn": "910000000001"}
        world.scef.created = Answer(201, {"self": inner, "externalId": device["external_id"]}, {"Location": inner})
        world.start(device, scef={"dialect": dialect})
        message = wire.request(wire.POST, "/dp", 9, b"in", wire.NON, payload=b"123")
        assert len(message.encode()) % 3 != 0
        data = base64.b64encode(message.encode()).decode().replace("=", "\\u003d")
        assert "\\u003d" in data
        body = (
            f'{{"data":"{data}","niddConfiguration":"{inner}","msisdn":"910000000001",'
            '"externalId":"001010000000001@EXAMPLE.COM"}'
        )
        assert world.notify(body.encode()).status in (200, 204)
        assert world.server.expect(token=b"in").payload == b"123"

        name = device["external_id"]
        world.accepted(b"i", name)
        request = world.wait(lambda: world.scef.asked("delivered"), "it is submitted")[0]
        assert request.path == tail + DELIVERIES  # at the SCEF's address as configured
        world.device_answers(b"i", name, niddConfiguration=inner, msisdn="910000000001")
        assert world.answer(b"i").code == wire.code("2.05")
        with pytest.raises(BlockingIOError):
            trap.accept()


# ---- Nokia


def nokia(world, status, listed):
    """Whoever creates a second configuration for a user is refused, without a word."""
    world.scef.created = Answer(status, b"", {"Content-Length": 0})
    world.scef.listed = Answer(200, listed)


@pytest.mark.parametrize("status", [400, 403, 409])
def test_nokia_exists_already(world, status):
    """Then the list is read, and the entry with our msisdn is ours."""
    link = f"http://127.0.0.1:{world.stack.scef_port}{ROOT}/n7"
    mine = {"self": link, "msisdn": "358000000001", "notificationDestination": "http://127.0.0.1:1/"}
    other = {"self": link[:-1] + "6", "msisdn": "358000000002", "notificationDestination": "http://127.0.0.1:1/"}
    nokia(world, status, [*[{}] * 100000, {"self": link}, {"msisdn": "358000000001"}, 7, other, mine])
    world.scef.patched = lambda request: Answer(200, {**mine, **request.json()})
    world.start({"msisdn": "358000000001"})
    world.wait(lambda: world.stack.device("358000000001")["configuration_link"].endswith("/n7"), "it is found")
    create = world.scef.asked("created")[0].json()
    assert create["msisdn"] == "358000000001" and "externalId" not in create
    who = {"externalId": None, "msisdn": "358000000001", "niddConfiguration": link}
    assert world.speak("358000000001", **who).status == 204
    world.accepted(b"n", "358000000001")
    request = world.wait(lambda: world.scef.asked("delivered"), "it is submitted")[0]
    assert request.path == f"{ROOT}/n7{DELIVERIES}" and request.json()["msisdn"] == "358000000001"
    world.device_answers(b"n", "358000000001", **who)
    assert world.answer(b"n").code == wire.code("2.05")


@pytest.mark.parametrize("name", ["Location", "location", "LOCATION", "lOcAtIoN"])
def test_header_names_in_any_case(world, name):
    """And no body at all: the link is there alone."""
    link = f"http://127.0.0.1:{world.stack.scef_port}{ROOT}/dev1"
    raw = f"HTTP/1.1 201 Created\r\n{name}: {link}\r\ncontent-length: 0\r\n\r\n"
    world.scef.created = Answer(raw=raw.encode())
    world.start()
    world.served()


def test_no_features_in_the_answer(world):
    link = world.scef.link(DEVICE)
    world.scef.created = Answer(201, {"externalId": DEVICE, "notificationDestination": "x"}, {"Location": link})
    world.scef.patched = Answer(200, b"")
    world.scef.got = Answer(200, {"externalId": DEVICE, "self": link})
    world.start()
    assert "supportedFeatures" in world.scef.asked("created")[0].json()
    world.served()
