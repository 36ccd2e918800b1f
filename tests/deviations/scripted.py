"""The adapter between a SCEF that answers as one test says and a server of bare CoAP."""

import base64
import json
import re
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import wire  # noqa: E402
from fake_scef import ROOT, Answer, FakeScef, Request  # noqa: E402
from stack import Stack, external_id  # noqa: E402

DEVICE = external_id(1)
DELIVERIES = "/downlink-data-deliveries"
QUIET = {"nidd_ack_timeout_ms": 60000, "retry_min_s": 1, "retry_max_s": 2}  # repetitions would only blur what is tested


class Script(FakeScef):
    """Each of its members, when set, answers one kind of request; an Answer, or a function of the request. A list is used
    up one by one, its last member stays."""

    def __init__(self, port):
        self.created = self.listed = self.got = self.patched = self.deleted = self.delivered = None
        super().__init__(port)
        self.answer = self.scripted

    @staticmethod
    def _read(stream):
        """As FakeScef reads, and the media type too."""
        head = b""
        while (line := stream.readline()).strip():
            head += line
        if not head:
            return None
        found = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
        method, path, _ = head.split(b"\r\n")[0].split()
        request = Request(method.decode(), path.decode(), stream.read(int(found[1]) if found else 0))
        found = re.search(rb"(?i)\ncontent-type: *(\S+)", head)
        request.media_type = found[1].decode() if found else None
        return request

    def kind(self, request):
        if request.path.endswith(DELIVERIES):
            return "delivered"
        if request.path.rstrip("/").endswith("/configurations"):
            return "created" if request.method == "POST" else "listed"
        return {"GET": "got", "PATCH": "patched", "DELETE": "deleted"}.get(request.method, "got")

    def scripted(self, request):
        say = getattr(self, self.kind(request))
        if isinstance(say, list):
            say = say.pop(0) if len(say) > 1 else say[0]
        return say(request) if callable(say) else say

    def asked(self, kind):
        return [request for request in list(self.requests) if self.kind(request) == kind]


class World:
    def __init__(self, directory):
        self.stack = Stack(directory)
        self.scef = Script(self.stack.scef_port)
        self.server = wire.Peer(at=("127.0.0.1", self.stack.server_port))
        self.mid = 0

    def start(self, *devices, active=True, **sections):
        sections["relay"] = {**QUIET, **sections.get("relay", {})}
        self.stack.start_adapter(list(devices) or [DEVICE], ready=False, **sections)
        if active:
            for device in devices or [DEVICE]:
                name = device if isinstance(device, str) else device.get("external_id") or device["msisdn"]
                self.wait(lambda n=name: self.state(n) == "active", f"{name} is configured")

    def wait(self, condition, what, timeout=30):
        return self.stack.wait(condition, what, timeout)

    def state(self, device=DEVICE):
        return self.stack.device(device)["configuration"]

    def address(self, device=DEVICE):
        """The device's, towards the server."""
        return (f"127.77.0.{self.stack.device(device)['leg'] + 1}", self.stack.leg_port)

    def notify(self, body):
        """Where the adapter has asked to be notified."""
        asked = [json.loads(request.body) for request in self.scef.asked("created")]
        path = urllib.parse.urlsplit(asked[-1]["notificationDestination"]).path if asked else "/t8/nidd"
        return self.stack.notify(body, path)

    # ---- device to server

    def tell(self, message, device=DEVICE, **members):
        """The notification of an uplink; members that are None are left out. Returns the reply."""
        data = message if isinstance(message, bytes) else message.encode()
        body = {
            "niddConfiguration": self.scef.link(device),
            "externalId": device,
            "data": base64.b64encode(data).decode(),
            **members,
        }
        return self.notify({name: value for name, value in body.items() if value is not None})

    def speak(self, device=DEVICE, **members):
        """A NON of the device comes to the server; returns the reply to the notification."""
        self.mid += 1
        token = self.mid.to_bytes(2, "big")
        reply = self.tell(wire.request(wire.POST, "/dp", self.mid, token, wire.NON, payload=b"x"), device, **members)
        if reply.status < 300:
            assert self.server.expect(token=token).code == wire.POST
        return reply

    # ---- server to device

    def ask(self, token, device=DEVICE, method=wire.GET, payload=b""):
        """A request of the server; returns what it is answered at once."""
        self.mid += 1
        self.server.send(wire.request(method, "/3/0", self.mid + 7000, token, payload=payload), self.address(device))
        return self.server.expect(type=wire.ACK, mid=self.mid + 7000)

    def accepted(self, token, device=DEVICE, **how):
        assert self.ask(token, device, **how).code == 0

    def submissions(self, token):
        """Of the message with this token."""
        found = []
        for request in self.scef.asked("delivered"):
            message = wire.decode(base64.b64decode(request.json()["data"]))
            if message.token == token:
                found.append(message)
        return found

    def submitted(self, token, times=1):
        """Waits until it was, so often; returns the message."""
        return self.wait(lambda: len(self.submissions(token)) >= times and self.submissions(token)[-1], "it is submitted")

    def device_answers(self, token, device=DEVICE, **members):
        message = self.submitted(token)
        answer = wire.Message(wire.ACK, wire.code("2.05"), message.mid, token, [], b"value")
        reply = self.tell(answer, device, **members)
        assert reply.status == 204, (reply.status, reply.body)

    def answer(self, token):
        """What the server hears in the end."""
        message = self.server.expect(token=token, timeout=30)
        self.server.send(wire.empty(wire.ACK, message.mid), message.source)
        return message

    def served(self, token=b"served", device=DEVICE, **members):
        """A request of the server gets through, and the device's answer back."""
        self.accepted(token, device)
        self.device_answers(token, device, **members)
        assert self.answer(token).payload == b"value"

    def status(self, link, status, **members):
        """A delivery status notification; returns the reply's status."""
        body = {"niddDownlinkDataTransfer": link, "deliveryStatus": status, **members}
        return self.notify(body).status

    def queued(self, device=DEVICE):
        """States of what is in the queue."""
        return [message["state"] for message in self.stack.queue(device)]

    def final(self, seq=None):
        """The final states so far."""
        return [e["state"] for e in self.stack.adapter_named("final")]


__all__ = ["DELIVERIES", "DEVICE", "ROOT", "Answer", "World", "external_id", "wire"]
