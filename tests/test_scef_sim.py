"""scef-sim, driven from outside by what knows nothing of it: an application server made of http.client and http.server,
and clients made of bare UDP sockets at the air interface.
"""

import base64
import pathlib
import re
import socket
import struct
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "sim"))
from scef_sim_harness import (  # noqa: E402
    CON_GET,
    DEV1,
    DEV2,
    ROOT,
    Client,
    air_ue,
    application_servers,
    free_udp_port,
    simulators,
    wait_until,
)


@pytest.fixture
def simulator(tmp_path):
    with simulators(tmp_path) as start:
        yield start


@pytest.fixture
def application_server():
    with application_servers() as start:
        yield start


# ---- configurations


def test_configuration_life(simulator):
    sim = simulator([air_ue(), air_ue(DEV2)])
    status, body, headers = sim.create(supportedFeatures="8C", pdnEstablishmentOption="WAIT_FOR_UE")
    assert status == 201
    assert body["self"] == f"http://127.0.0.1:{sim.port}{ROOT}/c1"
    assert headers["Location"] in (body["self"], f"{ROOT}/c1")
    assert headers["Content-Type"].startswith("application/json")
    assert body["externalId"] == DEV1 and body["maximumPacketSize"] == 10864 and body["status"] == "ACTIVE"
    assert int(body["supportedFeatures"], 16) == 0x8C
    assert body["pdnEstablishmentOption"] == "WAIT_FOR_UE"

    assert sim.create()[1]["self"] == body["self"]  # the same user again
    assert sim.create(DEV2)[1]["self"].endswith("/c2")
    assert sim.create(root="/3gpp-nidd/v1/as2/configurations")[1]["self"].endswith("/as2/configurations/c3")

    status, got, _ = sim.request("GET", f"{ROOT}/c1")
    assert status == 200 and got["externalId"] == DEV1 and got["notificationDestination"] == "http://127.0.0.1:9/t8"
    assert sim.request("GET", f"{ROOT}/c99")[0] == 404
    assert sim.request("GET", f"{ROOT}/c3")[0] == 404  # another AS's
    assert sim.request("DELETE", f"{ROOT}/c1")[0] == 204
    assert sim.request("GET", f"{ROOT}/c1")[0] == 404
    assert sim.request("DELETE", f"{ROOT}/c1")[0] == 404
    assert sim.control("GET", "/scef")[1]["configurations"] == 2


def test_configuration_by_msisdn(simulator, application_server):
    as1 = application_server()
    ue = {"msisdn": "491701", "client": "air", "air": f"127.0.0.1:{free_udp_port()}"}
    sim = simulator([ue])
    status, body, _ = sim.request("POST", ROOT, {"msisdn": "491701", "notificationDestination": as1.url})
    assert status == 201 and body["msisdn"] == "491701" and "externalId" not in body
    Client(ue).send(b"hello")
    notification = as1.next()[2]
    assert notification["msisdn"] == "491701" and "externalId" not in notification


def test_configuration_refused(simulator):
    sim = simulator([air_ue()])
    status, problem, headers = sim.create("nobody@example.org")
    assert status == 403 and "cause" not in problem
    assert headers["Content-Type"].startswith("application/problem+json")
    assert sim.create(duration="2001-01-01T00:00:00Z")[0] == 400
    for body in (b"{", b"", b"[]", b"{}", b'{"externalId":"%s"}' % DEV1.encode(), b'{"notificationDestination":"http://a/"}'):
        status, problem, _ = sim.request("POST", ROOT, body)
        assert status == 400 and problem["status"] == 400
    assert sim.request("POST", ROOT, b"{}", "text/plain")[0] == 415
    assert sim.request("PUT", ROOT, {})[0] == 405
    assert sim.request("GET", "/nonsense")[0] == 404
    assert sim.request("POST", ROOT, b" " * 70000)[0] == 413
    assert sim.trace(event="t8", dir="in", status=403) and sim.trace(event="t8", dir="in", status=415)


def test_configuration_ends_by_its_duration(simulator):
    sim = simulator([air_ue()])
    end = time.time() + 2
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    path = sim.configure(duration=when)
    assert sim.request("GET", path)[1]["duration"].startswith(when[:-1])
    wait_until(lambda: sim.request("GET", path)[0] == 404)
    assert time.time() >= int(end)


# ---- downlink


def test_downlink_by_reachability(simulator, application_server):
    as1 = application_server()
    ue = air_ue(active_time_s=1, delay_ms=[40, 60])
    sim = simulator([ue])
    client = Client(ue)
    path = sim.configure(DEV1, as1.url)

    status, body, headers = sim.post(path, maximumLatency=0)  # asleep
    assert status == 500 and headers["Content-Type"].startswith("application/json")
    assert body["problemDetail"]["cause"] == "TEMPORARILY_NOT_REACHABLE"
    assert "requestedRetransmissionTime" not in body

    client.send(bytes.fromhex("420200010102"))
    kind = as1.next()
    assert kind[0] == "/t8/nidd" and kind[1].startswith("application/json")
    assert kind[2] == {"niddConfiguration": sim.request("GET", path)[1]["self"], "externalId": DEV1, "data": "QgIAAQEC"}
    assert sim.ue()["awake"] is True

    begun = time.monotonic()
    status, body, headers = sim.post(path, maximumLatency=0)
    assert status == 200 and time.monotonic() - begun >= 0.04
    assert body["deliveryStatus"] == "SUCCESS_NEXT_HOP_UNACKNOWLEDGED" and body["externalId"] == DEV1
    assert base64.b64decode(body["data"]) == CON_GET and headers["Location"] is None
    assert client.receive() == CON_GET
    assert as1.none()  # a 200 is never followed by a notification

    wait_until(lambda: not sim.ue()["awake"])
    status, body, headers = sim.post(path, b"later", maximumLatency=600)
    assert status == 201 and body["deliveryStatus"] == "BUFFERING_TEMPORARILY_NOT_REACHABLE"
    assert body["self"].endswith("/c1/downlink-data-deliveries/d1") and headers["Location"].endswith("/d1")
    assert sim.post(path, b"latest")[0] == 201  # absent: the SCEF's own policy, an hour
    client.send(b"\x40\x00\x00\x01")
    assert client.receive() == b"later" and client.receive() == b"latest"
    seen = [as1.next()[2] for _ in range(3)]
    assert {"niddDownlinkDataTransfer": body["self"], "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"} in seen
    assert [one for one in seen if one.get("niddDownlinkDataTransfer", "").endswith("/d2")]

    nas = sim.trace(event="nas", ext_id=DEV1)
    assert [n["what"] for n in nas if n["dir"] == "mt"] == (
        ["unreachable", "sent", "delivered", "unreachable", "unreachable", "sent", "delivered", "sent", "delivered"]
    )
    assert nas[0] | {"ts_ms": 0} == {
        "ts_ms": 0, "ext_id": DEV1, "event": "nas", "dir": "mt", "what": "unreachable", "len": 12,
        "type": "CON", "code": "0.01", "mid": 0x3039, "token": "aabb",
    }  # fmt: skip
    t8 = sim.trace(event="t8", dir="in", path=path + "/downlink-data-deliveries")
    assert [(n["status"], n.get("cause")) for n in t8] == (
        [(500, "TEMPORARILY_NOT_REACHABLE"), (200, None), (201, None), (201, None)]
    )
    assert sim.trace(event="t8", dir="out", ext_id=DEV1, path=as1.url, status=204)


def test_downlink_refused(simulator):
    sim = simulator([air_ue(pdn_connected=False), air_ue(DEV2)], maximum_packet_size_bits=800)
    path = sim.configure()
    assert sim.post(f"{ROOT}/c9")[0] == 404
    assert sim.post(path, external_id=DEV2)[0] == 400  # not the configuration's user
    status, problem, headers = sim.post(path, b"x" * 101)
    assert (status, problem["cause"]) == (403, "DATA_TOO_LARGE")
    assert headers["Content-Type"].startswith("application/problem+json")
    status, body, _ = sim.post(path, b"x" * 100, pdnEstablishmentOption="INDICATE_ERROR")
    assert (status, body["problemDetail"]["cause"]) == (500, "NO_PDN_CONNECTION")
    assert sim.post(path, maximumLatency=0)[1]["problemDetail"]["cause"] == "NO_PDN_CONNECTION"
    status, body, _ = sim.post(path, maximumLatency=60)
    assert (status, body["deliveryStatus"]) == (201, "BUFFERING")
    for body in (b"{", b"{}", {"externalId": DEV1}, {"externalId": DEV1, "data": "%%%"}, {"externalId": DEV1, "data": 1},
                 {"data": "AQID"}, {"externalId": DEV1, "data": "AQID", "maximumLatency": -1}):  # fmt: skip
        status, problem, _ = sim.request("POST", path + "/downlink-data-deliveries", body)
        assert status == 400, body
    assert sim.control("POST", f"/ues/{DEV1}/pdn?connected=1")[0] == 204
    wait_until(lambda: sim.ue()["mt_delivered"] == 1)
    assert sim.trace(event="air", what="no_client", ext_id=DEV1)  # nobody at the port yet
    assert sim.ue()["awake"] is True


def test_buffer_expires(simulator, application_server):
    as1 = application_server()
    sim = simulator([air_ue()])
    path = sim.configure(DEV1, as1.url)
    begun = time.monotonic()
    link = sim.post(path, maximumLatency=1)[1]["self"]
    assert as1.next()[2] == {"niddDownlinkDataTransfer": link, "deliveryStatus": "FAILURE_TIMEOUT"}
    assert time.monotonic() - begun >= 1


def test_retransmission_time(simulator):
    sim = simulator([air_ue(tau_period_s=3600)], tell_retransmission_time=True)
    path = sim.configure()
    status, body, _ = sim.post(path, maximumLatency=0)
    assert status == 500
    when = time.strptime(body["requestedRetransmissionTime"][:19], "%Y-%m-%dT%H:%M:%S")
    assert 3500 < time.mktime(when) - time.mktime(time.gmtime()) < 3700
    assert "requestedRetransmissionTime" in sim.post(path, maximumLatency=60)[1]


def test_restart_loses_the_buffer(simulator, application_server):
    as1 = application_server()
    ue = air_ue()
    sim = simulator([ue])
    path = sim.configure(DEV1, as1.url)
    assert sim.post(path, maximumLatency=600)[0] == 201
    assert sim.control("POST", "/scef/restart")[0] == 204
    assert sim.control("POST", f"/ues/{DEV1}/wake")[0] == 204
    assert as1.none() and sim.ue()["mt_sent"] == 0
    assert sim.request("GET", path)[0] == 200
    assert sim.post(path, maximumLatency=0)[0] == 200  # awake
    assert sim.control("POST", "/scef/restart?forget=1")[0] == 204
    assert sim.request("GET", path)[0] == 404
    assert sim.post(path)[0] == 404
    assert sim.configure() != path


def test_restart_under_a_request(simulator):
    ue = air_ue(psm=False, delay_ms=[3000, 3000])
    sim = simulator([ue])
    path = sim.configure()
    result = []
    asking = threading.Thread(target=lambda: result.append(sim.post(path)))
    asking.start()
    wait_until(lambda: sim.ue()["mt_sent"] == 1)
    sim.control("POST", "/scef/restart")
    asking.join(2)
    assert result and result[0][0] == 503


# ---- notifications


def test_callback_is_repeated(simulator, application_server):
    as1 = application_server([503, 500])
    ue = air_ue(psm=False)
    sim = simulator([ue], notification_retry_ms=200)
    sim.configure(DEV1, as1.url)
    Client(ue).send(b"precious")
    calls = [as1.next() for _ in range(3)]
    assert all(call[2] == calls[0][2] for call in calls)
    assert calls[1][3] - calls[0][3] >= 0.19 and calls[2][3] - calls[1][3] >= 0.39  # ms are cut
    assert as1.none(1)
    totals = sim.control("GET", "/scef")[1]
    assert (totals["notifications"], totals["notified"], totals["retries"], totals["given_up"]) == (1, 1, 2, 0)
    assert [t["status"] for t in sim.trace(event="t8", dir="out")] == [503, 500, 204]


def test_callback_that_nobody_answers(simulator):
    ue = air_ue(psm=False)
    sim = simulator([ue], notification_retry_ms=50, notification_retries=2)
    with socket.socket() as taken:  # bound, not listening: refused
        taken.bind(("127.0.0.1", 0))
        sim.configure(DEV1, f"http://127.0.0.1:{taken.getsockname()[1]}/")
        Client(ue).send(b"lost")
        wait_until(lambda: sim.control("GET", "/scef")[1]["given_up"] == 1)
    assert [t["status"] for t in sim.trace(event="t8", dir="out")] == [0, 0, 0]
    assert sim.control("GET", "/scef")[1]["retries"] == 2


def test_callback_that_hangs(simulator):
    ue = air_ue(psm=False)
    sim = simulator([ue], notification_timeout_ms=300, notification_retries=0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sim.configure(DEV1, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        Client(ue).send(b"lost")
        wait_until(lambda: sim.control("GET", "/scef")[1]["given_up"] == 1)


def test_callback_refused_or_no_url(simulator, application_server):
    as1 = application_server([404])
    ue = air_ue(psm=False)
    sim = simulator([ue], notification_retry_ms=50, notification_retries=1)
    client = Client(ue)
    sim.configure(DEV1, as1.url)
    client.send(b"a")
    wait_until(lambda: sim.control("GET", "/scef")[1]["given_up"] == 1)
    assert sim.control("GET", "/scef")[1]["retries"] == 0  # a 404 is an answer
    assert sim.create(DEV1, "nonsense://nowhere")[0] == 400
    sim.create(DEV1, "http://127.0.0.1:1/nobody")
    client.send(b"b")
    wait_until(lambda: sim.control("GET", "/scef")[1]["given_up"] == 2)


def test_callback_is_redirected(simulator, application_server):
    owner = application_server()
    other = application_server([(307, owner.url + "/2"), (308, "/relative")])
    ue = air_ue(psm=False)
    sim = simulator([ue], notification_retry_ms=50)
    sim.configure(DEV1, other.url)
    client = Client(ue)
    client.send(b"a")
    assert owner.next()[0] == "/t8/nidd/2"
    wait_until(lambda: sim.control("GET", "/scef")[1]["notified"] == 1)
    client.send(b"b")  # a Location that is no URL: given up, 308 is no reason to repeat
    wait_until(lambda: sim.control("GET", "/scef")[1]["given_up"] == 1)


# ---- the radio and the air interface


def test_duplicates_and_losses(simulator, application_server):
    as1 = application_server()
    twice, never = air_ue(duplicate=1), air_ue(DEV2, loss=1)
    sim = simulator([twice, never])
    sim.configure(DEV1, as1.url)
    sim.configure(DEV2, as1.url)
    Client(twice).send(b"x")
    assert as1.next()[2] == as1.next()[2]
    Client(never).send(b"y")
    wait_until(lambda: sim.ue(DEV2)["mo_lost"] == 1)
    assert as1.none() and sim.ue(DEV2)["awake"] is False
    assert [n["what"] for n in sim.trace(event="nas", ext_id=DEV1)] == ["sent", "duplicated", "delivered", "delivered"]


def test_air_follows_its_client(simulator):
    ue = air_ue(psm=False)
    sim = simulator([ue])
    path = sim.configure()
    assert sim.post(path, b"0")[0] == 200
    wait_until(lambda: sim.trace(event="air", what="no_client"))
    first, second = Client(ue), Client(ue)
    first.send(b"a")
    wait_until(lambda: sim.ue()["mo_sent"] == 1)
    sim.post(path, b"1")
    assert first.receive() == b"1"
    second.send(b"b")
    wait_until(lambda: sim.ue()["mo_sent"] == 2)
    sim.post(path, b"2")
    assert second.receive() == b"2"
    second.socket.close()  # gone: ICMP comes back, and nothing breaks
    for _ in range(3):
        assert sim.post(path, b"3")[0] == 200
    first.send(b"")  # not a message, but a sign of life
    first.send(b"c")
    wait_until(lambda: sim.ue()["mo_sent"] == 3)
    sim.post(path, b"4")
    assert first.receive() == b"4"
    first.send(b"x" * 1359)  # more than a UE may send
    wait_until(lambda: sim.trace(event="air", what="too_large"))
    assert sim.ue()["mo_sent"] == 3


def test_ipv6(simulator, application_server):
    as1 = application_server()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        try:
            s.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        port = s.getsockname()[1]
    sim = simulator([{"external_id": DEV1, "client": "air", "air": f"[::1]:{port}"}])
    sim.configure(DEV1, as1.url)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.sendto(b"six", ("::1", port))
        assert base64.b64decode(as1.next()[2]["data"]) == b"six"


# ---- the built-in client


def test_builtin_client_lives(simulator, application_server):
    """It registers through T8 and answers a read: this file is the LwM2M server."""
    as1 = application_server()
    sim = simulator([{"external_id": DEV1, "psm": True, "delay_ms": [5, 20], "start_delay_ms": 500}])
    path = sim.configure(DEV1, as1.url)
    register = base64.b64decode(as1.next()[2]["data"])
    assert register[:2] == b"\x44\x02" and b"ep=urn:nai:" + DEV1.encode() in register and b"</1/0>,</3/0>" in register
    answer = b"\x64\x41" + register[2:8] + b"\x82rd\x01" + b"7"
    assert sim.post(path, answer)[0] == 200
    wait_until(lambda: sim.ue()["registered"])
    assert sim.post(path, bytes.fromhex("42020001aabbb13301300134"))[0] == 200  # Execute /3/0/4
    assert base64.b64decode(as1.next()[2]["data"]) == bytes.fromhex("62440001aabb")
    assert sim.post(path, bytes.fromhex("42020001aabbb13301300134"))[0] == 200  # the same again
    assert base64.b64decode(as1.next()[2]["data"]) == bytes.fromhex("62440001aabb")
    ue = sim.ue()
    assert (ue["executions"], ue["repeats"], ue["client"]) == (1, 1, "builtin")
    assert [n["what"] for n in sim.trace(event="client")] == ["registered", "executed", "repeat"]


def test_many_builtin_clients(simulator, application_server):
    as1 = application_server()
    sim = simulator([{"external_id": "dev%d@example.org", "endpoint": "ep-%d", "count": 50, "start_delay_ms": 1500,
                      "start_step_ms": 2, "ack_timeout_ms": 60000}])  # fmt: skip
    for n in range(1, 51):
        sim.configure(f"dev{n}@example.org", as1.url)
    seen = {}
    for _ in range(50):
        body = as1.next()[2]
        seen[body["externalId"]] = re.search(rb"ep=(ep-\d+)", base64.b64decode(body["data"]))[1].decode()
    assert seen == {f"dev{n}@example.org": f"ep-{n}" for n in range(1, 51)}
    assert len(sim.control("GET", "/ues")[1]) == 50


# ---- control, start and stop


def test_control(simulator):
    sim = simulator([air_ue(external_id="a b@x", **{}) | {"external_id": "sp%40ce@x"}, air_ue()])
    assert [ue["external_id"] for ue in sim.control("GET", "/ues")[1]] == ["sp%40ce@x", DEV1]
    assert sim.control("GET", "/ues/sp%2540ce%40x")[1]["external_id"] == "sp%40ce@x"
    assert sim.control("GET", "/ues/nobody@x")[0] == 404
    assert sim.control("GET", "/ues/%zz")[0] == 404
    assert sim.control("GET", "/nothing")[0] == 404
    assert sim.control("GET", "/ues/")[0] == 404
    assert sim.control("POST", "/ues")[0] == 405
    assert sim.control("GET", "/scef/restart")[0] == 405
    assert sim.control("POST", f"/ues/{DEV1}/wake/again")[0] == 404
    assert sim.ue()["awake"] is False
    assert sim.control("POST", f"/ues/{DEV1}/wake")[0] == 204
    assert sim.ue()["awake"] is True


def test_control_of_a_ue(simulator, application_server):
    as1 = application_server()
    sim = simulator([air_ue(psm=False, rds=True, home_plmn="262-01"), air_ue(DEV2, psm=False)])
    path = sim.configure(DEV1, as1.url, supportedFeatures="FF")
    here = f"/ues/{DEV1}"
    assert sim.ue()["plmn"] == "262-01" and sim.ue()["roaming"] is False and sim.ue()["reachable"] is True
    assert sim.control("POST", here + "/roam?plmn=208-10")[0] == 204
    assert sim.ue()["plmn"] == "208-10" and sim.ue()["roaming"] is True
    for wrong in ("/roam", "/roam?plmn=26201", "/fail?s1ap=x", "/fail?nas=256", "/port?as=as1&ue=1", "/port?as=as1&ue=1&scef=16",
                  "/uplink?ue=1", "/uplink?ue=-1&scef=1", "/configuration-trigger?url=http://x/"):  # fmt: skip
        assert sim.control("POST", here + wrong)[0] == 400, wrong
    assert sim.request("POST", "/sim/v1" + here + "/uplink", b"x" * 1359)[0] == 400
    assert sim.control("POST", here + "/coverage?covered=0")[0] == 204
    assert sim.ue()["covered"] is False and sim.ue()["reachable"] is False
    assert sim.post(path, b"x", maximumLatency=0)[0] == 500
    assert sim.control("POST", here + "/coverage?covered=1")[0] == 204
    assert sim.control("POST", here + "/pdn?connected=0")[0] == 204
    assert sim.ue()["pdn_connected"] is False
    # MO data without a client, and by RDS from and to ports; a reliable one of a pair.
    assert sim.request("POST", "/sim/v1" + here + "/uplink", b"hello")[0] == 204
    assert base64.b64decode(as1.next()[2]["data"]) == b"hello"
    assert sim.request("POST", "/sim/v1" + here + "/uplink?ue=3&scef=4&reliable=1", b"by RDS")[0] == 204
    uplink = as1.next()[2]
    assert uplink["rdsPort"] == {"portUE": 3, "portSCEF": 4} and uplink["reliableDataService"] is True
    assert sim.control("POST", here + "/rds?rds=0")[0] == 204
    assert as1.next()[2]["rdsCapIndication"] is False
    assert sim.control("POST", f"/ues/{DEV2}/port?as=as1&ue=1&scef=1&app=a")[0] == 409  # it has no configuration
    assert sim.control("POST", here + "/monitoring/cancel")[0] == 204
    assert sim.control("GET", here + "/triggers")[1] == []
    assert sim.control("POST", "/subscriptions/cancel?as=as1&id=s1")[0] == 404
    assert sim.control("GET", "/groups")[1] == {}
    totals = sim.control("GET", "/scef")[1]
    assert totals["triggering"]["accepted"] == 0 and totals["monitoring"]["subscriptions"] == 0


def test_refusals(simulator):
    """Faults and redirections of the SCEF (TS 29.122 clauses 5.2.6 and 5.2.10)."""
    sim, other = simulator([air_ue()]), simulator([air_ue()])
    assert sim.control("POST", "/scef/refuse?status=503&retry_after=7&count=2")[0] == 204
    for _ in range(2):
        status, problem, headers = sim.create()
        assert (status, problem, headers["Retry-After"]) == (503, {"status": 503}, "7")
    assert sim.create()[0] == 201
    there = f"http://127.0.0.1:{other.port}"
    assert sim.control("POST", f"/scef/refuse?status=308&location={there}")[0] == 204
    status, _, headers = sim.create()
    assert status == 308 and headers["Location"] == there + ROOT
    assert other.create(root=other.path_of(headers["Location"]))[0] == 201
    for wrong in ("status=200", "status=600", "status=x", "status=307", f"status=503&location={there}", "count=-1"):
        assert sim.control("POST", "/scef/refuse?" + wrong)[0] == 400, wrong
    assert sim.control("POST", "/scef/refuse?count=1000000")[0] == 204
    assert sim.create()[0] == 503
    assert sim.control("POST", "/scef/refuse?count=0")[0] == 204
    assert sim.create()[0] == 201
    assert sim.trace(event="t8", dir="in", status=308)


def test_restart_forgets(simulator, application_server):
    as1 = application_server()
    sim = simulator([air_ue()])
    path = sim.configure(DEV1, as1.url)
    trigger = {"externalId": DEV1, "validityPeriod": 60, "priority": "PRIORITY", "applicationPortId": 1,
               "triggerPayload": "AQ==", "notificationDestination": as1.url}  # fmt: skip
    subscription = {"externalId": DEV1, "monitoringType": "LOSS_OF_CONNECTIVITY", "maximumNumberOfReports": 2,
                    "supportedFeatures": "1", "notificationDestination": as1.url}  # fmt: skip
    paths = [path]
    for collection, body in (("/3gpp-device-triggering/v1/as1/transactions", trigger),
                             ("/3gpp-monitoring-event/v1/as1/subscriptions", subscription)):  # fmt: skip
        status, made, _ = sim.request("POST", collection, body)
        assert status == 201
        paths.append(sim.path_of(made["self"]))
    sim.control("POST", "/scef/restart")
    assert [sim.request("GET", one)[0] for one in paths] == [200, 200, 200]
    sim.control("POST", "/scef/restart?forget=1")
    assert [sim.request("GET", one)[0] for one in paths] == [404, 404, 404]


def test_stops_promptly_under_load(simulator, application_server):
    as1 = application_server([503] * 1000)
    ues = [air_ue(f"u{n}@x", psm=False, delay_ms=[5000, 5000]) for n in range(5)]
    sim = simulator(ues + [{"external_id": "b%d@x", "count": 20}])
    for n in range(5):
        path = sim.configure(f"u{n}@x", as1.url)
        threading.Thread(target=lambda p=path, n=n: sim.post(p, external_id=f"u{n}@x"), daemon=True).start()
    for ue in ues:
        Client(ue).send(b"x")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sim.configure("b1@x", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        sim.control("POST", "/ues/b1@x/wake")
        wait_until(lambda: all(sim.ue(f"u{n}@x")["mt_sent"] == 1 for n in range(5)))
        begun = time.monotonic()
        assert sim.stop() == 0
        assert time.monotonic() - begun < 2


def test_links_where_it_listens_on_every_address(simulator):
    sim = simulator([air_ue()], listen="0.0.0.0:0")
    assert sim.create()[1]["self"] == f"{ROOT}/c1"
    sim = simulator([air_ue()], link_root="https://gateway.example/scef")
    assert sim.create()[1]["self"] == "https://gateway.example/scef/3gpp-nidd/v1/as1/configurations/c1"


def test_survives_nonsense_at_the_air(simulator, application_server):
    as1 = application_server()
    ue = air_ue(psm=False)
    sim = simulator([ue])
    sim.configure(DEV1, as1.url)
    client = Client(ue)
    for raw in (b"\x00", b"\xff" * 3, bytes(range(256)), b"\x4f\x01\x00\x00", struct.pack("!I", 0x50E00101)):
        client.send(raw)
        assert base64.b64decode(as1.next()[2]["data"]) == raw
    assert sim.trace(event="nas", len=4, what="sent", type="NON", code="7.00")
