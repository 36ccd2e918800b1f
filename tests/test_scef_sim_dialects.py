"""scef-sim in each dialect: names, links, identifiers, members and error codes as that SCEF words them; and operations
that it does not have. The client is http.client alone."""

import base64
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "sim"))
from scef_sim_harness import DEV1, Client, air_ue, application_servers, simulators  # noqa: E402

DATA = base64.b64encode(b"\x40\x01\x00\x01").decode()


@pytest.fixture
def world(tmp_path):
    with application_servers() as servers, simulators(tmp_path) as start:
        yield start, servers


def configuration(as1, **members):
    return {"externalId": DEV1, "notificationDestination": as1.url, "supportedFeatures": "FF", **members}


def delivery(**members):
    return {"externalId": DEV1, "data": DATA, **members}


def test_mts(world):
    """Paths for links, a status by that name, answers without the data, no RDS ports."""
    start, servers = world
    as1 = servers()
    ue = air_ue()
    sim = start([ue], dialect="mts")
    root = "/3gpp-nidd/v1/as1/configurations"
    status, body, headers = sim.request("POST", root, configuration(as1))
    assert status == 201 and headers["Location"] == body["self"]
    assert re.fullmatch(root + "/[0-9a-f]{24}", body["self"])
    path = body["self"]
    status, body, headers = sim.request("POST", path + "/downlink-data-deliveries", delivery(maximumLatency=60))
    assert status == 201 and re.fullmatch(path + r"/downlink-data-deliveries/\d+", body["self"])
    assert body["status"] == "BUFFERING_TEMPORARILY_NOT_REACHABLE"
    assert "deliveryStatus" not in body and "data" not in body
    status, shown, _ = sim.request("GET", body["self"])
    assert status == 200 and shown["status"] == body["status"] and "data" not in shown
    assert sim.request("PATCH", body["self"], {"data": "AQ=="})[0] == 405
    assert sim.request("GET", path + "/rds-ports")[0] == 404
    assert len(sim.request("GET", root)[1]) == 1
    Client(ue).send(b"hello")
    kinds = [as1.next()[2] for _ in range(2)]
    uplink = next(k for k in kinds if "data" in k)
    assert uplink["niddConfiguration"] == path and "msisdn" not in uplink
    assert sim.request("DELETE", path)[0] == 204


def test_in(world):
    """Links to an inner host, UUIDs, both identities, a domain in capitals, escaped padding."""
    start, servers = world
    as1 = servers()
    ue = air_ue(msisdn="910000000001")
    sim = start([ue], dialect="in")
    status, body, headers = sim.request("POST", "/3gpp-nidd/v1/as1/configurations", configuration(as1))
    inner = re.fullmatch(r"http://127\.0\.0\.1:27310/SCEF(/3gpp-nidd/v1/as1/configurations/[0-9a-f-]{36})", body["self"])
    assert status == 201 and inner and headers["Location"] == body["self"]
    assert sim.request("GET", inner[1])[1]["self"] == body["self"]
    Client(ue).send(b"\x01\x02")
    uplink = as1.next()[2]
    assert uplink == {"niddConfiguration": body["self"], "externalId": "dev1@EXAMPLE.ORG", "msisdn": "910000000001",
                      "data": "AQI="}  # fmt: skip


@pytest.mark.parametrize(
    "dialect, nidd, triggering, monitoring",
    [
        ("oracle-8.3", "3gpp_t8_nidd", "3gpp_t8_device_triggering", "3gpp_t8_monitoring_event"),
        ("oracle-8.4", "3gpp-nidd", "3gpp-device-triggering", "3gpp-monitoring-event"),
    ],
)
def test_oracle(world, dialect, nidd, triggering, monitoring):
    """Names of a draft, a collection that ends with a slash, few operations, codes in `detail`."""
    start, servers = world
    as1 = servers()
    sim = start([air_ue(), air_ue("far@example.org", pdn_connected=False)], dialect=dialect)
    root = f"/{nidd}/v1/as1/configurations"
    if nidd != "3gpp-nidd":
        assert sim.request("GET", "/3gpp-nidd/v1/as1/configurations")[0] == 404

    def refused(answer, status, code):
        got, body, headers = answer
        assert got == status and headers["Content-Type"] == "application/problem+json", answer
        assert body["detail"].startswith(f"SCEF-ERR-{status}-{code}: ") and "cause" not in body, body

    status, body, _ = sim.request("POST", root, configuration(as1))
    assert status == 201
    path = sim.path_of(body["self"])
    far = sim.path_of(sim.request("POST", root, configuration(as1, externalId="far@example.org"))[1]["self"])
    deliveries = path + "/downlink-data-deliveries"
    refused(sim.request("POST", root, b"{"), 400, "108")
    refused(sim.request("POST", root, {}), 400, "109")
    refused(sim.request("GET", root + "/none"), 404, "110")
    refused(sim.request("POST", deliveries, delivery(data="A" * 8000)), 403, "111")
    refused(sim.request("POST", deliveries, delivery(maximumLatency=0)), 500, "114")
    refused(sim.request("POST", far + "/downlink-data-deliveries",
                        delivery(externalId="far@example.org", pdnEstablishmentOption="INDICATE_ERROR")), 500, "115")  # fmt: skip
    status, body, _ = sim.request("POST", deliveries, delivery(maximumLatency=60))
    assert status == 201 and body["deliveryStatus"] and body["data"] == DATA
    assert sim.request("GET", path + "/rds-ports")[0] == 404

    transactions = f"/{triggering}/v1/as1/transactions"
    trigger = {"validityPeriod": 60, "priority": "PRIORITY", "applicationPortId": 1, "triggerPayload": "AQ==",
               **configuration(as1)}  # fmt: skip
    status, body, _ = sim.request("POST", transactions, trigger)
    assert status == 201 and sim.request("GET", sim.path_of(body["self"]))[0] == 200
    status, _, headers = sim.request("DELETE", sim.path_of(body["self"]))
    assert status == 405 and headers["Allow"] == "GET"
    assert sim.request("GET", transactions)[0] == 405

    subscriptions = f"/{monitoring}/v1/as1/subscriptions"
    subscription = {"monitoringType": "LOSS_OF_CONNECTIVITY", "maximumNumberOfReports": 2, "msisdn": "1",
                    **configuration(as1, supportedFeatures="1")}  # fmt: skip
    assert sim.request("POST", subscriptions, subscription)[0] == 404
    status, body, _ = sim.request("POST", subscriptions + "/", subscription)  # both identities: the external one counts
    assert status == 201 and body["externalId"] == DEV1
    one = sim.path_of(body["self"])
    assert sim.request("GET", one)[0] == 200
    status, _, headers = sim.request("PUT", one, subscription)
    assert status == 405 and headers["Allow"] == "GET, DELETE"
    assert sim.request("DELETE", one)[0] == 204


def test_usual_destination(world):
    """Some SCEFs have the callback URL of an SCS/AS configured."""
    start, servers = world
    as1 = servers()
    ue = air_ue()
    sim = start([ue], dialect="oracle-8.4", scs_as=[{"id": "as1", "callback_url": as1.url}])
    status, body, _ = sim.request("POST", "/3gpp-nidd/v1/as1/configurations", {"externalId": DEV1})
    assert status == 201 and body["notificationDestination"] == as1.url
    Client(ue).send(b"hello")
    assert as1.next()[2]["externalId"] == DEV1


def test_prefix(world):
    start, servers = world
    as1 = servers()
    sim = start([air_ue()], prefix="/gateway/t8")
    root = "/gateway/t8/3gpp-nidd/v1/as%201/configurations"
    assert sim.request("GET", "/3gpp-nidd/v1/as1/configurations")[0] == 404
    status, body, headers = sim.request("POST", root, configuration(as1))
    assert status == 201 and body["self"] == f"http://127.0.0.1:{sim.port}{root}/c1" == headers["Location"]
    assert sim.request("GET", sim.path_of(body["self"]))[0] == 200


def test_unknown_dialect(tmp_path):
    with pytest.raises(AssertionError, match="dialect: there is no 'klingon'"), simulators(tmp_path) as start:
        start([air_ue()], dialect="klingon")
