"""Every body that our encoders write validates against the schemas of TS 29.122 and TS 29.522.

The specification's OpenAPI files are used where they lie beside the checkout (../shared/openapi); the project's own
schemas (tests/t8/schemas) are used always, and say the same of what we write. What cannot fail proves nothing: bodies
made wrong, in every way a schema can tell, must be refused by both.
"""

import collections
import copy
import json
import os
import pathlib
import subprocess
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/t8"))

from openapi_schemas import Schemas  # noqa: E402

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or TOP / "build/release/bin")
OPENAPI = TOP.parent / "shared/openapi"
SOURCES = {"own": TOP / "tests/t8/schemas"} | ({"openapi": OPENAPI} if OPENAPI.is_dir() else {})
TYPES = {
    "TS29122_NIDD.yaml": [
        "NiddConfiguration", "NiddConfigurationPatch", "NiddDownlinkDataTransfer", "NiddDownlinkDataTransferPatch",
        "NiddUplinkDataNotification",
        "NiddDownlinkDataDeliveryStatusNotification", "NiddConfigurationStatusNotification",
        "GmdNiddDownlinkDataDeliveryNotification", "ManagePort", "ManagePortNotification",
        "NiddDownlinkDataDeliveryFailure", "RdsDownlinkDataDeliveryFailure",
    ],
    "TS29122_DeviceTriggering.yaml": [
        "DeviceTriggering", "DeviceTriggeringPatch", "DeviceTriggeringDeliveryReportNotification",
    ],
    "TS29122_MonitoringEvent.yaml": [
        "MonitoringEventSubscription", "MonitoringEventReport", "MonitoringEventReports", "MonitoringNotification",
    ],
    "TS29122_CommonData.yaml": ["ProblemDetails", "Acknowledgement", "TestNotification"],
    "TS29522_NIDDConfigurationTrigger.yaml": ["NiddConfigurationTrigger", "NiddConfigurationTriggerReply"],
}  # fmt: skip


@pytest.fixture(scope="module", params=SOURCES)
def schemas(request):
    return Schemas(SOURCES[request.param])


@pytest.fixture(scope="module")
def bodies():
    out = subprocess.run([BIN / "emit_bodies"], capture_output=True, text=True, timeout=60, check=True).stdout
    return [(reference, direction, json.loads(body))
            for reference, direction, body in (line.split("\t") for line in out.splitlines())]


def recode(lines):
    """[(type, role, json text)] -> what decoding and encoding again gives: a dict, or the error's line."""
    text = "".join("\t".join(line) + "\n" for line in lines)
    run = subprocess.run([BIN / "recode_bodies"], input=text, capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
    return [json.loads(line) if line.startswith("{") else line for line in run.stdout.splitlines()]


def errors(schemas, reference, direction, body):
    return [f"{e.json_path}: {e.message}" for e in schemas.validator(reference, direction).iter_errors(body)]


# --- what we write ---------------------------------------------------------------------------------------


def test_every_type_is_written(bodies):
    written = collections.Counter(reference for reference, _, _ in bodies)
    wanted = {f"{file}#/components/schemas/{name}" for file, names in TYPES.items() for name in names}
    print(*(f"{count:4} {reference}" for reference, count in sorted(written.items())), sep="\n")
    assert wanted <= set(written)


def test_bodies_validate(schemas, bodies):
    wrong = [(reference, direction, body, found) for reference, direction, body in bodies
             if (found := errors(schemas, reference, direction, body))]
    assert wrong == []


def role_of(direction):
    return {"request": "request", "response": "answer", "notification": "notification"}[direction]


def test_bodies_decode_and_encode_to_the_same(bodies):
    lines = [(reference.rsplit("/", 1)[1], role_of(direction), json.dumps(body))
             for reference, direction, body in bodies]
    again = recode(lines)
    assert len(again) == len(lines)
    different = [(line, got) for line, got, (_, _, body) in zip(lines, again, bodies) if got != body]
    assert different == []


# --- the schemas are not blind ---------------------------------------------------------------------------

WRONG_TYPE = {str: 17, bool: "yes", int: "many", float: "much", list: {"a": 1}, dict: ["a"]}


def members(body, path=()):
    """(path, value) of every member of every object in the body."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield (*path, key), value
            yield from members(value, (*path, key))
    elif isinstance(body, list):
        for i, value in enumerate(body):
            yield from members(value, (*path, i))


def changed(body, path, value=None):
    body = copy.deepcopy(body)
    at = body
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return body


def fullest(bodies):
    """Of each type and direction the longest body."""
    longest = {}
    for reference, direction, body in bodies:
        key = reference, direction
        if key not in longest or len(json.dumps(body)) > len(json.dumps(longest[key])):
            longest[key] = body
    return [(*key, body) for key, body in longest.items()]


def test_a_wrong_type_is_refused(schemas, bodies):
    count = 0
    for reference, direction, body in fullest(bodies):
        for path, value in members(body):
            bad = changed(body, path, WRONG_TYPE[type(value)])
            assert errors(schemas, reference, direction, bad), (reference, path)
            count += 1
    assert count > 250


def test_a_member_that_does_not_exist_is_refused(schemas, bodies):
    for reference, direction, body in fullest(bodies):
        assert errors(schemas, reference, direction, {**body, "noSuchMember": 1}), reference
        for path, value in members(body):
            if isinstance(value, dict):
                bad = changed(body, path, {**value, "noSuchMember": 1})
                assert errors(schemas, reference, direction, bad), (reference, path)


REQUIRED = {
    "NiddConfiguration": ["notificationDestination", "externalId msisdn externalGroupId"],
    "NiddDownlinkDataTransfer": ["data", "externalId msisdn externalGroupId"],
    "NiddUplinkDataNotification": ["niddConfiguration", "data", "externalId msisdn"],
    "NiddDownlinkDataDeliveryStatusNotification": ["niddDownlinkDataTransfer", "deliveryStatus"],
    "NiddConfigurationStatusNotification": ["niddConfiguration", "status", "externalId msisdn"],
    "GmdNiddDownlinkDataDeliveryNotification": ["niddDownlinkDataTransfer", "gmdResults"],
    "ManagePort": ["appId"],
    "ManagePortNotification": ["niddConfiguration", "externalId msisdn"],
    "NiddDownlinkDataDeliveryFailure": ["problemDetail"],
    "DeviceTriggering": ["validityPeriod", "priority", "applicationPortId", "triggerPayload", "notificationDestination",
                         "externalId msisdn"],
    "DeviceTriggeringDeliveryReportNotification": ["transaction", "result"],
    "MonitoringEventSubscription": ["notificationDestination", "monitoringType",
                                    "maximumNumberOfReports monitorExpireTime"],
    "MonitoringEventReport": ["monitoringType"],
    "MonitoringEventReports": ["monitoringEventReports"],
    "MonitoringNotification": ["subscription"],
    "TestNotification": ["subscription"],
    "Acknowledgement": ["details"],
    "NiddConfigurationTrigger": ["afId", "nefId", "gpsi", "suppFeat"],
    "NiddConfigurationTriggerReply": ["suppFeat"],
}  # fmt: skip


def test_a_missing_member_is_refused_by_schema(schemas, bodies):
    seen = set()
    for reference, direction, body in fullest(bodies):
        name = reference.rsplit("/", 1)[1]
        for choice in REQUIRED.get(name, []):
            bad = {key: value for key, value in body.items() if key not in choice.split()}
            assert bad != body, (name, choice)
            assert errors(schemas, reference, direction, bad), (name, choice)
            seen.add(name)
    assert seen == set(REQUIRED)


WRONG_VALUES = [
    ("NiddConfiguration", ("pdnEstablishmentOption",), "HOPE"),
    ("NiddConfiguration", ("supportedFeatures",), "0xFF"),
    ("NiddConfiguration", ("duration",), "tomorrow"),
    ("NiddConfiguration", ("duration",), "2030-13-01T00:00:00Z"),
    ("NiddConfiguration", ("rdsPorts",), []),
    ("NiddConfiguration", ("rdsPorts", 0, "portUE"), 65536),
    ("NiddConfiguration", ("niddDownlinkDataTransfers", 0, "data"), "_-8="),
    ("NiddDownlinkDataTransfer", ("maximumLatency",), -1),
    ("DeviceTriggering", ("priority",), "URGENT"),
    ("DeviceTriggering", ("validityPeriod",), 1.5),
    ("DeviceTriggering", ("triggerPayload",), "A"),
    ("MonitoringEventSubscription", ("maximumNumberOfReports",), 0),
    ("MonitoringEventSubscription", ("monitoringType",), "WEATHER"),
    ("MonitoringEventSubscription", ("reachabilityType",), "PIGEON"),
]


@pytest.mark.parametrize("name, path, value", WRONG_VALUES)
def test_a_wrong_value_is_refused(schemas, bodies, name, path, value):
    tried = 0
    for reference, direction, body in bodies:
        if not reference.endswith("/" + name):
            continue
        try:
            bad = changed(body, path, value)
        except (KeyError, IndexError):
            continue
        if bad != body and not errors(schemas, reference, direction, body):
            assert errors(schemas, reference, direction, bad)
            tried += 1
    assert tried


def test_what_only_the_scef_sets_is_refused_in_a_request(schemas, bodies):
    read_only = {"NiddConfiguration": {"status": "ACTIVE", "maximumPacketSize": 8},
                 "NiddDownlinkDataTransfer": {"deliveryStatus": "SUCCESS"},
                 "DeviceTriggering": {"deliveryResult": "SUCCESS"}, "ManagePort": {"manageEntity": "AS"}}  # fmt: skip
    for reference, direction, body in fullest(bodies):
        for member, value in read_only.get(reference.rsplit("/", 1)[1], {}).items():
            found = errors(schemas, reference, direction, {**body, member: value})
            assert bool(found) == (direction == "request"), (reference, direction, member)


# --- what we read ----------------------------------------------------------------------------------------

C7 = "https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7"
EXT = {"externalId": "dev0001@iot.example.org"}
AS1 = "https://as.example.org/t8/nidd/as1"
EXAMPLES = [  # the worked exchanges of the API, as they look on the wire
    ("NiddConfiguration", "request", {"supportedFeatures": "8C", **EXT, "duration": "2030-01-01T00:00:00Z",
     "pdnEstablishmentOption": "WAIT_FOR_UE", "notificationDestination": AS1, "requestTestNotification": True}),
    ("NiddConfiguration", "answer", {"self": C7, "supportedFeatures": "8C", **EXT, "duration": "2029-06-30T00:00:00Z",
     "pdnEstablishmentOption": "WAIT_FOR_UE", "notificationDestination": AS1, "requestTestNotification": True,
     "maximumPacketSize": 10864, "status": "ACTIVE"}),
    ("TestNotification", "notification", {"subscription": C7}),
    ("NiddDownlinkDataTransfer", "request", {**EXT, "data": "RAEwOaq7zN2xMwEwATA=", "maximumLatency": 3600}),
    ("NiddDownlinkDataTransfer", "answer", {"self": C7 + "/downlink-data-deliveries/d9", **EXT,
     "data": "RAEwOaq7zN2xMwEwATA=", "maximumLatency": 3600, "deliveryStatus": "SUCCESS_NEXT_HOP_ACKNOWLEDGED"}),
    ("NiddDownlinkDataTransfer", "answer", {"self": C7 + "/downlink-data-deliveries/d9", **EXT,
     "data": "RAEwOaq7zN2xMwEwATA=", "maximumLatency": 3600, "deliveryStatus": "BUFFERING_TEMPORARILY_NOT_REACHABLE",
     "requestedRetransmissionTime": "2026-11-20T07:00:00Z"}),
    ("NiddDownlinkDataDeliveryStatusNotification", "notification", {
     "niddDownlinkDataTransfer": C7 + "/downlink-data-deliveries/d9",
     "deliveryStatus": "SUCCESS_NEXT_HOP_ACKNOWLEDGED"}),
    ("NiddDownlinkDataDeliveryFailure", "answer", {"problemDetail": {"status": 500, "title": "Internal Server Error",
     "cause": "TEMPORARILY_NOT_REACHABLE"}, "requestedRetransmissionTime": "2026-11-20T07:00:00Z"}),
    ("ProblemDetails", "answer", {"status": 403, "title": "Forbidden", "cause": "DATA_TOO_LARGE"}),
    ("ProblemDetails", "answer", {"status": 429, "title": "Too Many Requests"}),
    ("NiddUplinkDataNotification", "notification", {"niddConfiguration": C7, **EXT, "data": "RAIwOgECAwSycmQ="}),
    ("NiddConfigurationStatusNotification", "notification", {"niddConfiguration": C7, **EXT,
     "status": "TERMINATED_UE_NOT_AUTHORIZED"}),
    ("DeviceTriggering", "request", {"supportedFeatures": "6", **EXT, "validityPeriod": 600, "priority": "NO_PRIORITY",
     "applicationPortId": 5683, "triggerPayload": "AQ==", "notificationDestination": AS1}),
    ("DeviceTriggering", "answer", {"supportedFeatures": "6", **EXT, "validityPeriod": 600, "priority": "NO_PRIORITY",
     "applicationPortId": 5683, "triggerPayload": "AQ==", "notificationDestination": AS1,
     "deliveryResult": "TRIGGERED"}),
    ("DeviceTriggeringDeliveryReportNotification", "notification", {
     "transaction": "https://scef.example.net/3gpp-device-triggering/v1/as1/transactions/t1", "result": "SUCCESS"}),
    ("MonitoringEventSubscription", "request", {"supportedFeatures": "1002", **EXT,
     "monitoringType": "PDN_CONNECTIVITY_STATUS", "monitorExpireTime": "2029-06-30T00:00:00Z",
     "notificationDestination": AS1}),
    ("MonitoringNotification", "notification", {"subscription": C7, "monitoringEventReports": [
     {"monitoringType": "PDN_CONNECTIVITY_STATUS", **EXT, "pdnConnInfoList": [
         {"status": "CREATED", "pdnType": "NON_IP", "interfaceInd": "EXPOSURE_FUNCTION"}]}]}),
    ("NiddConfigurationTrigger", "notification", {"afId": "as1", "nefId": "nef-3",
     "gpsi": "extid-dev0001@iot.example.org", "suppFeat": "0"}),
    ("NiddConfigurationTriggerReply", "answer", {"suppFeat": "0"}),
]  # fmt: skip


def test_worked_exchanges(schemas):
    files = {name: file for file, names in TYPES.items() for name in names}
    for name, role, body in EXAMPLES:
        assert errors(schemas, f"{files[name]}#/components/schemas/{name}", role, body) == [], name
    assert recode([(name, role, json.dumps(body)) for name, role, body in EXAMPLES]) == [b for _, _, b in EXAMPLES]


@pytest.mark.parametrize("mark", ["\ufeff", " ", ""])
def test_unknown_members_are_passed_over(mark):
    """Before, behind and inside, and null is absent."""
    lines, wanted = [], []
    for name, role, body in EXAMPLES:
        more = {"vendorSpecific-010415": {"a": [1, 2.5, None]}, **body, "laterRelease": [True], "eventTime2": None}
        lines.append((name, role, mark + json.dumps(more)))
        wanted.append(body)
    assert recode(lines) == wanted
