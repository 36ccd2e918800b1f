"""Operation x status of the SCS/AS, driven from outside: as a server of notifications, and as a client with every request.
Every status has been seen, or has a reason here why not. Prints the tables (pytest -s). Every body on the way validates
against the schemas. The SCEF's table is in tests/test_scef_sim_operations.py."""

import http.client
import http.server
import json
import socket
import subprocess
import threading
import pathlib
import sys

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TOP / "tests/sim"), str(TOP / "tests/t8"), str(TOP / "tests")]

import callback_path  # noqa: E402
from client_operations import OPERATIONS, ScriptedScef as AnyScef, check_all, failure  # noqa: E402
from openapi_schemas import Schemas  # noqa: E402
from scef_sim_harness import application_servers  # noqa: E402
from test_admin import CON_GET_3, Adapter, free_udp_port, wait_for  # noqa: E402
from test_conformance import BIN, OPENAPI, SOURCES  # noqa: E402

SCHEMAS = Schemas(OPENAPI if OPENAPI.is_dir() else TOP / "tests/t8/schemas")
NIDD = "TS29122_NIDD.yaml#/components/schemas/"
PROBLEM = "TS29122_CommonData.yaml#/components/schemas/ProblemDetails"
STATUSES = [200, 201, 202, 204, 400, 401, 403, 404, 405, 406, 409, 411, 413, 415, 429, 500, 503]

def served(*statuses, **reasons):
    """What an operation must answer, and what it could answer, with the reason why that is not seen here."""
    return {status: None for status in statuses} | {int(name[1:]): reason for name, reason in reasons.items()}


AS = {
    "uplink": served(204, 400, 404, _503="a full spool: tests/virtual"),
    "delivery status": served(204, 400),
    "configuration status": served(404, 400),
    "test": served(204, 400),
    "group result": served(204, 400),
    "managed ports": served(204, 400),
    "trigger report": served(204, 400),
    "monitoring": served(204, 400),
    "configuration trigger": served(200, 400),
    "consent revoked": served(400),  # of APIs that have no path here
    "network parameters": served(400),
    "anything else": served(400, 404, 405, 413),
}


AS_CLIENT = {
    "POST configurations": served(201, 200, 400, 401, 403, 404, 409, 429, 500, 503),
    "POST deliveries": served(200, 201, 400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503),
}


def print_table(role, operations, seen):
    print(f"\n{role:24}" + "".join(f"{status:5}" for status in STATUSES))
    for operation, wanted in operations.items():
        marks = ["x" if (operation, s) in seen else "-" if s in wanted else "" for s in STATUSES]
        print(f"{operation:24}" + "".join(f"{mark:>5}" for mark in marks))
    for operation, wanted in operations.items():
        for status, reason in wanted.items():
            if reason:
                print(f"  - {operation} {status}: {reason}")


def check(role, operations, seen):
    print_table(role, operations, seen)
    wanted = {(o, s) for o, statuses in operations.items() for s, reason in statuses.items() if reason is None}
    assert wanted - seen == set(), "never seen"
    known = {(o, s) for o, statuses in operations.items() for s in statuses}
    assert seen - known == set(), "seen, and not in the table"


LINK = {"niddConfiguration": "/3gpp-nidd/v1/as1/configurations/none", "externalId": "dev1@example.org"}
DELIVERY = {"niddDownlinkDataTransfer": "/3gpp-nidd/v1/as1/configurations/none/downlink-data-deliveries/d"}
NOTIFICATIONS = [
    ("uplink", {**LINK, "data": "AQ=="}, {**LINK, "data": 7}),
    ("delivery status", {**DELIVERY, "deliveryStatus": "SUCCESS"}, {**DELIVERY, "deliveryStatus": 7}),
    ("configuration status", {**LINK, "status": "ACTIVE"}, {**LINK, "status": 7}),
    ("test", {"subscription": "/s/1"}, {"subscription": 7}),
    ("group result", {**DELIVERY, "gmdResults": [{"externalId": "a@b", "deliveryStatus": "SUCCESS"}]},
     {**DELIVERY, "gmdResults": 7}),
    ("managed ports", LINK, {**LINK, "managedPorts": [{}]}),
    ("trigger report", {"transaction": "/t/1", "result": "SUCCESS"}, {"transaction": 7, "result": "SUCCESS"}),
    ("monitoring", {"subscription": "/s/1", "cancelInd": True}, {"subscription": "/s", "monitoringEventReports": [7]}),
    ("configuration trigger", {"afId": "a", "nefId": "n", "gpsi": "extid-a@b", "suppFeat": "0"},
     {"afId": "a", "nefId": 7, "gpsi": "g"}),
    ("consent revoked", {"subscriptionId": "s", "consentsRevoked": []}, None),
    ("network parameters", {"configuration": "/np/1"}, None),
    ("anything else", {}, {"weather": "fine"}),
]  # fmt: skip


PATHS = {
    "trigger report": callback_path.TRIGGERING,
    "monitoring": callback_path.MONITORING,
    "configuration trigger": callback_path.CONFIGURATION_TRIGGER,
}


def test_as_role(tmp_path):
    with application_servers() as servers:
        adapter = Adapter(tmp_path, servers().url.removesuffix("/t8/nidd"), 9, [{"external_id": "dev1@example.org"}],
                          free_udp_port())  # fmt: skip
        seen = set()

        def post(operation, body, method="POST", path=None, **headers):
            path = path or PATHS.get(operation, callback_path.NIDD)
            connection = http.client.HTTPConnection("127.0.0.1", adapter.callback_port, timeout=10)
            connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body),
                               {"Content-Type": "application/json", **headers})  # fmt: skip
            answer = connection.getresponse()
            raw = answer.read()
            connection.close()
            seen.add((operation, answer.status))
            if answer.status == 200:
                reply = "TS29522_NIDDConfigurationTrigger.yaml#/components/schemas/NiddConfigurationTriggerReply"
                assert list(SCHEMAS.validator(reply, "response").iter_errors(json.loads(raw))) == []
            elif raw:
                assert list(SCHEMAS.validator(PROBLEM, "response").iter_errors(json.loads(raw))) == [], raw

        try:
            for operation, good, bad in NOTIFICATIONS:
                post(operation, good)
                if bad is not None:
                    post(operation, bad)
            post("uplink", {**LINK, "data": "AQ==", "externalId": "nobody@example.org"})
            post("anything else", {}, path="/elsewhere")
            post("anything else", {}, method="PUT")
            post("anything else", b"", **{"Content-Length": str(2**20 + 1)})  # refused before it comes
        finally:
            adapter.terminate()
        check("AS role (scef-adapter)", AS, seen)


CAUSES = {403: "QUOTA_EXCEEDED", 409: "SENDING", 404: "RESOURCE_CONTEXT_NOT_FOUND"}


class ScriptedScef(http.server.BaseHTTPRequestHandler):
    """Answers a device's first request of a kind by what the device's name says: "c403@..." its configuration,
    "d403@..." its delivery. Everything else succeeds."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = "c" if self.path.endswith("/configurations") else "d"
        name = NIDD + ("NiddConfiguration" if kind == "c" else "NiddDownlinkDataTransfer")
        self.server.wrong += [e.message for e in SCHEMAS.validator(name, "request").iter_errors(body)]
        device = body["externalId"]
        first = (kind, device) not in self.server.asked
        self.server.asked.add((kind, device))
        good = 201 if kind == "c" else 200
        status = int(device[1:4]) if first and device[0] == kind else good
        link = f"{self.path}/{device.split('@')[0]}" if status in (200, 201) else None
        if link:
            answer = {**body, "self": link}
            if kind == "d":
                answer["deliveryStatus"] = "BUFFERING" if status == 201 else "SUCCESS"
        else:
            answer = {"status": status, "title": "no", **({"cause": CAUSES[status]} if status in CAUSES else {})}
            if status == 500 and kind == "d":
                answer = {"problemDetail": {**answer, "cause": "TEMPORARILY_NOT_REACHABLE"}}
        content = json.dumps(answer).encode()
        self.send_response(status)
        if status == 201:
            self.send_header("Location", link)
        self.send_header("Content-Type", "application/json" if link or status == 500 else "application/problem+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_as_role_as_a_client(tmp_path):
    """Each status is noted for its device, and a request is either kept or ended once, never lost."""
    scef = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ScriptedScef)
    scef.daemon_threads, scef.asked, scef.wrong = True, set(), []
    threading.Thread(target=scef.serve_forever, daemon=True).start()
    names = [f"c{s}@example.org" for s in AS_CLIENT["POST configurations"]]
    names += [f"d{s}@example.org" for s in AS_CLIENT["POST deliveries"]]
    leg_port = free_udp_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        adapter = Adapter(tmp_path, f"http://127.0.0.1:{scef.server_port}", server.getsockname()[1],
                          [{"external_id": name} for name in names], leg_port)  # fmt: skip

        def trace(event):
            lines = (tmp_path / "trace.jsonl").read_text().splitlines()
            return [e for e in (json.loads(line) for line in lines if line.endswith("}")) if e["event"] == event]

        def submitted():
            done = {e["ext_id"] for e in trace("submit_result") if e.get("status")}
            return done >= {name for name in names if name[0] == "d"}

        try:
            wait_for(lambda: {("c", name) for name in names} <= scef.asked)
            for name in names:
                if name[0] == "d":
                    leg = adapter.get_json(f"/v1/devices/{name}")["leg"]
                    wait_for(lambda name=name: adapter.get_json(f"/v1/devices/{name}")["configuration"] != "none")
                    server.sendto(CON_GET_3, (f"127.64.0.{leg + 1}", leg_port))
            wait_for(submitted)
            seen = {("POST deliveries", e["status"]) for e in trace("submit_result") if e["ext_id"][0] == "d"}
            for name in names:
                if name[0] == "d":
                    kept = len(adapter.get_json(f"/v1/devices/{name}/queue")["messages"])
                    ended = sum(e["ext_id"] == name for e in trace("final"))
                    assert kept + ended == 1, name
            seen |= {("POST configurations", int(name[1:4])) for kind, name in scef.asked if kind == name[0] == "c"}
            assert scef.wrong == []
        finally:
            status, _ = adapter.terminate()
            scef.shutdown()
            scef.server_close()
        assert status == 0
        check("AS role, as a client", AS_CLIENT, seen)


@pytest.mark.parametrize("source", SOURCES)
def test_as_role_every_operation(source):
    """Our client, each operation with each success, each status and each cause; what it writes is held against the
    schemas, and so is what it is answered."""
    schemas = Schemas(SOURCES[source])
    scef, expected = AnyScef(schemas), []
    for name, operation in OPERATIONS.items():
        answers = [(status, "application/json", schema, body) for status, schema, body in operation.success]
        answers += [(status, *failure(name, status, cause)) for status, cause in operation.errors]
        for status, media_type, schema, body in answers:
            assert body is None or check_all(schemas, schema, "response", body) == [], (name, status)
            expected.append((name, status, body))
            twice = (name, status) == ("DELIVERY_PATCH", 415)  # it tries the other media type
            scef.script += [(name, status, media_type, body)] * (2 if twice else 1)
    try:
        out = subprocess.run([BIN / "ask_scef", "--root", scef.root, *(name for name, *_ in expected)],
                             capture_output=True, text=True, timeout=120, check=True).stdout  # fmt: skip
    finally:
        scef.shutdown()
        scef.server_close()
    assert scef.wrong == []
    assert scef.script == []
    results = [json.loads(line) for line in out.splitlines()]
    seen, causes = set(), {}
    for result, (name, status, body) in zip(results, expected, strict=True):
        problem = body.get("problemDetail", body) if isinstance(body, dict) else {}
        cause = problem.get("cause", "") if status >= 400 else ""
        listed = len(body) if name.endswith("LIST") and status == 200 else 0
        assert (result["operation"], result["status"], result["cause"]) == (name, status, cause)
        assert result["items"] == listed, (name, result)
        if status == 201:
            assert body["self"].endswith(result["link"]) and result["link"].startswith("/as1/"), (name, result)
        seen.add((name, status))
        causes.setdefault(name, set()).add(cause)
    wanted = {name: served(*{s for s, *_ in o.success}, *{s for s, _ in o.errors}) for name, o in OPERATIONS.items()}
    check("AS role, the client", wanted, seen)
    print(f"{len(results)} answers; causes:", {name: sorted(c - {""}) for name, c in causes.items() if c - {""}})
