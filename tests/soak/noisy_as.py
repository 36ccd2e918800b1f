"""An SCS/AS that has gone mad, by a seed, against a SCEF: requests that are in order, nearly in order, and not at all, about
resources that are there and that are not; and destinations of notifications that answer nonsense or never."""

import base64
import collections
import http.client
import json
import random
import socket
import struct
import threading
import time

from fuzzed_scef import chunked, mutated

NIDD, TRIGGERING, MONITORING = "/3gpp-nidd/v1", "/3gpp-device-triggering/v1", "/3gpp-monitoring-event/v1"
EVENTS = [
    "UE_REACHABILITY", "LOSS_OF_CONNECTIVITY", "ROAMING_STATUS", "COMMUNICATION_FAILURE", "AVAILABILITY_AFTER_DDN_FAILURE",
    "PDN_CONNECTIVITY_STATUS", "LOCATION_REPORTING", "NONSENSE",
]  # fmt: skip
ODD_PATHS = [
    "/", "//", "/%2e%2e/%2e%2e/etc/passwd", NIDD, NIDD + "/", NIDD + "//configurations", NIDD + "/as1/configurations/",
    NIDD + "/as1/configurations/%00", NIDD + "/" + "a" * 5000 + "/configurations", "/3gpp-nidd/v2/as1/configurations",
    "/sim/v1/ues/%zz", "/sim/v1/ues/x/rds?rds=9", "/sim/v1/", "/sim/v1/configurations/terminate?as=&id=",
    "/sim/v1/ues/dev1@example.org/fail?s1ap=99999999999999999999&nas=-1", "/oauth2/token", "*", "?", "http://x/" + NIDD,
]  # fmt: skip
DELIVERIES = "downlink-data-deliveries"


class BadDestination:
    """Where notifications go: it answers well, badly, late, or not at all."""

    def __init__(self, seed):
        self.dice = random.Random(f"{seed} destination")
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/n"
        self.count = 0
        self.sane = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            with connection, connection.makefile("rb") as stream:
                while stream.readline():
                    length = 0
                    while line := stream.readline().strip():
                        name, _, value = line.partition(b":")
                        if name.lower() == b"content-length":
                            length = int(value)
                    stream.read(length)
                    self.count += 1
                    if not self.answer(connection):
                        return
        except (OSError, ValueError):
            pass

    def answer(self, connection):
        how = 0 if self.sane else self.dice.random()
        if how < 0.5:
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        elif how < 0.6:
            status = self.dice.choice([200, 400, 404, 429, 500, 503, 999])
            connection.sendall(b"HTTP/1.1 %d x\r\nRetry-After: 1\r\nContent-Length: 3\r\n\r\n{}\n" % status)
        elif how < 0.7:
            there = self.dice.choice([b"/elsewhere", b"", b"//", b"http://127.0.0.1:1/", self.url.encode(), b"file:///x", b"\xff" * 9000])
            connection.sendall(b"HTTP/1.1 %d x\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (self.dice.choice([301, 307, 308]), there))
        elif how < 0.8:
            connection.sendall(self.dice.randbytes(self.dice.randrange(400)))
            return False
        elif how < 0.9:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        else:
            time.sleep(1)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 5000)
            return False
        return True


class NoisyAs(threading.Thread):
    def __init__(self, port, seed, ues, destination, number=0):
        super().__init__(daemon=True)
        self.port, self.ues, self.destination = port, ues, destination
        self.dice = random.Random(f"{seed} {number} as")
        self.known = {"configurations": [], "deliveries": [], "transactions": [], "subscriptions": []}
        self.answers = collections.Counter()
        self.wrong = []  # answers that no SCEF may give
        self.sent = 0
        self.running = True

    def run(self):
        while self.running:
            try:
                self.damaged() if self.dice.random() < 0.15 else self.one()
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
            self.sent += 1

    def pick(self, kind):
        links = self.known[kind]
        return self.dice.choice(links) if links and self.dice.random() < 0.9 else f"{NIDD}/as1/configurations/none"

    # ---- bodies in order

    def data(self, most=300):
        return base64.b64encode(self.dice.randbytes(self.dice.randrange(most))).decode()

    def identity(self):
        return {"externalId": self.dice.choice(self.ues)} if self.dice.random() < 0.95 else {"msisdn": "4917000000"}

    def features(self):
        return self.dice.choice(["0", "FF", "1067", "8C", "", "F" * 40, "7"])

    def configuration(self):
        body = {**self.identity(), "notificationDestination": self.destination.url, "supportedFeatures": self.features()}
        more = {
            "duration": self.dice.choice(["2099-01-01T00:00:00Z", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))]),
            "reliableDataService": self.dice.random() < 0.5, "rdsPorts": [{"portUE": self.dice.randrange(17), "portSCEF": 3}],
            "pdnEstablishmentOption": self.dice.choice(["WAIT_FOR_UE", "INDICATE_ERROR", "SEND_TRIGGER", "X"]),
            "requestTestNotification": True, "websockNotifConfig": {"requestWebsocketUri": True},
            "niddDownlinkDataTransfers": [{**self.identity(), "data": self.data()}], "mtcProviderId": "m",
        }  # fmt: skip
        return body | {k: v for k, v in more.items() if self.dice.random() < 0.2}

    def delivery(self):
        body = {**self.identity(), "data": self.data(1500)}
        more = {
            "maximumLatency": self.dice.choice([0, 1, 600, 2**31]), "priority": self.dice.randrange(-5, 5),
            "reliableDataService": True, "rdsPort": {"portUE": 1, "portSCEF": 3},
            "pdnEstablishmentOption": self.dice.choice(["WAIT_FOR_UE", "INDICATE_ERROR", "SEND_TRIGGER"]),
        }  # fmt: skip
        return body | {k: v for k, v in more.items() if self.dice.random() < 0.3}

    def transaction(self):
        return {
            **self.identity(), "validityPeriod": self.dice.choice([0, 1, 60]), "priority": "PRIORITY", "applicationPortId": 5683,
            "triggerPayload": self.data(100), "notificationDestination": self.destination.url, "supportedFeatures": self.features(),
        }  # fmt: skip

    def subscription(self):
        body = {
            **self.identity(), "notificationDestination": self.destination.url, "monitoringType": self.dice.choice(EVENTS),
            "reachabilityType": self.dice.choice(["DATA", "SMS"]), "supportedFeatures": self.dice.choice(["1067", "1067", self.features()]),
        }  # fmt: skip
        more = {
            "maximumNumberOfReports": self.dice.choice([1, 2, 100]), "monitorExpireTime": "2099-01-01T00:00:00Z",
            "maximumDetectionTime": 1, "idleStatusIndication": True, "plmnIndication": True, "repPeriod": 1,
            "groupReportGuardTime": 1, "addnMonTypes": ["ROAMING_STATUS"],
        }  # fmt: skip
        return body | {k: v for k, v in more.items() if self.dice.random() < 0.5}

    # ---- requests

    def request(self):
        """(method, path, body, media type)"""
        dice = self.dice
        json_type, merge = "application/json", "application/merge-patch+json"
        configuration, delivery = self.pick("configurations"), self.pick("deliveries")
        transaction, subscription = self.pick("transactions"), self.pick("subscriptions")
        as_id = dice.choice(["as1"] * 9 + ["as%202"])
        port = f"{configuration}/rds-ports/ue{dice.randrange(18)}-ef{dice.randrange(16)}"
        ue = "/sim/v1/ues/" + dice.choice(self.ues)
        patches = [
            [{"op": "replace", "path": "/maximumNumberOfReports", "value": 3}], [{"op": "remove", "path": "/monitorExpireTime"}],
            [{"op": "move", "from": "/repPeriod", "path": "/x/-1"}], [{"op": "copy", "from": "", "path": "/a"}] * 50,
            [{"op": "test", "path": "/externalId", "value": 1}, {"op": "add", "path": "/addExternalIds/-", "value": "~0~1~"}],
        ]  # fmt: skip
        return dice.choice(
            [
                ("POST", f"{NIDD}/{as_id}/configurations", self.configuration(), json_type),
                ("POST", f"{NIDD}/{as_id}/configurations", self.configuration(), json_type),
                ("GET", f"{NIDD}/{as_id}/configurations", None, None),
                ("GET", configuration, None, None),
                ("PATCH", configuration, {"duration": None, "rdsPorts": [{"portUE": 2, "portSCEF": 2}]}, merge),
                ("PATCH", configuration, {"notificationDestination": self.destination.url, "reliableDataService": None}, merge),
                ("DELETE", configuration, None, None) if dice.random() < 0.3 else ("GET", configuration, None, None),
                ("POST", f"{configuration}/{DELIVERIES}", self.delivery(), json_type),
                ("POST", f"{configuration}/{DELIVERIES}", self.delivery(), json_type),
                ("GET", f"{configuration}/{DELIVERIES}", None, None),
                ("GET", delivery, None, None),
                ("PUT", delivery, self.delivery(), json_type),
                ("PATCH", delivery, {"data": self.data(), "maximumLatency": 5}, dice.choice([json_type, merge])),
                ("DELETE", delivery, None, None),
                ("GET", f"{configuration}/rds-ports", None, None),
                ("PUT", port, {"appId": "a", "skipUeInquiry": dice.random() < 0.5, "supportedFormats": ["CBOR", "X"]}, json_type),
                ("DELETE", port, None, None),
                ("POST", f"{TRIGGERING}/{as_id}/transactions", self.transaction(), json_type),
                ("GET", f"{TRIGGERING}/{as_id}/transactions", None, None),
                ("PUT", transaction, self.transaction(), json_type),
                ("PATCH", transaction, {"validityPeriod": 1, "triggerPayload": self.data()}, json_type),
                ("DELETE", transaction, None, None),
                ("POST", f"{MONITORING}/{as_id}/subscriptions", self.subscription(), json_type),
                ("GET", f"{MONITORING}/{as_id}/subscriptions", None, None),
                ("PUT", subscription, self.subscription(), json_type),
                ("PATCH", subscription, dice.choice(patches), "application/json-patch+json"),
                ("DELETE", subscription, None, None),
                ("POST", f"{ue}/wake", None, None),
                ("POST", f"{ue}/pdn?connected={dice.randrange(2)}", None, None),
                ("POST", f"{ue}/coverage?covered={dice.randrange(2)}", None, None),
                ("POST", f"{ue}/roam?plmn={dice.choice(['262-01', '310-410', '', '1'])}", None, None),
                ("POST", f"{ue}/fail?s1ap={dice.randrange(300)}&nas=1", None, None),
                ("POST", f"{ue}/rds?rds={dice.randrange(2)}", None, None),
                ("POST", f"{ue}/uplink?ue=1&scef=3&reliable={dice.randrange(2)}", {"a": 1}, json_type),
                ("POST", f"{ue}/port?as=as1&ue={dice.randrange(20)}&scef=1&app=x", None, None),
                ("POST", f"{ue}/authorisation?authorised={int(dice.random() < 0.8)}", None, None),
                ("POST", f"{ue}/configuration-trigger?as=as1&url={self.destination.url}", None, None),
                ("POST", f"{ue}/monitoring/cancel", None, None),
                ("GET", "/sim/v1/ues", None, None),
                ("GET", f"{ue}/triggers", None, None),
                ("POST", f"/sim/v1/configurations/terminate?as=as1&id={configuration.rsplit('/', 1)[1]}", None, None),
                ("POST", f"/sim/v1/subscriptions/cancel?as=as1&id={subscription.rsplit('/', 1)[1]}", None, None),
                ("POST", f"/sim/v1/scef/restart{dice.choice(['', '', '', '?forget=1'])}", None, None)
                if dice.random() < 0.1 else ("GET", "/sim/v1/scef", None, None),
                (dice.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]), dice.choice(ODD_PATHS), None, None),
            ]
        )  # fmt: skip

    def body(self, body):
        """Its bytes, damaged or not."""
        dice = self.dice
        if body is None:
            return None
        if dice.random() < 0.3:
            for _ in range(dice.randint(1, 3)):
                body = mutated(body, dice)
        raw = json.dumps(body).encode()
        how = dice.random()
        if how < 0.05:
            return raw[: dice.randrange(len(raw) + 1)]
        if how < 0.08:
            at = dice.randrange(len(raw))
            return raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :]
        if how < 0.1:
            return dice.choice([b"[" * 50000, b'{"a":' * 30000, b" " * 70000, dice.randbytes(1000), b"null", b""])
        return raw

    def one(self):
        method, path, body, media_type = self.request()
        if self.dice.random() < 0.05:
            method = self.dice.choice(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
        if self.dice.random() < 0.03:
            media_type = self.dice.choice(["text/plain", "", "application/json; charset=utf-16", "a/" + "b" * 3000])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path.replace(" ", "%20"), self.body(body), {"Content-Type": media_type} if media_type else {})
            answer = connection.getresponse()
            raw = answer.read()
        finally:
            connection.close()
        self.answers[answer.status] += 1
        self.note(method, path, body, answer, raw)

    def note(self, method, path, body, answer, raw):
        """Errors have a body that tells what is wrong; what was created is remembered."""
        if answer.status >= 500 and answer.status != 503:
            known = answer.status == 500 and b'"cause"' in raw
            known = known or answer.status == 504
            if not known:
                self.wrong.append((method, path, body, answer.status, raw[:200]))
        if answer.status >= 400 and method != "HEAD" and not raw.startswith((b"{", b"[")) and path.startswith("/3gpp-"):
            self.wrong.append((method, path, body, answer.status, raw[:200]))
        if answer.status == 201 and method == "POST" and (location := answer.headers.get("Location")):
            path = "/" + location.split("/", 3)[3]
            for kind in ("transactions", "subscriptions", "configurations"):
                if f"/{kind}/" in path:
                    kept = self.known["deliveries" if f"/{DELIVERIES}/" in path else kind]
                    kept.append(path)
                    del kept[:-20]
                    return

    def damaged(self):
        """Bytes that are no request, or half of one."""
        dice = self.dice
        method, path, body, media_type = self.request()
        raw = self.body(body) or b""
        length = dice.choice([len(raw)] * 5 + [len(raw) + 5, -1, 2**64, "x"])
        framing = f"Content-Length: {length}\r\n".encode()
        if dice.random() < 0.2:
            framing, raw = b"Transfer-Encoding: chunked\r\n", chunked(raw, dice)
        head = f"{method} {path} {dice.choice(['HTTP/1.1'] * 5 + ['HTTP/1.0', 'HTTP/3', 'x'])}\r\nHost: x\r\n".encode()
        head += dice.choice([b""] * 5 + [b"X: " + b"y" * 40000 + b"\r\n", b"A:b\r\n" * 3000, b"Expect: 100-continue\r\n", b"\0: \0\r\n"])
        request = head + f"Content-Type: {media_type}\r\n".encode() + framing + b"\r\n" + raw
        if dice.random() < 0.4:
            request = request[: dice.randrange(len(request))]
        elif dice.random() < 0.2:
            request *= dice.randint(2, 5)
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            if dice.random() < 0.3:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.settimeout(0.3)
            connection.recv(4096)
