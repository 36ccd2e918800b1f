"""What a SCEF may answer to each operation of the SCS/AS (TS 29.122 clauses 5.6.3, 5.7.3, 5.3.3, causes of 5.6.5.3 and
5.3.5.3), and a SCEF that answers so, whoever asks: every request is held against the schemas."""

import http.server
import json
import re
import threading

NIDD = "TS29122_NIDD.yaml#/components/schemas/"
TRIGGERING = "TS29122_DeviceTriggering.yaml#/components/schemas/"
MONITORING = "TS29122_MonitoringEvent.yaml#/components/schemas/"
PROBLEM = "TS29122_CommonData.yaml#/components/schemas/ProblemDetails"
PATCH_ITEM = "TS29571_CommonData.yaml#/components/schemas/PatchItem"
LATER = "2026-11-20T07:00:00Z"
DEVICE, DESTINATION = "dev0001@iot.example.org", "http://as/cb"

CONFIGURATIONS = "/3gpp-nidd/v1/as1/configurations"
C7 = CONFIGURATIONS + "/c7"
D9 = C7 + "/downlink-data-deliveries/d9"
P57 = C7 + "/rds-ports/ue5-ef7"
TRANSACTIONS = "/3gpp-device-triggering/v1/as1/transactions"
SUBSCRIPTIONS = "/3gpp-monitoring-event/v1/as1/subscriptions"

configuration = {"self": C7, "supportedFeatures": "8C", "externalId": DEVICE, "notificationDestination": DESTINATION,
                 "maximumPacketSize": 10864, "status": "ACTIVE"}  # fmt: skip
delivery = {"self": D9, "externalId": DEVICE, "data": "YWJj", "deliveryStatus": "BUFFERING"}
port = {"self": P57, "appId": "lwm2m", "manageEntity": "AS"}
transaction = {"self": TRANSACTIONS + "/t1", "msisdn": "491700000001", "validityPeriod": 600,
               "priority": "NO_PRIORITY", "applicationPortId": 5683, "triggerPayload": "AQ==",
               "notificationDestination": DESTINATION, "deliveryResult": "TRIGGERED"}  # fmt: skip
subscription = {"self": SUBSCRIPTIONS + "/s1", "externalId": DEVICE, "notificationDestination": DESTINATION,
                "monitoringType": "PDN_CONNECTIVITY_STATUS", "maximumNumberOfReports": 1}  # fmt: skip
report = {"monitoringType": "ROAMING_STATUS", "roamingStatus": True}


class Operation:
    def __init__(self, method, path, success, sends=None, content_type="application/json", causes=()):
        self.method, self.path, self.sends, self.content_type = method, path, sends, content_type
        self.success = success  # [(status, schema or None, body or None)]
        self.errors = [(status, "") for status in (400, 401, 403, 404, 429, 500, 503)]
        self.errors += [(406, "")] if method == "GET" else []
        self.errors += [(411, ""), (413, ""), (415, "")] if sends else []
        self.errors += causes


MODIFIED = [(403, "OPERATION_PROHIBITED"), (404, "ALREADY_DELIVERED"), (409, "SENDING"), (500, "TIMEOUT"),
            (500, "NEXT_HOP")]  # fmt: skip
SUBMITTED = [(403, "QUOTA_EXCEEDED"), (403, "DATA_TOO_LARGE"), (403, "RDS_PORT_UNKNOWN"), (500, "TRIGGERED"),
             (500, "TEMPORARILY_NOT_REACHABLE"), (500, "NEXT_HOP"), (500, "TIMEOUT"),
             (500, "NO_PDN_CONNECTION")]  # fmt: skip
UNREACHABLE = [(500, "NO_PDN_CONNECTION"), (500, "TEMPORARILY_NOT_REACHABLE")]
MONITORED = [(400, "EVENT_FEATURE_MISMATCH"), (400, "DUPLICATE_REQUEST"), (403, "PARAMETER_OUT_OF_RANGE"),
             (403, "IDLE_STATUS_UNSUPPORTED"), (403, "RESOURCES_EXCEEDED"), (403, "OPERATION_PROHIBITED"),
             (404, "UE_NOT_FOUND"), (500, "EVENT_UNSUPPORTED")]  # fmt: skip
N, T, M = NIDD, TRIGGERING, MONITORING
OPERATIONS = {
    "CONFIGURATION_LIST": Operation("GET", CONFIGURATIONS, [(200, N + "NiddConfiguration", [configuration] * 2)]),
    "CONFIGURATION_CREATE": Operation(
        "POST", CONFIGURATIONS, [(201, N + "NiddConfiguration", configuration)], N + "NiddConfiguration"),
    "CONFIGURATION_GET": Operation("GET", C7, [(200, N + "NiddConfiguration", configuration)]),
    "CONFIGURATION_PATCH": Operation(
        "PATCH", C7, [(200, N + "NiddConfiguration", configuration), (204, None, None)], N + "NiddConfigurationPatch",
        "application/merge-patch[+]json"),
    "CONFIGURATION_DELETE": Operation(
        "DELETE", C7, [(204, None, None), (200, N + "NiddConfiguration", configuration)]),
    "DELIVERY_LIST": Operation(
        "GET", C7 + "/downlink-data-deliveries", [(200, N + "NiddDownlinkDataTransfer", [delivery] * 3)]),
    "DELIVERY_CREATE": Operation(
        "POST", C7 + "/downlink-data-deliveries",
        [(200, N + "NiddDownlinkDataTransfer", {**delivery, "deliveryStatus": "SUCCESS"}),
         (201, N + "NiddDownlinkDataTransfer", delivery)],
        N + "NiddDownlinkDataTransfer", causes=SUBMITTED),
    "DELIVERY_GET": Operation("GET", D9, [(200, N + "NiddDownlinkDataTransfer", delivery)]),
    "DELIVERY_PUT": Operation(
        "PUT", D9, [(200, N + "NiddDownlinkDataTransfer", delivery), (204, None, None)],
        N + "NiddDownlinkDataTransfer", causes=MODIFIED),
    "DELIVERY_PATCH": Operation(
        "PATCH", D9, [(200, N + "NiddDownlinkDataTransfer", delivery), (204, None, None)],
        N + "NiddDownlinkDataTransferPatch", "application/(merge-patch[+])?json", causes=MODIFIED),
    "DELIVERY_DELETE": Operation("DELETE", D9, [(204, None, None)], causes=MODIFIED),
    "PORT_LIST": Operation("GET", C7 + "/rds-ports", [(200, N + "ManagePort", [port])]),
    "PORT_GET": Operation("GET", P57, [(200, N + "ManagePort", port)]),
    "PORT_PUT": Operation(
        "PUT", P57, [(201, N + "ManagePort", port), (202, None, None)], N + "ManagePort",
        causes=[(403, "PORT_NOT_FREE"), (409, ""), (500, "SERIALIZATION_FORMAT_NOT_SUPPORTED"), *UNREACHABLE]),
    "PORT_DELETE": Operation(
        "DELETE", P57, [(204, None, None), (202, None, None)],
        causes=[(403, "OPERATION_PROHIBITED"), (404, "PORT_NOT_ASSOC_WITH_APP"), *UNREACHABLE]),
    "TRANSACTION_LIST": Operation("GET", TRANSACTIONS, [(200, T + "DeviceTriggering", [transaction])]),
    "TRANSACTION_CREATE": Operation(
        "POST", TRANSACTIONS, [(201, T + "DeviceTriggering", transaction)], T + "DeviceTriggering"),
    "TRANSACTION_GET": Operation("GET", TRANSACTIONS + "/t1", [(200, T + "DeviceTriggering", transaction)]),
    "TRANSACTION_PUT": Operation(
        "PUT", TRANSACTIONS + "/t1",
        [(200, T + "DeviceTriggering", {**transaction, "deliveryResult": "REPLACED"}), (204, None, None)],
        T + "DeviceTriggering"),
    "TRANSACTION_PATCH": Operation(
        "PATCH", TRANSACTIONS + "/t1", [(200, T + "DeviceTriggering", transaction), (204, None, None)],
        T + "DeviceTriggeringPatch"),
    "TRANSACTION_DELETE": Operation(
        "DELETE", TRANSACTIONS + "/t1",
        [(200, T + "DeviceTriggering", {**transaction, "deliveryResult": "TERMINATE"}), (204, None, None)]),
    "SUBSCRIPTION_LIST": Operation("GET", SUBSCRIPTIONS, [(200, M + "MonitoringEventSubscription", [subscription])]),
    "SUBSCRIPTION_CREATE": Operation(
        "POST", SUBSCRIPTIONS,
        [(201, M + "MonitoringEventSubscription", subscription), (200, M + "MonitoringEventReport", report),
         (200, M + "MonitoringEventReports", {"monitoringEventReports": [report] * 2})],
        M + "MonitoringEventSubscription", causes=MONITORED),
    "SUBSCRIPTION_GET": Operation(
        "GET", SUBSCRIPTIONS + "/s1", [(200, M + "MonitoringEventSubscription", subscription)]),
    "SUBSCRIPTION_PUT": Operation(
        "PUT", SUBSCRIPTIONS + "/s1",
        [(200, M + "MonitoringEventSubscription", subscription), (204, None, None)],
        M + "MonitoringEventSubscription", causes=MONITORED),
    "SUBSCRIPTION_PATCH": Operation(
        "PATCH", SUBSCRIPTIONS + "/s1", [(204, None, None)], PATCH_ITEM, "application/json-patch[+]json",
        causes=MONITORED),
    "SUBSCRIPTION_DELETE": Operation(
        "DELETE", SUBSCRIPTIONS + "/s1", [(204, None, None), (200, M + "MonitoringEventReport", [report] * 2)]),
}  # fmt: skip


def failure(name, status, cause):
    """(media type, schema, body) of an error, as clause 5.6.5 has it for that operation."""
    problem = {"status": status, "title": "no", **({"cause": cause} if cause else {})}
    if status == 500 and name.startswith("DELIVERY"):
        body = {"problemDetail": problem, "requestedRetransmissionTime": LATER}
        return "application/json", NIDD + "NiddDownlinkDataDeliveryFailure", body
    if status == 500 and name.startswith("PORT"):
        more = {"supportedUeFormats": ["CBOR"]} if cause.startswith("SERIALIZATION") else {}
        return "application/problem+json", NIDD + "RdsDownlinkDataDeliveryFailure", {**problem, **more}
    return "application/problem+json", PROBLEM, problem


def check_all(schemas, schema, direction, body):
    """What is wrong with a body, or with each item of an array."""
    items = body if isinstance(body, list) else [body]
    return [e.message for item in items for e in schemas.validator(schema, direction).iter_errors(item)]


class ScriptedScef(http.server.ThreadingHTTPServer):
    """Answers one operation after the other by a list of (operation, status, media type, body)."""

    daemon_threads = True

    def __init__(self, schemas):
        super().__init__(("127.0.0.1", 0), Handler)
        self.schemas, self.script, self.wrong = schemas, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def root(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one go

    def do(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        name, status, media_type, answer = self.server.script.pop(0)
        operation, wrong = OPERATIONS[name], self.server.wrong
        if (self.command, self.path) != (operation.method, operation.path):
            wrong.append((name, self.command, self.path))
        if operation.sends:
            if not re.fullmatch(operation.content_type, self.headers["Content-Type"] or ""):
                wrong.append((name, self.headers["Content-Type"]))
            wrong += [(name, e) for e in check_all(self.server.schemas, operation.sends, "request", json.loads(body))]
        elif body:
            wrong.append((name, body))
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        if status == 201:
            self.send_header("Location", answer["self"])
        if content:
            self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

    def log_message(self, *_):
        pass
