"""Every operation of T8 at scef-sim over HTTP: each status and cause that it can answer, every body held against the
OpenAPI schemas, and a table of what was seen (pytest -s). The client is http.client alone."""

import base64
import pathlib
import sys
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests/sim"), str(TOP / "tests/t8"), str(TOP / "tests")]

from openapi_schemas import Schemas  # noqa: E402
from scef_sim_harness import air_ue, application_servers, simulators  # noqa: E402
from test_conformance import OPENAPI  # noqa: E402

SCHEMAS = Schemas(OPENAPI if OPENAPI.is_dir() else TOP / "tests/t8/schemas")
NIDD = "TS29122_NIDD.yaml#/components/schemas/"
TRIGGERING = "TS29122_DeviceTriggering.yaml#/components/schemas/"
MONITORING = "TS29122_MonitoringEvent.yaml#/components/schemas/"
COMMON = "TS29122_CommonData.yaml#/components/schemas/"
PROBLEM = COMMON + "ProblemDetails"

CONFIGURATIONS = "/3gpp-nidd/v1/as1/configurations"
TRANSACTIONS = "/3gpp-device-triggering/v1/as1/transactions"
SUBSCRIPTIONS = "/3gpp-monitoring-event/v1/as1/subscriptions"
JSON, MERGE, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
DATA = base64.b64encode(bytes.fromhex("42013039aabbb13301300139")).decode()


@pytest.fixture
def world(tmp_path):
    """Functions that start a simulator and an application server."""
    with application_servers() as servers, simulators(tmp_path) as start:
        yield start, servers


def ue(name, **members):
    """A UE whose client is not there: nothing comes back."""
    return air_ue(nobody(name), **members)


def nobody(name):
    return f"{name}@example.org"


class Asker:
    """Asks, notes the operation's status and cause, and validates what comes back."""

    def __init__(self, sim):
        self.sim = sim
        self.seen = set()

    def __call__(self, operation, path, body=None, *, status, cause=None, schema=None, kind=None):
        method, resource = operation.split()
        default = {("PATCH", "configuration"): MERGE, ("PATCH", "subscription"): JSON_PATCH}.get((method, resource), JSON)
        got, answer, headers = self.sim.request(method, path, body, kind or default)
        where = (operation, path, got, answer)
        assert got == status, where
        media = (headers["Content-Type"] or "").split(";")[0]
        nested = status == 500 and method != "GET" and "deliver" in resource
        if status in (202, 204):
            assert answer is None and media == "", where
        elif status < 300:
            assert media == JSON and schema, where
        else:
            assert media == (JSON if nested else "application/problem+json"), where
            failure = "RdsDownlinkDataDeliveryFailure" if resource == "rds-port" else "NiddDownlinkDataDeliveryFailure"
            schema = NIDD + failure if status == 500 and ("deliver" in resource or resource == "rds-port") else PROBLEM
            problem = answer["problemDetail"] if nested else answer
            assert problem["status"] == status and problem.get("cause") == cause, where
        if status == 201:
            assert headers["Location"] == answer["self"], where
        if status == 405:
            assert method not in headers["Allow"].split(", "), where
        for one in answer if isinstance(answer, list) else [answer]:
            if one is not None:
                errors = [e.message for e in SCHEMAS.validator(schema, "response").iter_errors(one)]
                assert errors == [], (where, errors)
        self.seen.add((operation, status, cause))
        self.headers = headers
        return answer

    def path(self, answer):
        return self.sim.path_of(answer["self"])

    def table(self, title):
        statuses = sorted({s for _, s, _ in self.seen})
        operations = sorted({o for o, _, _ in self.seen}, key=lambda o: (o.split()[1], o))
        print(f"\n{title:28}" + "".join(f"{s:5}" for s in statuses))
        for operation in operations:
            marks = ["x" if any(o == operation and s == t for o, t, _ in self.seen) else "" for s in statuses]
            print(f"{operation:28}" + "".join(f"{m:>5}" for m in marks))
        causes = sorted({(s, c) for _, s, c in self.seen if c})
        print("causes: " + ", ".join(f"{s} {c}" for s, c in causes))
        return {(o, s) for o, s, _ in self.seen}, {c for _, c in causes}


def notified(as1, name, timeout=10):
    """The next notification, which must be of this type."""
    body = as1.next(timeout)[2]
    assert list(SCHEMAS.validator(name, "notification").iter_errors(body)) == [], (name, body)
    return body


# ---- NIDD


def configuration(as1, name="awake", **members):
    return {"externalId": nobody(name), "notificationDestination": as1.url, "supportedFeatures": "FF", **members}


def delivery(name, **members):
    return {"externalId": nobody(name), "data": DATA, **members}


def create(ask, as1, name, **members):
    answer = ask("POST configurations", CONFIGURATIONS, configuration(as1, name, **members), status=201,
                 schema=NIDD + "NiddConfiguration")  # fmt: skip
    return ask.path(answer), answer


def nidd_configurations(ask, as1):
    shown = NIDD + "NiddConfiguration"
    assert ask("GET configurations", CONFIGURATIONS, status=200, schema=shown) == []
    path, body = create(ask, as1, "awake", duration="2030-01-01T00:00:00Z", pdnEstablishmentOption="WAIT_FOR_UE",
                        requestTestNotification=True, mtcProviderId="m", reliableDataService=False)  # fmt: skip
    assert int(body["supportedFeatures"], 16) | 2 == 0xFF and body["status"] == "ACTIVE"  # 2: WebSocket
    assert notified(as1, COMMON + "TestNotification") == {"subscription": body["self"]}
    assert len(ask("GET configurations", CONFIGURATIONS, status=200, schema=shown)) == 1
    ask("POST configurations", CONFIGURATIONS, b"{", status=400, cause="INVALID_MSG_FORMAT")
    ask("POST configurations", CONFIGURATIONS, {"externalId": "a@b"}, status=400, cause="MANDATORY_IE_MISSING")
    ask("POST configurations", CONFIGURATIONS, configuration(as1, msisdn="1"), status=400,
        cause="MANDATORY_IE_INCORRECT")  # fmt: skip
    ask("POST configurations", CONFIGURATIONS, configuration(as1, duration=5), status=400,
        cause="OPTIONAL_IE_INCORRECT")  # fmt: skip
    for name in ("unknown", "barred", "foreign"):
        ask("POST configurations", CONFIGURATIONS, configuration(as1, name), status=403)
    ask("POST configurations", CONFIGURATIONS.replace("as1", "nobody"), configuration(as1), status=404)
    ask("POST configurations", CONFIGURATIONS, configuration(as1), status=415, kind="text/plain")
    ask("POST configurations", CONFIGURATIONS, b" " * 300000, status=413)
    ask("DELETE configurations", CONFIGURATIONS, status=405)
    ask("GET configuration", path, status=200, schema=shown)
    ask("GET configuration", path + "x", status=404)
    ask("GET nothing", path + "/x", status=404, cause="RESOURCE_URI_STRUCTURE_NOT_FOUND")
    patched = ask("PATCH configuration", path, {"duration": None, "reliableDataService": True}, status=200, schema=shown)
    assert "duration" not in patched and patched["reliableDataService"] is True
    ask("PATCH configuration", path, {"duration": "tomorrow"}, status=400, cause="OPTIONAL_IE_INCORRECT")
    ask("PATCH configuration", path + "x", {}, status=404)
    ask("PATCH configuration", path, {}, status=415, kind=JSON)
    ask("PUT configuration", path, {}, status=405)
    ask("DELETE configuration", path, status=204)
    ask("DELETE configuration", path, status=404)


def nidd_deliveries(ask, as1):
    shown = NIDD + "NiddDownlinkDataTransfer"
    paths = {name: create(ask, as1, name)[0] + "/downlink-data-deliveries"
             for name in ("awake", "asleep", "far", "limited", "rated", "remote", "rds")}  # fmt: skip

    def post(name, status, cause=None, **members):
        return ask("POST deliveries", paths[name], delivery(name, **members), status=status, cause=cause,
                   schema=shown)  # fmt: skip

    assert post("awake", 200)["deliveryStatus"].startswith("SUCCESS")
    assert ask.headers["Location"] is None
    assert post("rds", 200, reliableDataService=True)["deliveryStatus"] == "SUCCESS_ACKNOWLEDGED"
    post("awake", 400, "MANDATORY_IE_INCORRECT", data=7)
    post("awake", 400, "OPTIONAL_IE_INCORRECT", maximumLatency=-1)
    post("awake", 403, "DATA_TOO_LARGE", data="A" * 8000)
    post("limited", 200)
    post("limited", 403, "QUOTA_EXCEEDED")
    post("rated", 200)
    post("rated", 429)
    assert int(ask.headers["Retry-After"]) > 0
    ask("POST deliveries", CONFIGURATIONS + "/none/downlink-data-deliveries", delivery("awake"), status=404)
    ask("POST deliveries", paths["awake"], delivery("awake"), status=415, kind=MERGE)
    ask("POST deliveries", paths["awake"], b" " * 300000, status=413)
    post("asleep", 500, "TEMPORARILY_NOT_REACHABLE", maximumLatency=0)
    post("far", 500, "NO_PDN_CONNECTION", pdnEstablishmentOption="INDICATE_ERROR")
    post("far", 500, "TRIGGERED", pdnEstablishmentOption="SEND_TRIGGER", maximumLatency=0)
    assert post("far", 201)["deliveryStatus"] in ("BUFFERING", "TRIGGERED")
    ask("DELETE deliveries", paths["awake"], status=405)

    waiting = post("asleep", 201, maximumLatency=600)
    assert waiting["deliveryStatus"] == "BUFFERING_TEMPORARILY_NOT_REACHABLE"
    one = ask.path(waiting)
    assert len(ask("GET deliveries", paths["asleep"], status=200, schema=shown)) == 1
    ask("GET deliveries", CONFIGURATIONS + "/none/downlink-data-deliveries", status=404)
    ask("GET delivery", one, status=200, schema=shown)
    ask("GET delivery", one + "x", status=404)
    assert ask("PUT delivery", one, delivery("asleep", data="AQ=="), status=200, schema=shown)["data"] == "AQ=="
    for kind in (JSON, MERGE):
        assert ask("PATCH delivery", one, {"data": "Ag=="}, status=200, schema=shown, kind=kind)["data"] == "Ag=="
    ask("PUT delivery", one, {"externalId": nobody("asleep")}, status=400, cause="MANDATORY_IE_MISSING")
    ask("PATCH delivery", one, {"data": 7}, status=400, cause="OPTIONAL_IE_INCORRECT")
    ask("PUT delivery", one, {}, status=415, kind=MERGE)
    ask("PATCH delivery", one, {}, status=415, kind="text/plain")
    ask("POST delivery", one, {}, status=405)
    for method, body in (("PUT", delivery("asleep")), ("PATCH", {}), ("DELETE", None)):
        ask(f"{method} delivery", one + "x", body, status=404)
    other = ask.path(post("asleep", 201, maximumLatency=600))
    ask("DELETE delivery", other, status=204)
    ask("DELETE delivery", other, status=404)

    # On the radio, and then delivered.
    far = ask.path(post("remote", 201, maximumLatency=600))
    ask.sim.control("POST", "/ues/remote@example.org/wake")
    for method, body in (("PUT", delivery("remote")), ("PATCH", {"data": "AQ=="}), ("DELETE", None)):
        ask(f"{method} delivery", far, body, status=409, cause="SENDING")
    report = notified(as1, NIDD + "NiddDownlinkDataDeliveryStatusNotification")
    assert report["niddDownlinkDataTransfer"].endswith(far) and report["deliveryStatus"].startswith("SUCCESS")
    for method, body in (("PUT", delivery("remote")), ("PATCH", {"data": "AQ=="}), ("DELETE", None)):
        ask(f"{method} delivery", far, body, status=404, cause="ALREADY_DELIVERED")

    # A configuration without the features.
    plain = ask("POST configurations", CONFIGURATIONS, {"externalId": nobody("plain"), "notificationDestination": as1.url},
                status=201, schema=NIDD + "NiddConfiguration")  # fmt: skip
    kept = ask("POST deliveries", ask.path(plain) + "/downlink-data-deliveries", delivery("plain", maximumLatency=60),
               status=201, schema=shown)  # fmt: skip
    ask("DELETE delivery", ask.path(kept), status=403)


def nidd_groups(ask, as1):
    body = configuration(as1) | {"externalGroupId": "meters@example.org"}
    del body["externalId"]
    group = ask.path(ask("POST configurations", CONFIGURATIONS, body, status=201, schema=NIDD + "NiddConfiguration"))
    sent = ask("POST deliveries", group + "/downlink-data-deliveries",
               {"externalGroupId": "meters@example.org", "data": DATA, "maximumLatency": 600}, status=201,
               schema=NIDD + "NiddDownlinkDataTransfer")  # fmt: skip
    path = ask.path(sent)
    for method, change in (("PUT", {"externalGroupId": "meters@example.org", "data": DATA}), ("PATCH", {"data": "AQ=="}),
                           ("DELETE", None)):  # fmt: skip
        ask(f"{method} delivery", path, change, status=403, cause="OPERATION_PROHIBITED")
    ask.sim.control("POST", "/ues/meter2@example.org/wake")
    result = notified(as1, NIDD + "GmdNiddDownlinkDataDeliveryNotification")
    assert {r["externalId"] for r in result["gmdResults"]} == {nobody("meter1"), nobody("meter2")}
    assert ask.sim.control("GET", "/groups")[1] == {"meters@example.org": [nobody("meter1"), nobody("meter2")]}


def nidd_ports(ask, as1):
    shown = NIDD + "ManagePort"
    ports = create(ask, as1, "rds2", rdsPorts=[{"portUE": 1, "portSCEF": 1}])[0] + "/rds-ports"
    away = create(ask, as1, "rds-asleep")[0] + "/rds-ports"
    assert ask("GET rds-ports", ports, status=200, schema=shown) == []
    ask("GET rds-ports", CONFIGURATIONS + "/none/rds-ports", status=404)
    ask("PUT rds-port", ports + "/ue5-ef7", {"appId": "lwm2m", "skipUeInquiry": True}, status=201, schema=shown)
    assert ask("GET rds-port", ports + "/ue5-ef7", status=200, schema=shown)["manageEntity"] == "AS"
    assert len(ask("GET rds-ports", ports, status=200, schema=shown)) == 1
    ask("PUT rds-port", ports + "/ue5-ef7", {"appId": "other"}, status=403, cause="PORT_NOT_FREE")
    ask("PUT rds-port", ports + "/ue5-ef8", {}, status=400, cause="MANDATORY_IE_MISSING")
    ask("PUT rds-port", ports + "/ue5-ef16", {"appId": "a"}, status=404, cause="RESOURCE_URI_STRUCTURE_NOT_FOUND")
    ask("PUT rds-port", ports + "/ue5-ef8", {}, status=415, kind="text/plain")
    ask("PUT rds-port", ports + "/ue6-ef8", {"appId": "a"}, status=202)
    managed = notified(as1, NIDD + "ManagePortNotification")
    assert {p["self"].rsplit("/", 1)[1] for p in managed["managedPorts"]} == {"ue5-ef7", "ue6-ef8"}
    ask("PUT rds-port", ports + "/ue7-ef9", {"appId": "a", "supportedFormats": ["JSON"]}, status=500,
        cause="SERIALIZATION_FORMAT_NOT_SUPPORTED")  # fmt: skip
    ask("PUT rds-port", away + "/ue7-ef9", {"appId": "a"}, status=500, cause="TEMPORARILY_NOT_REACHABLE")
    ask("POST rds-port", ports + "/ue7-ef9", {}, status=405)
    ask("GET rds-port", ports + "/ue9-ef9", status=404, cause="PORT_NOT_ASSOC_WITH_APP")
    status, *_ = ask.sim.control("POST", "/ues/rds2@example.org/port?as=as1&ue=3&scef=4&app=meter")
    assert status == 204
    assert len(notified(as1, NIDD + "ManagePortNotification")["managedPorts"]) == 3
    ask("DELETE rds-port", ports + "/ue3-ef4", status=403, cause="OPERATION_PROHIBITED")
    ask("DELETE rds-port", ports + "/ue9-ef9", status=404, cause="PORT_NOT_ASSOC_WITH_APP")
    ask("DELETE rds-port", ports + "/ue5-ef7", status=204)
    ask("DELETE rds-port", ports + "/ue6-ef8", status=202)
    assert len(notified(as1, NIDD + "ManagePortNotification")["managedPorts"]) == 1
    # Static ports: who uses another pair is told so.
    deliveries = ports.replace("rds-ports", "downlink-data-deliveries")
    ask("POST deliveries", deliveries, delivery("rds2", rdsPort={"portUE": 9, "portSCEF": 9}), status=403,
        cause="RDS_PORT_UNKNOWN")  # fmt: skip
    ask.sim.control("POST", "/ues/rds2@example.org/uplink?ue=9&scef=9")
    assert notified(as1, NIDD + "NiddConfigurationStatusNotification")["status"] == "RDS_PORT_UNKNOWN"


NIDD_UES = [
    ue("awake", psm=False), ue("asleep"), ue("far", pdn_connected=False), ue("limited", psm=False, quota=15),
    ue("rated", psm=False, apn_rate=1), ue("remote", delay_ms=[2000, 2000]), ue("rds", psm=False, rds=True),
    ue("rds2", psm=False, rds=True, formats=["CBOR"]), ue("rds-asleep", rds=True), ue("plain"), ue("barred", barred=True),
    ue("foreign", scs_as_ids=["as2"]), ue("meter1", groups=["meters@example.org"], psm=False),
    ue("meter2", groups=["meters@example.org"]),
]  # fmt: skip
NIDD_SEEN = {
    "GET configurations": [200], "POST configurations": [201, 400, 403, 404, 413, 415], "DELETE configurations": [405],
    "GET configuration": [200, 404], "PATCH configuration": [200, 400, 404, 415], "PUT configuration": [405],
    "DELETE configuration": [204, 404], "GET deliveries": [200, 404], "DELETE deliveries": [405],
    "POST deliveries": [200, 201, 400, 403, 404, 413, 415, 429, 500], "GET delivery": [200, 404],
    "PUT delivery": [200, 400, 403, 404, 409, 415], "PATCH delivery": [200, 400, 403, 404, 409, 415],
    "DELETE delivery": [204, 403, 404, 409], "POST delivery": [405], "GET rds-ports": [200, 404],
    "GET rds-port": [200, 404], "PUT rds-port": [201, 202, 400, 403, 404, 415, 500], "POST rds-port": [405],
    "DELETE rds-port": [202, 204, 403, 404], "GET nothing": [404],
}  # fmt: skip
NIDD_CAUSES = {
    "QUOTA_EXCEEDED", "DATA_TOO_LARGE", "RDS_PORT_UNKNOWN", "OPERATION_PROHIBITED", "PORT_NOT_FREE", "ALREADY_DELIVERED",
    "PORT_NOT_ASSOC_WITH_APP", "SENDING", "TRIGGERED", "TEMPORARILY_NOT_REACHABLE", "NO_PDN_CONNECTION",
    "SERIALIZATION_FORMAT_NOT_SUPPORTED",
}  # fmt: skip


def pairs(table):
    return {(operation, status) for operation, statuses in table.items() for status in statuses}


def test_nidd(world):
    start, servers = world
    as1 = servers()
    ask = Asker(start(NIDD_UES, scs_as=[{"id": "as1"}, {"id": "as2"}]))
    nidd_configurations(ask, as1)
    nidd_deliveries(ask, as1)
    nidd_groups(ask, as1)
    nidd_ports(ask, as1)
    seen, causes = ask.table("NIDD")
    assert pairs(NIDD_SEEN) - seen == set()
    assert NIDD_CAUSES - causes == set()


def test_nidd_failed_deliveries_and_conflicts(world):
    """500 TIMEOUT, at once and when a delivery that had failed is changed; 409 for a configuration that is there."""
    start, servers = world
    as1 = servers()
    sim = start([ue("slow", delay_ms=[600, 600]), ue("slow-awake", psm=False, delay_ms=[600, 600])], submit_timeout_ms=200,
                duplicate_create="conflict")  # fmt: skip
    ask = Asker(sim)
    path, _ = create(ask, as1, "slow")
    ask("POST configurations", CONFIGURATIONS, configuration(as1, "slow"), status=409)
    awake, _ = create(ask, as1, "slow-awake")
    ask("POST deliveries", awake + "/downlink-data-deliveries", delivery("slow-awake"), status=500, cause="TIMEOUT")
    sent = ask("POST deliveries", path + "/downlink-data-deliveries", delivery("slow"), status=201,
               schema=NIDD + "NiddDownlinkDataTransfer")  # fmt: skip
    sim.control("POST", "/ues/slow@example.org/wake")
    assert notified(as1, NIDD + "NiddDownlinkDataDeliveryStatusNotification")["deliveryStatus"] == "FAILURE_TIMEOUT"
    for method, body in (("PUT", delivery("slow")), ("PATCH", {"data": "AQ=="}), ("DELETE", None)):
        ask(f"{method} delivery", ask.path(sent), body, status=500, cause="TIMEOUT")


def test_authorisation(world):
    start, servers = world
    as1 = servers()
    for removes in (False, True):
        sim = start([ue("awake", psm=False)], revocation_removes=removes)
        ask = Asker(sim)
        path, _ = create(ask, as1, "awake")
        assert sim.control("POST", "/ues/awake@example.org/authorisation?authorised=0")[0] == 204
        told = notified(as1, NIDD + "NiddConfigurationStatusNotification")
        assert told["status"] == "TERMINATED_UE_NOT_AUTHORIZED"
        ask("POST deliveries", path + "/downlink-data-deliveries", delivery("awake"), status=404 if removes else 403)
        ask("POST configurations", CONFIGURATIONS, configuration(as1), status=403)
        assert sim.control("POST", "/ues/awake@example.org/authorisation?authorised=1")[0] == 204
        path, body = create(ask, as1, "awake")
        ended = body["self"].rsplit("/", 1)[1]
        assert sim.control("POST", f"/configurations/terminate?as=as1&id={ended}")[0] == 204
        assert notified(as1, NIDD + "NiddConfigurationStatusNotification")["status"] == "TERMINATED"
        assert sim.control("POST", "/configurations/terminate?as=as1&id=none")[0] == 404


def test_configuration_trigger(world):
    """TS 29.522 clause 5.5: by a URL that is configured for the AS when its UE connects, or to any URL."""
    start, servers = world
    as1, as2 = servers(), servers([200])
    trigger = "TS29522_NIDDConfigurationTrigger.yaml#/components/schemas/NiddConfigurationTrigger"
    sim = start([ue("far", pdn_connected=False)], nef_id="nef-3",
                scs_as=[{"id": "as1"}, {"id": "as2", "configuration_trigger_url": as2.url}])  # fmt: skip
    sim.control("POST", "/ues/far@example.org/pdn?connected=1")
    assert notified(as2, trigger) == {"afId": "as2", "nefId": "nef-3", "gpsi": "extid-far@example.org", "suppFeat": "0"}
    assert sim.control("POST", "/ues/far@example.org/configuration-trigger")[1] == {"asked": 1}
    assert notified(as2, trigger)["afId"] == "as2"
    status, body, _ = sim.control("POST", f"/ues/far@example.org/configuration-trigger?as=as1&url={as1.url}")
    assert (status, body) == (200, {"asked": 1}) and notified(as1, trigger)["afId"] == "as1"
    assert sim.control("POST", "/ues/far@example.org/configuration-trigger?url=http://x/")[0] == 400


# ---- device triggering


def trigger(as1, name="awake", **members):
    return {"externalId": nobody(name), "validityPeriod": 600, "priority": "NO_PRIORITY", "applicationPortId": 5683,
            "triggerPayload": "AQ==", "notificationDestination": as1.url, "supportedFeatures": "6", **members}  # fmt: skip


def test_triggering(world):
    start, servers = world
    as1 = servers()
    shown, report = TRIGGERING + "DeviceTriggering", TRIGGERING + "DeviceTriggeringDeliveryReportNotification"
    ues = [ue("awake", psm=False), ue("asleep"), ue("remote", psm=False, delay_ms=[2000, 2000]), ue("foreign", scs_as_ids=["as2"])]
    ask = Asker(start(ues, triggering={"rate": 6, "rate_window_s": 3600}))
    assert ask("GET transactions", TRANSACTIONS, status=200, schema=shown) == []
    made = ask("POST transactions", TRANSACTIONS, trigger(as1, requestTestNotification=True), status=201, schema=shown)
    assert made["deliveryResult"] == "TRIGGERED"
    assert notified(as1, COMMON + "TestNotification") == {"subscription": made["self"]}
    assert notified(as1, report) == {"transaction": made["self"], "result": "SUCCESS"}
    received = ask.sim.control("GET", "/ues/awake@example.org/triggers")[1]
    assert [(t["application_port"], t["payload"]) for t in received] == [(5683, "AQ==")]
    ask("POST transactions", TRANSACTIONS, b"nonsense", status=400, cause="INVALID_MSG_FORMAT")
    ask("POST transactions", TRANSACTIONS, trigger(as1, validityPeriod="long"), status=400,
        cause="MANDATORY_IE_INCORRECT")  # fmt: skip
    ask("POST transactions", TRANSACTIONS, trigger(as1, "foreign"), status=403)
    ask("POST transactions", TRANSACTIONS, trigger(as1, "unknown"), status=404, cause="UE_NOT_FOUND")
    ask("POST transactions", TRANSACTIONS, trigger(as1), status=415, kind="text/plain")
    ask("POST transactions", TRANSACTIONS, b" " * 300000, status=413)
    ask("PUT transactions", TRANSACTIONS, {}, status=405)

    waiting = ask.path(ask("POST transactions", TRANSACTIONS, trigger(as1, "asleep"), status=201, schema=shown))
    assert len(ask("GET transactions", TRANSACTIONS, status=200, schema=shown)) == 2
    ask("GET transaction", waiting, status=200, schema=shown)
    ask("GET transaction", waiting + "x", status=404)
    replaced = ask("PUT transaction", waiting, trigger(as1, "asleep", triggerPayload="Ag=="), status=200, schema=shown)
    assert replaced["deliveryResult"] == "REPLACED" and replaced["triggerPayload"] == "Ag=="
    ask("PUT transaction", waiting, {"externalId": nobody("asleep")}, status=400, cause="MANDATORY_IE_MISSING")
    ask("PUT transaction", waiting + "x", trigger(as1, "asleep"), status=404)
    ask("PUT transaction", waiting, {}, status=415, kind=MERGE)
    ask("PATCH transaction", waiting, {"validityPeriod": 60}, status=200, schema=shown)
    ask("PATCH transaction", waiting, {"validityPeriod": "60"}, status=400, cause="OPTIONAL_IE_INCORRECT")
    ask("PATCH transaction", waiting + "x", {}, status=404)
    ask("PATCH transaction", waiting, {}, status=415, kind=MERGE)
    ask("POST transaction", waiting, {}, status=405)
    assert ask("DELETE transaction", waiting, status=200, schema=shown)["deliveryResult"] == "TERMINATE"
    ask("DELETE transaction", waiting, status=404)
    gone = ask.path(made)
    ask("PUT transaction", gone, trigger(as1), status=404, cause="ALREADY_DELIVERED")
    ask("DELETE transaction", gone, status=404, cause="ALREADY_DELIVERED")

    sending = ask.path(ask("POST transactions", TRANSACTIONS, trigger(as1, "remote"), status=201, schema=shown))
    ask("PUT transaction", sending, trigger(as1, "remote"), status=409, cause="SENDING")
    ask("DELETE transaction", sending, status=409, cause="SENDING")
    assert notified(as1, report)["result"] == "SUCCESS"
    plain = trigger(as1, "asleep")
    del plain["supportedFeatures"]
    old = ask.path(ask("POST transactions", TRANSACTIONS, plain, status=201, schema=shown))
    ask("PATCH transaction", old, {}, status=403, cause="OPERATION_PROHIBITED")
    ask("POST transactions", TRANSACTIONS, trigger(as1, "asleep", validityPeriod=0), status=201, schema=shown)
    assert notified(as1, report)["result"] in ("FAILURE", "EXPIRED")
    ask("POST transactions", TRANSACTIONS, trigger(as1, "awake"), status=201, schema=shown)
    notified(as1, report)
    ask("POST transactions", TRANSACTIONS, trigger(as1, "awake"), status=429)
    assert int(ask.headers["Retry-After"]) > 0
    seen, causes = ask.table("device triggering")
    wanted = {
        "GET transactions": [200], "POST transactions": [201, 400, 403, 404, 413, 415, 429], "PUT transactions": [405],
        "GET transaction": [200, 404], "PUT transaction": [200, 400, 404, 409, 415],
        "PATCH transaction": [200, 400, 403, 404, 415], "DELETE transaction": [200, 404, 409],
    }  # fmt: skip
    assert pairs(wanted) - seen == set()


# ---- monitoring events


def subscription(as1, kind="LOSS_OF_CONNECTIVITY", name="awake", **members):
    return {"externalId": nobody(name), "monitoringType": kind, "notificationDestination": as1.url,
            "supportedFeatures": "8801E73", "maximumNumberOfReports": 5, **members}  # fmt: skip


def in_an_hour():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))


def test_monitoring(world):
    start, servers = world
    as1 = servers()
    shown, reported = MONITORING + "MonitoringEventSubscription", MONITORING + "MonitoringEventReport"
    notification = MONITORING + "MonitoringNotification"
    ues = [ue("awake", psm=False), ue("asleep"), ue("foreign", scs_as_ids=["as2"]), ue("roamer", psm=False, home_plmn="262-01")]
    types = ["LOSS_OF_CONNECTIVITY", "UE_REACHABILITY", "PDN_CONNECTIVITY_STATUS", "ROAMING_STATUS", "COMMUNICATION_FAILURE"]
    ask = Asker(start(ues, monitoring={"types": types, "reports": [1, 100], "no_idle_status": True, "apn": "nidd"}))

    def post(status, cause=None, schema=shown, **members):
        kind = members.pop("kind", "LOSS_OF_CONNECTIVITY")
        return ask("POST subscriptions", SUBSCRIPTIONS, subscription(as1, kind, **members), status=status, cause=cause,
                   schema=schema)  # fmt: skip

    assert ask("GET subscriptions", SUBSCRIPTIONS, status=200, schema=shown) == []
    made = post(201, requestTestNotification=True)
    assert notified(as1, COMMON + "TestNotification") == {"subscription": made["self"]}
    assert len(ask("GET subscriptions", SUBSCRIPTIONS, status=200, schema=shown)) == 1
    nothing = ask("GET subscriptions", SUBSCRIPTIONS + "?ip-addrs=%5B%7B%22ipv4Addr%22%3A%2210.0.0.1%22%7D%5D", status=200,
                  schema=shown)  # fmt: skip
    assert nothing == []
    ask("GET subscriptions", SUBSCRIPTIONS + "?ip-addrs=10.0.0.1", status=400, cause="OPTIONAL_QUERY_PARAM_INCORRECT")
    once = post(200, schema=reported, kind="UE_REACHABILITY", reachabilityType="DATA", maximumNumberOfReports=1)
    assert once["monitoringType"] == "UE_REACHABILITY" and ask.headers["Location"] is None
    ask("POST subscriptions", SUBSCRIPTIONS, b"[", status=400, cause="INVALID_MSG_FORMAT")
    post(400, "MANDATORY_IE_MISSING", kind="UE_REACHABILITY")
    post(400, "EVENT_FEATURE_MISMATCH", supportedFeatures="2")
    post(403, "PARAMETER_OUT_OF_RANGE", maximumNumberOfReports=101)
    post(403, "IDLE_STATUS_UNSUPPORTED", kind="UE_REACHABILITY", reachabilityType="DATA", idleStatusIndication=True)
    post(403, "OPERATION_PROHIBITED", name="foreign")
    post(404, "UE_NOT_FOUND", name="unknown")
    post(500, "EVENT_UNSUPPORTED", kind="AVAILABILITY_AFTER_DDN_FAILURE")
    ask("POST subscriptions", SUBSCRIPTIONS, subscription(as1), status=415, kind="text/plain")
    ask("POST subscriptions", SUBSCRIPTIONS, b" " * 300000, status=413)
    ask("PUT subscriptions", SUBSCRIPTIONS, {}, status=405)

    one = ask.path(made)
    ask("GET subscription", one, status=200, schema=shown)
    ask("GET subscription", one + "x", status=404)
    changed = ask("PUT subscription", one, subscription(as1, maximumNumberOfReports=7), status=200, schema=shown)
    assert changed["maximumNumberOfReports"] == 7
    ask("PUT subscription", one, {"externalId": nobody("awake")}, status=400, cause="MANDATORY_IE_MISSING")
    ask("PUT subscription", one + "x", subscription(as1), status=404)
    ask("PUT subscription", one, {}, status=415, kind=MERGE)
    change = [{"op": "replace", "path": "/maximumNumberOfReports", "value": 9}]
    ask("PATCH subscription", one, change, status=204)
    assert ask("GET subscription", one, status=200, schema=shown)["maximumNumberOfReports"] == 9
    got, problem, _ = ask.sim.request("PATCH", one, b'[{"op":"dance"}]', JSON_PATCH)
    assert got == 400 and problem["status"] == 400
    ask("PATCH subscription", one + "x", change, status=404)
    ask("PATCH subscription", one, change, status=415, kind=JSON)
    ask("POST subscription", one, {}, status=405)
    old = ask.path(post(201, supportedFeatures="1", monitorExpireTime=in_an_hour()))
    ask("PUT subscription", old, subscription(as1), status=403, cause="OPERATION_PROHIBITED")
    ask("PATCH subscription", old, change, status=403, cause="OPERATION_PROHIBITED")
    ask("DELETE subscription", old, status=204)
    ask("DELETE subscription", old, status=404)

    # What the network tells.
    pdn = post(201, kind="PDN_CONNECTIVITY_STATUS", maximumNumberOfReports=2, name="asleep")
    assert pdn["monitoringEventReport"]["pdnConnInfoList"] == [
        {"status": "CREATED", "pdnType": "NON_IP", "interfaceInd": "EXPOSURE_FUNCTION", "apn": "nidd"}
    ]
    ask.sim.control("POST", "/ues/asleep@example.org/pdn?connected=0")
    second = notified(as1, notification)
    assert second["cancelInd"] is True and second["subscription"] == pdn["self"]
    ask("GET subscription", ask.path(pdn), status=404)
    at_home = post(201, kind="ROAMING_STATUS", name="roamer", plmnIndication=True)
    assert at_home["monitoringEventReport"]["roamingStatus"] is False
    assert ask.sim.control("POST", "/ues/roamer@example.org/roam?plmn=208-01")[0] == 204
    roaming = notified(as1, notification)["monitoringEventReports"][0]
    assert roaming["roamingStatus"] is True and roaming["plmnId"] == {"mcc": "208", "mnc": "01"}
    failing = post(201, kind="COMMUNICATION_FAILURE", name="roamer")
    ask.sim.control("POST", "/ues/roamer@example.org/fail?s1ap=3")
    assert notified(as1, notification)["monitoringEventReports"][0]["failureCause"]["s1ApCause"] == 3
    ended = failing["self"].rsplit("/", 1)[1]
    assert ask.sim.control("POST", f"/subscriptions/cancel?as=as1&id={ended}")[0] == 204
    assert notified(as1, notification) == {"subscription": failing["self"], "cancelInd": True}
    # What is collected is shown by DELETE.
    collect = {"kind": "ROAMING_STATUS", "name": "roamer", "repPeriod": 3600, "monitorExpireTime": in_an_hour()}
    post(400, "DUPLICATE_REQUEST", **collect)
    collecting = post(201, supportedFeatures="10", **collect)
    ask.sim.control("POST", "/ues/roamer@example.org/roam?plmn=262-01")
    assert ask("DELETE subscription", ask.path(collecting), status=200, schema=reported)
    seen, causes = ask.table("monitoring events")
    wanted = {
        "GET subscriptions": [200, 400], "POST subscriptions": [200, 201, 400, 403, 404, 413, 415, 500],
        "PUT subscriptions": [405], "GET subscription": [200, 404], "PUT subscription": [200, 400, 403, 404, 415],
        "PATCH subscription": [204, 403, 404, 415], "DELETE subscription": [200, 204, 404], "POST subscription": [405],
    }  # fmt: skip
    assert pairs(wanted) - seen == set()
    assert {"EVENT_FEATURE_MISMATCH", "DUPLICATE_REQUEST", "PARAMETER_OUT_OF_RANGE", "IDLE_STATUS_UNSUPPORTED", "OPERATION_PROHIBITED",
            "UE_NOT_FOUND", "EVENT_UNSUPPORTED"} - causes == set()  # fmt: skip
