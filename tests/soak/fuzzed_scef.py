"""A SCEF that has gone mad, by a seed: whatever a peer can do to an HTTP client, it does to the adapter's requests.

How mad it is says `intensity`, 0 to 1: the share of requests that are answered badly. At 0 it is a well-behaved SCEF whose
devices are now and then not reachable. What it holds (configurations, buffered deliveries) is true at all times: a request
may take effect though its answer is garbage, as in life.
"""

import collections
import json
import random
import socket
import struct
import threading
import time
import urllib.parse

ROOT = "/3gpp-nidd/v1/as1/configurations"
DELIVERIES = "/downlink-data-deliveries"
CAUSES = [
    "TEMPORARILY_NOT_REACHABLE", "TRIGGERED", "NO_PDN_CONNECTION", "NEXT_HOP", "TIMEOUT", "QUOTA_EXCEEDED",
    "DATA_TOO_LARGE", "RDS_PORT_UNKNOWN", "SENDING", "ALREADY_DELIVERED", "UNSPECIFIED_MSG_FAILURE", "x" * 300, "", "\u0000",
]  # fmt: skip
STATUSES = [*range(200, 209), 226, *range(300, 309), *range(400, 419), 422, 429, 431, 451, *range(500, 512), 599, 600, 999]
RETRY_AFTERS = [
    "-1", "0", "1", "2", "1.5", "soon", "", "0x10", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 2026 00:00:00 GMT",
    "1e9", "1, 2", "\t1", "NaN", "18446744073709551617x",
]  # fmt: skip
OVERLOADS = [
    "", "x", 'Timestamp: "Thu, 01 Jan 1970 00:00:00 GMT"; Period-of-Validity: 1s; Overload-Reduction-Metric: 100%',
    'Timestamp: "yesterday"; Period-of-Validity: 99999999999s; Overload-Reduction-Metric: 100%', "Timestamp" * 500,
    ";;;;;", 'Timestamp: "', "Period-of-Validity: 1s; Overload-Reduction-Metric: 101%", "%s%n", "Timestamp: ;=:",
]  # fmt: skip
ODD_VALUES = [
    None, True, False, 0, -1, 1.5, 1e308, 2**63, "", "x", "\u0000", "\ud7ff", "x" * 5000, [], {}, [[]], {"a": {}}, [None],
    "2026-13-99T99:99:99Z", "http://", "//", "/", "..", "http://[::1", "%", "\r\nX: y",
]  # fmt: skip


class Reset(Exception):
    """The connection is to be torn down now, by RST."""


def chunked(body, dice):
    out = b""
    while body:
        n = dice.randint(1, max(1, len(body)))
        out += b"%x\r\n" % n + body[:n] + b"\r\n"
        body = body[n:]
    return out + b"0\r\n\r\n"


def mutated(value, dice, depth=0):
    """The same JSON with something odd in it somewhere."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        name = dice.choice(list(value))
        out = dict(value)
        how = dice.random()
        if how < 0.25:
            del out[name]
        elif how < 0.4:
            out[dice.choice(["", "a", "x" * 1000, "deliverystatus", "\u0000", name + " "])] = dice.choice(ODD_VALUES)
        else:
            out[name] = mutated(out[name], dice, depth + 1)
        return out
    if isinstance(value, str) and value and dice.random() < 0.4:
        at = dice.randrange(len(value))
        return value[:at] + dice.choice(["", "\u0000", "@", "/", " ", "\u00e4", value]) + value[at + 1 :]
    return dice.choice(ODD_VALUES)


class FuzzedScef:
    """`deliver(device, message)` is called for what reaches a device; `notify(body)` sends a notification later on."""

    def __init__(self, port, seed, deliver, notify):
        self.port, self.seed, self.deliver, self.notify = port, seed, deliver, notify
        self.intensity = 0.0
        self.lock = threading.RLock()
        self.configurations = {}  # id: device
        self.of_device = {}  # device: id
        self.destinations = {}  # device: where it is notified
        self.callback_path = "/t8/nidd"  # of that
        self.counts = collections.Counter()  # what was done to requests
        self.requests = 0
        self.number = 0
        self.closing = threading.Event()
        self.sane = threading.Event()  # what hangs or trickles comes to its end
        self.trap = socket.create_server(("127.0.0.1", 0), backlog=16)  # nobody may ever come here
        self.trap.settimeout(0.2)
        self.trapped = 0
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.connections = set()
        for run in (self._accept, self._watch_trap):
            threading.Thread(target=run, daemon=True).start()

    def stop(self):
        self.closing.set()
        self.sane.set()
        self.listener.close()
        self.trap.close()
        for connection in list(self.connections):
            connection.close()

    # ---- what is true

    def link(self, identifier):
        return f"http://127.0.0.1:{self.port}{ROOT}/{identifier}"

    def link_of(self, device):
        """Of the present configuration; None: there is none."""
        identifier = self.of_device.get(device)
        return identifier and self.link(identifier)

    def forget(self, device):
        with self.lock:
            self.configurations.pop(self.of_device.pop(device, None), None)

    def _next(self, letter):
        with self.lock:
            self.number += 1
            return f"{letter}{self.number}"

    def _shown(self, identifier):
        device = self.configurations[identifier]
        return {
            "self": self.link(identifier), "externalId": device, "status": "ACTIVE", "maximumPacketSize": 10864,
            "notificationDestination": self.destinations[device], "supportedFeatures": "0",
        }  # fmt: skip

    def good(self, method, path, body, dice):
        """(status, body, headers) of a SCEF in its right mind, and all effects."""
        collection, _, rest = path.partition("/configurations")
        if collection + "/configurations" != ROOT:
            return 404, {"status": 404}, {}
        identifier, _, tail = rest.strip("/").partition("/")
        with self.lock:
            if not identifier:
                return self._create(body, dice) if method == "POST" else self._list(method)
            if identifier not in self.configurations:
                return 404, {"status": 404, "title": "Not Found"}, {}
            if "/" + tail == DELIVERIES and method == "POST":
                return self._downlink(identifier, body, dice)
            if tail:  # a delivery: it is told of as soon as it was made, and nothing is kept
                return (200, [], {}) if "/" + tail == DELIVERIES else (404, {"status": 404}, {})
            if method == "GET" or method == "PATCH":
                return 200, self._shown(identifier), {}
            if method == "DELETE":
                del self.of_device[self.configurations.pop(identifier)]
                return 204, None, {}
        return 405, {"status": 405}, {}

    def _create(self, body, dice):
        if not {"externalId", "notificationDestination"} <= set(body):
            return 400, {"status": 400, "cause": "MANDATORY_IE_MISSING"}, {}  # a delivery that was redirected
        device = body["externalId"]
        if device in self.of_device:
            answer = dice.choice(["again", "conflict", "forbidden"])
            if answer != "again":
                status = 409 if answer == "conflict" else 403
                return status, {"status": status, "title": "There is one"}, {}
            identifier = self.of_device[device]
        else:
            identifier = self._next("c")
            self.configurations[identifier] = device
            self.of_device[device] = identifier
        self.destinations[device] = body["notificationDestination"]
        self.callback_path = urllib.parse.urlsplit(self.destinations[device]).path
        return 201, self._shown(identifier), {"Location": self.link(identifier)}

    def _list(self, method):
        if method != "GET":
            return 405, {"status": 405}, {}
        return 200, [self._shown(identifier) for identifier in self.configurations], {}

    def _downlink(self, identifier, body, dice):
        device = self.configurations[identifier]
        if body.get("externalId") != device or "data" not in body:
            return 400, {"status": 400, "cause": "MANDATORY_IE_INCORRECT"}, {}
        how = dice.random()
        if how < 0.75:
            self.deliver(device, body["data"])
            return 200, {**body, "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"}, {}
        if how < 0.88:
            return 500, {"problemDetail": {"status": 500, "cause": "TEMPORARILY_NOT_REACHABLE"}}, {}
        link = f"{self.link(identifier)}{DELIVERIES}/{self._next('d')}"
        early = dice.random() < 0.3
        fails = dice.random() < 0.2
        if not fails:
            self.deliver(device, body["data"])
        status = "FAILURE_TIMEOUT" if fails else "SUCCESS_NEXT_HOP_ACKNOWLEDGED"
        self.notify({"niddDownlinkDataTransfer": link, "deliveryStatus": status}, 0 if early else 0.2)
        if early:
            time.sleep(0.05)
        answer = {**body, "self": link, "deliveryStatus": "BUFFERING_TEMPORARILY_NOT_REACHABLE"}
        return 201, answer, {"Location": link}

    # ---- connections

    def _watch_trap(self):
        while not self.closing.is_set():
            try:
                self.trap.accept()[0].close()
                self.trapped += 1
            except TimeoutError:
                pass
            except OSError:
                return

    def _accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.add(connection)
            dice = random.Random(f"{self.seed} {self._next('n')}")
            threading.Thread(target=self._serve, args=[connection, dice], daemon=True).start()

    def _serve(self, connection, dice):
        try:
            if dice.random() < self.intensity * 0.03:
                self.counts["closed at once"] += 1
                return
            with connection.makefile("rb") as stream:
                while request := self._read(stream):
                    self.requests += 1
                    if not self._answer(connection, dice, *request):
                        return
        except Reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, ValueError):
            pass  # the adapter has had enough
        finally:
            self.connections.discard(connection)
            connection.close()

    @staticmethod
    def _read(stream):
        head = stream.readline().split()
        if len(head) != 3:
            return None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        raw = stream.read(length)
        return head[0].decode(), head[1].decode(), json.loads(raw) if raw else {}

    def _answer(self, connection, dice, method, path, body):
        """False: the connection is over."""
        if dice.random() >= self.intensity:
            connection.sendall(self._http(*self.good(method, path, body, dice)))
            self.counts["well"] += 1
            return True
        takes_effect = dice.random() < 0.5
        status, shown, headers = (200, {}, {})
        if takes_effect:
            status, shown, headers = self.good(method, path, body, dice)
        elif method == "POST":
            status, shown = 201, {**body, "self": f"{ROOT}/lost/x", "deliveryStatus": "BUFFERING"}
        bad = dice.choice(BADNESS)
        self.counts[bad.__name__.strip("_").replace("_", " ")] += 1
        return bad(self, connection, dice, (status, shown, headers, path))

    @staticmethod
    def _http(status, body, headers, reason="Whatever"):
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": len(raw), **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode(errors="surrogateescape") + raw

    def _pause(self, seconds):
        self.sane.wait(seconds)


# ---- what can be done to an answer; each returns whether the connection goes on


def _odd_status(scef, connection, dice, good):
    body = dice.choice([None, good[1], b"<html>", {"status": "x", "cause": 1}])
    connection.sendall(scef._http(dice.choice(STATUSES), body, {}))
    return True


def _problem(scef, connection, dice, good):
    status = dice.choice([400, 401, 403, 404, 409, 411, 413, 415, 429, 500, 500, 500, 502, 503, 504])
    problem = {"status": status, "cause": dice.choice(CAUSES)}
    if dice.random() < 0.2:
        problem = {"Status": status, "Detail": "SCEF-ERR-%d-%03d: text" % (status, dice.randrange(120))}
    if dice.random() < 0.5:
        problem = {"problemDetail": problem, "requestedRetransmissionTime": dice.choice(["1970-01-01T00:00:00Z", "never"])}
    connection.sendall(scef._http(status, problem, {"Content-Type": "application/problem+json"}))
    return True


def _wrong_types(scef, connection, dice, good):
    shown = good[1]
    for _ in range(dice.randint(1, 4)):
        shown = mutated(shown, dice)
    connection.sendall(scef._http(good[0], shown, good[2] if dice.random() < 0.5 else {}))
    return True


def _cut_json(scef, connection, dice, good):
    raw = json.dumps(good[1]).encode()
    connection.sendall(scef._http(good[0], raw[: dice.randrange(len(raw))], {}))
    return True


def _flipped_bytes(scef, connection, dice, good):
    raw = bytearray(json.dumps(good[1]).encode())
    for _ in range(dice.randint(1, 8)):
        raw[dice.randrange(len(raw))] = dice.randrange(256)
    connection.sendall(scef._http(good[0], bytes(raw), {}))
    return True


def _binary(scef, connection, dice, good):
    connection.sendall(scef._http(good[0], dice.randbytes(dice.randrange(2000)), {"Content-Type": "application/octet-stream"}))
    return True


def _nested(scef, connection, dice, good):
    depth = dice.choice([100, 2049, 100000])
    opening, closing = dice.choice([("[", "]"), ('{"a":', "}")])
    body = opening * depth + "1" + closing * (depth if dice.random() < 0.5 else 0)
    connection.sendall(scef._http(good[0], body.encode(), {}))
    return True


def _huge(scef, connection, dice, good):
    size = dice.choice([1 << 16, 1 << 18, 1 << 20, 8 << 20])
    body = dice.choice([b'{"self":"' + b"x" * size + b'"}', b"[" + b"{}," * (size // 3) + b"{}]", b" " * size])
    connection.sendall(scef._http(good[0], body, {}))
    return True


def _cut_off(scef, connection, dice, good):
    raw = scef._http(*good[:3])
    connection.sendall(raw[: dice.randrange(len(raw))])
    if dice.random() < 0.5:
        raise Reset
    return False


def _half_closed(scef, connection, dice, good):
    raw = scef._http(*good[:3])
    connection.sendall(raw[: dice.randrange(len(raw) + 1)])
    connection.shutdown(socket.SHUT_WR)
    scef._pause(dice.random() * 2)
    return False


def _silent(scef, connection, dice, good):
    scef._pause(dice.random() * 4)
    if dice.random() < 0.5:
        raise Reset
    return False


def _late(scef, connection, dice, good):
    scef._pause(dice.random() * 2)
    connection.sendall(scef._http(*good[:3]))
    return True


def _trickled(scef, connection, dice, good):
    raw = scef._http(*good[:3])
    for at in range(0, len(raw), 7):
        connection.sendall(raw[at : at + 7])
        scef._pause(0.02)
    return True


def _interim(scef, connection, dice, good):
    interim = b"HTTP/1.1 %d x\r\nLink: </x>\r\n\r\n" % dice.choice([100, 102, 103, 199])
    connection.sendall(interim * dice.choice([1, 3, 500]))
    if dice.random() < 0.3:
        scef._pause(2)
        return False
    connection.sendall(scef._http(*good[:3]))
    return True


def _switching(scef, connection, dice, good):
    connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + dice.randbytes(100))
    return False


def _redirect(scef, connection, dice, good):
    foreign = f"127.0.0.1:{scef.trap.getsockname()[1]}"
    location = dice.choice(
        [
            good[3], ROOT, f"{ROOT}/loop{dice.randrange(3)}", f"http://{foreign}{good[3]}", f"//{foreign}/", "", "?", "..",
            f"http://127.0.0.1:{scef.port}@{foreign}/", f"https://127.0.0.1:{scef.port}{good[3]}", "file:///etc/passwd",
            f"http://127.0.0.1:{scef.port}/moved/3gpp-nidd/v1/as1/configurations", "http://[", "x" * 20000, "\u00ff",
            f"ftp://{foreign}/", f"http://127.0.0.1:{scef.port}{good[3]}#{foreign}", f"\\\\{foreign}\\", "http:",
        ]
    )  # fmt: skip
    connection.sendall(scef._http(dice.choice([300, 301, 302, 303, 307, 307, 308, 308]), None, {"Location": location}))
    return True


def _retry_after(scef, connection, dice, good):
    headers = {"Retry-After": dice.choice(RETRY_AFTERS)}
    connection.sendall(scef._http(dice.choice([429, 503, 500, 413, 403, 201]), {"status": 1}, headers))
    return True


def _overload(scef, connection, dice, good):
    name = dice.choice(["Nb-Api-Oci", "Nbi-Api-Oci", "Nb-Api-Lci", "nb-api-oci"])
    connection.sendall(scef._http(good[0], good[1], {**good[2], name: dice.choice(OVERLOADS)}))
    return True


def _wrong_length(scef, connection, dice, good):
    raw = json.dumps(good[1]).encode()
    length = dice.choice([0, 1, len(raw) - 1, len(raw) + 1, len(raw) + 100000, -1, 2**63, 2**64 + 5, "x", "1, 2", ""])
    connection.sendall(scef._http(good[0], raw, {"Content-Length": length}))
    if dice.random() < 0.5:
        scef._pause(2)
    return False


def _two_lengths(scef, connection, dice, good):
    raw = json.dumps(good[1]).encode()
    head = b"HTTP/1.1 %d x\r\nContent-Length: %d\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head % (good[0], len(raw), dice.randrange(1000)) + raw)
    return False


def _chunked_garbage(scef, connection, dice, good):
    raw = bytearray(chunked(json.dumps(good[1]).encode(), dice))
    how = dice.randrange(4)
    if how == 0:
        raw[dice.randrange(min(4, len(raw)))] = dice.randrange(256)
    elif how == 1:
        raw = raw[: dice.randrange(len(raw))]
    elif how == 2:
        raw = bytearray(b"FFFFFFFFFFFFFFFFF\r\n") + raw
    connection.sendall(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % good[0] + raw)
    return how == 3


def _headers(scef, connection, dice, good):
    raw = json.dumps(good[1]).encode()
    extra = dice.choice(
        [
            b"X: " + b"x" * (1 << 17) + b"\r\n", b"A: b\r\n" * 5000, b"NoColon\r\n", b": empty\r\n", b"X: a\0b\r\n", b"X: a\rb\r\n",
            b" folded\r\n", b"Content-Encoding: gzip\r\n", b"content-type:\r\n", b"LOCATION: %s\r\n" % (b"y" * 70000),
            b"Location: a\r\nLocation: b\r\n", b"Transfer-Encoding: x\r\n", b"Set-Cookie: a=b\r\n" * 200,
        ]
    )  # fmt: skip
    connection.sendall(b"HTTP/1.1 %d x\r\n" % good[0] + extra + b"content-LENGTH:%d\r\n\r\n" % len(raw) + raw)
    return False


def _no_http(scef, connection, dice, good):
    connection.sendall(
        dice.choice(
            [
                dice.randbytes(300), b"\r\n" * 50, b"HTTP/1.1\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"http/1.1 200 ok\r\n\r\n",
                b"HTTP/1.1 99999999999 x\r\n\r\n", b"HTTP/1.1 -1 x\r\n\r\n", b"{}", b"HTTP/1.0 201 Created\r\n\r\n{",
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b"SSH-2.0-x\r\n", b"\0" * 100,
            ]
        )  # fmt: skip
    )
    return False


def _answered_twice(scef, connection, dice, good):
    connection.sendall(scef._http(*good[:3]) * 2)
    return True


def _body_where_none_is(scef, connection, dice, good):
    connection.sendall(scef._http(dice.choice([204, 205, 304]), good[1], {}))
    return True


BADNESS = [
    _odd_status, _problem, _problem, _wrong_types, _wrong_types, _cut_json, _flipped_bytes, _binary, _nested, _huge, _cut_off,
    _half_closed, _silent, _late, _trickled, _interim, _switching, _redirect, _redirect, _retry_after, _overload,
    _wrong_length, _two_lengths, _chunked_garbage, _headers, _no_http, _answered_twice, _body_where_none_is,
]  # fmt: skip
