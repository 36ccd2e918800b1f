"""What nobody should send to the adapter's ports. To the callback URL: damaged JSON, damaged HTTP, slow and half connections;
what is damaged is always about devices of its own, so that it cannot pass for another device's message. To the admin port:
requests of somebody who guesses."""

import base64
import collections
import json
import random
import socket
import struct
import threading
import time

from fuzzed_scef import chunked, mutated


def coap_of_sorts(dice):
    """A message that is CoAP, or nearly, or not at all."""
    token = dice.randbytes(dice.randrange(9))
    code = dice.choice([0, 1, 2, 3, 4, 0x41, 0x44, 0x45, 0x84, 0xA0, dice.randrange(256)])
    head = struct.pack("!BBH", 0x40 | dice.randrange(4) << 4 | len(token), code, dice.randrange(65536))
    message = head + token + dice.choice([b"", b"\xb2rd", b"\xff", b"\xff" + dice.randbytes(20), dice.randbytes(12)])
    if dice.random() < 0.3:
        message = message[: dice.randrange(len(message) + 1)]
    if dice.random() < 0.1:
        message = dice.randbytes(dice.choice([1, 3, 64, 1500, 20000]))
    return message


class CallbackNoise(threading.Thread):
    def __init__(self, port, seed, devices, scef):
        super().__init__(daemon=True)
        self.port, self.devices, self.scef = port, devices, scef
        self.dice = random.Random(f"{seed} callbacks")
        self.running = True
        self.answers = collections.Counter()  # status: how often; 0 = none
        self.sent = 0
        self.slow = []

    def run(self):
        while self.running:
            try:
                self.one()
            except OSError:
                self.answers[0] += 1
            self.sent += 1
            time.sleep(self.dice.random() * 0.05)
        for connection in self.slow:
            connection.close()

    def body(self):
        """A notification in order but for its CoAP."""
        dice = self.dice
        device = dice.choice(self.devices)
        link = self.scef.link_of(device) or "http://127.0.0.1:1/3gpp-nidd/v1/as1/configurations/none"
        data = base64.b64encode(coap_of_sorts(dice)).decode()
        kinds = [
            {"niddConfiguration": link, "externalId": device, "data": data},
            {"niddConfiguration": link, "externalId": device, "data": data},
            {"niddDownlinkDataTransfer": link + "/downlink-data-deliveries/d0", "deliveryStatus": "SUCCESS"},
            {"niddConfiguration": link, "externalId": device, "status": "ACTIVE", "rdsCapIndication": True},
            {"niddConfiguration": link, "externalId": device, "status": "TERMINATED"},
            {"niddConfiguration": link, "externalId": device, "managedPorts": [{"appId": "a", "self": "ue1-ef1"}]},
            {"niddDownlinkDataTransfer": link, "gmdResults": [{"externalId": device, "deliveryStatus": "FAILURE"}]},
            {"transaction": link, "result": "SUCCESS"},
            {"subscription": link},
            {"subscription": link, "monitoringEventReports": [{"monitoringType": "UE_REACHABILITY", "externalId": device}]},
            {"afId": "as1", "nefId": "n", "gpsi": f"extid-{device}", "suppFeat": "0"},
        ]
        return dice.choice(kinds)

    def raw(self):
        """The bytes of a body, damaged or not."""
        dice, body = self.dice, self.body()
        if dice.random() < 0.4:
            for _ in range(dice.randint(1, 3)):
                body = mutated(body, dice)
        raw = bytearray(json.dumps(body).encode())
        how = dice.random()
        if how < 0.15:
            raw = raw[: dice.randrange(len(raw) + 1)]
        elif how < 0.25 and raw:
            raw[dice.randrange(len(raw))] = dice.randrange(256)
        elif how < 0.28:
            raw = bytearray(b"[" * 100000)
        elif how < 0.3:
            raw = bytearray(dice.randbytes(dice.randrange(5000)))
        return bytes(raw)

    def one(self):
        dice, raw = self.dice, self.raw()
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            method = dice.choice([b"POST"] * 20 + [b"GET", b"PUT", b"", b"P\0ST", b"x" * 9000])
            right = self.scef.callback_path.encode()
            wrong = [b"/", b"*", b"http://x" + right, right + b"?x=y", right + b"/%00", right + b"/../..", b"/" + b"x" * 9000]
            path = dice.choice([right] * 24 + wrong)
            version = dice.choice([b"HTTP/1.1"] * 20 + [b"HTTP/1.0", b"HTTP/2.0", b"x"])
            headers = dice.choice([b""] * 10 + [b"Expect: 100-continue\r\n", b"X: " + b"y" * 40000 + b"\r\n", b"A:b\r\n" * 3000])
            length = dice.choice([len(raw)] * 20 + [len(raw) + 1, len(raw) - 1, -1, 2**64, "x"])
            how = dice.random()
            if how < 0.1:
                headers += b"Transfer-Encoding: chunked\r\n"
                raw = chunked(raw, dice)
            else:
                headers += f"Content-Length: {length}\r\n".encode()
            head = b"%s %s %s\r\nHost: x\r\nContent-Type: application/json\r\n%s\r\n" % (method, path, version, headers)
            request = head + raw
            if how > 0.97:
                self.leave_open(request)
                return
            if how > 0.9:
                request = request[: dice.randrange(len(request))]
            elif how > 0.85:
                request *= dice.randint(2, 5)  # pipelined
            connection.sendall(request)
            if how > 0.5 or length != len(raw):
                connection.shutdown(socket.SHUT_WR)
            if dice.random() < 0.05:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.settimeout(0.3)  # some are never answered
            status = connection.recv(4096)[9:12]
            self.answers[int(status) if status.isdigit() else 0] += 1

    def leave_open(self, request):
        """A connection that says a part of it, and then nothing; the oldest goes when there are fifty."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(request[: self.dice.randrange(len(request))])
        self.slow.append(connection)
        if len(self.slow) > 50:
            self.slow.pop(0).close()


class AdminNoise(threading.Thread):
    def __init__(self, port, seed, devices):
        super().__init__(daemon=True)
        self.port, self.devices = port, devices
        self.dice = random.Random(f"{seed} admin")
        self.running = True
        self.sent = 0
        self.wrong = []  # answers of 5xx

    def path(self):
        dice = self.dice
        device = dice.choice([*self.devices, "nobody@example.org", "%00", "%zz", "..", "%2e%2e%2f", "x" * 9000, "a@b@c", ""])
        known = ["/livez", "/readyz", "/metrics", "/v1/devices", "/v1/scefs", f"/v1/devices/{device}", f"/v1/devices/{device}/queue"]
        query = dice.choice([""] * 6 + ["?", "?limit=1", "?limit=-1", "?limit=99999999999999999999", "?after=%ff", "?cursor=x&cursor=y", "?" + "&" * 3000])
        return dice.choice([*known, *known, "/", "//", "*", "/v1/../metrics", "/v2/devices"]) + query

    def run(self):
        while self.running:
            try:
                self.one()
            except OSError:
                pass
            self.sent += 1
            time.sleep(self.dice.random() * 0.1)

    def one(self):
        dice = self.dice
        method = dice.choice(["GET"] * 8 + ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "x" * 50])
        body = b"x" * dice.choice([0, 0, 0, 10, 5000, 100000])
        request = f"{method} {self.path()} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        if dice.random() < 0.1:
            request = request[: dice.randrange(len(request))]
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            connection.settimeout(0.3)
            answer = connection.recv(4096)
            if answer[9:10] == b"5" and b"/readyz" not in request:
                self.wrong.append((request[:200], answer[:100]))
