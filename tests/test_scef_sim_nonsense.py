"""scef-sim against requests that are nearly right: every operation with bodies, paths and headers that dice have spoilt.
It answers each of them with a status of its own, keeps its promises to the rest, and ends in good order."""

import contextlib
import copy
import http.client
import json
import pathlib
import random
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "sim"))
from scef_sim_harness import air_ue, application_servers, simulators  # noqa: E402

AS = "as1"
NIDD, TRIGGERING, MONITORING = (f"/3gpp-{api}/v1/{AS}" for api in ("nidd", "device-triggering", "monitoring-event"))
JSON, MERGE, JSON_PATCH = "application/json", "application/merge-patch+json", "application/json-patch+json"
STATUSES = {200, 201, 202, 204, 400, 403, 404, 405, 406, 409, 413, 415, 429, 500, 503}
ODD = [None, True, 0, -1, 2**31, 2**63, 1.5, "", "x", "\0", "\u2028", "é" * 300, [], {}, [[]], [None], {"a": {"b": []}},
       "2030-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "0001-01-01T00:00:00Z", "AQ==", "a@b", "dev1@example.org",
       "http://127.0.0.1:9/", "ws://x/", "FF", "F" * 40, "SEND_TRIGGER", "CBOR", [{"portUE": 70000, "portSCEF": -1}]]  # fmt: skip


def bodies(url):
    common = {"externalId": "dev1@example.org", "notificationDestination": url, "supportedFeatures": "8881E7F"}
    delivery = {"externalId": "dev1@example.org", "data": "AQID", "maximumLatency": 60, "priority": 3,
                "reliableDataService": True, "rdsPort": {"portUE": 1, "portSCEF": 2}}  # fmt: skip
    configuration = {**common, "duration": "2030-01-01T00:00:00Z", "rdsPorts": [{"portUE": 1, "portSCEF": 2}],
                     "pdnEstablishmentOption": "WAIT_FOR_UE", "requestTestNotification": True, "mtcProviderId": "m",
                     "websockNotifConfig": {"requestWebsocketUri": True}, "niddDownlinkDataTransfers": [delivery]}  # fmt: skip
    trigger = {**common, "validityPeriod": 60, "priority": "PRIORITY", "applicationPortId": 1, "appSrcPortId": 2,
               "triggerPayload": "AQ=="}  # fmt: skip
    subscription = {**common, "monitoringType": "UE_REACHABILITY", "reachabilityType": "DATA", "maximumNumberOfReports": 9,
                    "monitorExpireTime": "2030-01-01T00:00:00Z", "repPeriod": 60, "groupReportGuardTime": 5,
                    "idleStatusIndication": True, "addnMonTypes": ["ROAMING_STATUS"]}  # fmt: skip
    patch = [{"op": "replace", "path": "/maximumNumberOfReports", "value": 4}, {"op": "remove", "path": "/repPeriod"},
             {"op": "copy", "from": "/repPeriod", "path": "/groupReportGuardTime"}]  # fmt: skip
    one = f"{NIDD}/configurations/c1"
    return [
        ("POST", NIDD + "/configurations", JSON, configuration), ("PATCH", one, MERGE, {"duration": None, "rdsPorts": []}),
        ("GET", NIDD + "/configurations", None, None), ("GET", one, None, None), ("DELETE", one, None, None),
        ("POST", one + "/downlink-data-deliveries", JSON, delivery), ("GET", one + "/downlink-data-deliveries", None, None),
        ("PUT", one + "/downlink-data-deliveries/d1", JSON, delivery),
        ("PATCH", one + "/downlink-data-deliveries/d1", JSON, {"data": "AQ==", "priority": 1}),
        ("DELETE", one + "/downlink-data-deliveries/d1", None, None),
        ("PUT", one + "/rds-ports/ue3-ef4", JSON, {"appId": "a", "skipUeInquiry": True, "supportedFormats": ["CBOR"]}),
        ("GET", one + "/rds-ports", None, None), ("DELETE", one + "/rds-ports/ue3-ef4", None, None),
        ("POST", TRIGGERING + "/transactions", JSON, trigger), ("PUT", TRIGGERING + "/transactions/t1", JSON, trigger),
        ("PATCH", TRIGGERING + "/transactions/t1", JSON, {"validityPeriod": 5}),
        ("DELETE", TRIGGERING + "/transactions/t1", None, None),
        ("POST", MONITORING + "/subscriptions", JSON, subscription),
        ("PUT", MONITORING + "/subscriptions/s1", JSON, subscription),
        ("PATCH", MONITORING + "/subscriptions/s1", JSON_PATCH, patch),
        ("DELETE", MONITORING + "/subscriptions/s1", None, None),
        ("GET", MONITORING + "/subscriptions?ip-addrs=%5B%5D", None, None),
        ("POST", "/sim/v1/ues/dev1@example.org/wake", None, None),
        ("POST", "/sim/v1/ues/dev1@example.org/pdn?connected=0", None, None),
    ]  # fmt: skip


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def spoil_json(dice, body):
    """One place of it is another value, is gone, is there under another name, or is there twice."""
    body = copy.deepcopy(body)
    path = dice.choice(list(places(body)))
    if not path:
        return dice.choice(ODD)
    holder = body
    for key in path[:-1]:
        holder = holder[key]
    kind = dice.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        del holder[path[-1]]
    elif kind == 1 and isinstance(holder, dict):
        holder[dice.choice(["externalGroupId", "msisdn", "unknown", "self", "status", ""])] = dice.choice(ODD)
    elif kind == 2 and isinstance(holder, list):
        holder.extend(holder * dice.choice([1, 50]))
    else:
        holder[path[-1]] = dice.choice(ODD)
    return body


def spoil_text(dice, text):
    raw = bytearray(text)
    for _ in range(dice.randrange(3)):
        at = dice.randrange(len(raw) + 1)
        raw[at : at + dice.randrange(4)] = dice.choice([b"", b"{", b"]", b'"', b"\\", b"\xff", b"\0", b"9" * 30, b"[" * 40])
    return bytes(raw)


def spoil_path(dice, path):
    change = dice.choice([str.upper, lambda p: p + "/", lambda p: p.replace("1", "%31"), lambda p: p.replace("/", "//", 1),
                          lambda p: p + "%", lambda p: p + "?x=%00&" * 5, lambda p: p.rsplit("/", 1)[0], lambda p: p * 3])  # fmt: skip
    return change(path)


@pytest.mark.parametrize("seed", [1, 2])
def test_spoilt_requests(tmp_path, seed):
    dice = random.Random(seed)
    with application_servers() as servers, simulators(tmp_path) as start:
        as1 = servers()
        sim = start([air_ue(rds=True), air_ue("dev2@example.org", psm=False)], notification_retries=1, submit_timeout_ms=50)
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=10)
        seen = set()
        operations = bodies(as1.url)
        for _ in range(3000):
            method, path, kind, body = dice.choice(operations)
            spoilt = spoil_json(dice, body) if body is not None and dice.random() < 0.7 else body
            text = b"" if body is None else json.dumps(spoilt).encode()
            if body is not None and dice.random() < 0.1:
                text = spoil_text(dice, text)
            if dice.random() < 0.05:
                path = spoil_path(dice, path)
            if dice.random() < 0.05:
                kind = dice.choice([JSON, MERGE, JSON_PATCH, "text/plain", "application/json;;", "\x7f"])
            headers = {"Content-Type": kind} if kind else {}
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            raw = answer.read()
            assert answer.status in STATUSES, (method, path, text, answer.status)
            if raw:
                shown = json.loads(raw)
                assert answer.status < 300 or shown.get("status", answer.status) == answer.status
                assert b"SYSTEM_FAILURE" not in raw, (method, path, text, raw)
            seen.add(answer.status)
        connection.close()
        assert {200, 201, 204, 400, 404, 405, 415} <= seen
        # What it has taken meanwhile can all be shown and removed.
        for collection in (NIDD + "/configurations", TRIGGERING + "/transactions", MONITORING + "/subscriptions"):
            status, listed, _ = sim.request("GET", collection)
            assert status == 200
            for one in listed:
                assert sim.request("GET", sim.path_of(one["self"]))[0] == 200
                assert sim.request("DELETE", sim.path_of(one["self"]))[0] in (200, 204, 404, 409)


RAW = [
    b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60,
    b"POST " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{",
    b"POST " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    b"POST " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: application/json\r\n\r\n1\r\n{\r\n0\r\n\r\n",
    b"GET " + NIDD.encode() + b"/configurations HTTP/1.1\r\n" + b"X: " + b"y" * 60000 + b"\r\n\r\n",
    b"GET " + b"/" * 60000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /ws/3gpp-nidd HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"BREW " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000,
]  # fmt: skip


def test_raw_nonsense(tmp_path):
    """What is no HTTP, or hardly, costs its own connection only; what is cut off in the middle too."""
    with simulators(tmp_path) as start:
        sim = start([air_ue()])
        whole = (b"POST " + NIDD.encode() + b"/configurations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 b"Content-Length: 2\r\n\r\n{}")  # fmt: skip
        for raw in RAW:
            with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as s:
                s.sendall(raw)
                s.shutdown(socket.SHUT_WR)
                s.settimeout(0.5)  # libmicrohttpd may miss an end that comes with the last octets, until the idle time-out
                with contextlib.suppress(ConnectionResetError, TimeoutError):
                    s.recv(65536)
        for n in range(0, len(whole), 7):
            with socket.create_connection(("127.0.0.1", sim.port), timeout=10) as s:
                s.sendall(whole[:n])
        assert sim.create()[0] == 201
