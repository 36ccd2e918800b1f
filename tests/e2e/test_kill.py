"""kill -9 of the adapter, again and again, at any instant, with messages queued, on the radio and being answered.

Promise: what a server's ACK has accepted is not lost, and is not carried out twice; devices keep their addresses.
"""

import random
import threading
import time
from dataclasses import dataclass

import pytest
import wire
from stack import external_id

DEVICES = 30
KILLS = 50
OUTSTANDING = 3  # requests per device
REPEAT_S = 0.5  # while a request is not acknowledged


@dataclass
class Request:
    device: str
    message: wire.Message
    sent: float = 0
    acknowledged: bool = False
    answer: int = None


class Server(threading.Thread):
    """An LwM2M server that keeps every device busy, repeats what is not acknowledged, and notes what becomes of it."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.peer = wire.Peer(at=("127.0.0.1", port))
        self.dice = random.Random(seed)
        self.addresses = {}  # device: its address
        self.moves = []  # (device, old address, new address)
        self.requests = {}  # token: Request
        self.mids = {}  # (address, mid): token
        self.seen = {}  # (address, mid) of messages that came: what they were answered
        self.asking, self.ending = True, False
        self.fault = None

    def run(self):
        try:
            while not self.ending:
                message = self.peer.receive(0.01)
                if message:
                    self.take(message)
                self.repeat()
        except Exception as error:  # told by the test, which would wait in vain otherwise
            self.fault = error
            raise

    def outstanding(self, device):
        return sum(1 for r in list(self.requests.values()) if r.device == device and r.answer is None)

    def open(self):
        return [r for r in list(self.requests.values()) if r.answer is None]

    def take(self, message):
        if message.type in (wire.ACK, wire.RST):
            token = self.mids.get((message.source, message.mid))
            assert message.type == wire.ACK and message.code == 0 and token in self.requests, message
            self.requests[token].acknowledged = True
            return
        reply = self.seen.get((message.source, message.mid, message.token))
        if reply is None:
            reply = self.register(message) if message.code == wire.POST else self.answered(message)
            self.seen[message.source, message.mid, message.token] = reply
        self.peer.send(reply, message.source)

    def register(self, message):
        """A registration or an update; either shows that the device is awake, and where it is."""
        if message.path() == "/rd":
            name = next(v for v in message.option(wire.URI_QUERY) if v.startswith(b"ep=urn:nai:"))[11:].decode()
            options = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, name.encode())]
            reply = wire.Message(wire.ACK, wire.code("2.01"), message.mid, message.token, options)
        else:
            name = message.option(wire.URI_PATH)[1].decode()
            reply = wire.Message(wire.ACK, wire.code("2.04"), message.mid, message.token)
        if self.addresses.setdefault(name, message.source) != message.source:
            self.moves.append((name, self.addresses[name], message.source))
        return reply

    def answered(self, message):
        request = self.requests.get(message.token)
        assert request and self.addresses[request.device] == message.source, message
        request.answer = request.answer or message.code
        return wire.empty(wire.ACK, message.mid)

    def repeat(self):
        now = time.monotonic()
        for device, address in list(self.addresses.items()):
            while self.asking and self.outstanding(device) < OUTSTANDING:
                self.ask(device, address)
        for request in self.open():
            if not request.acknowledged and now - request.sent > REPEAT_S:
                request.sent = now
                self.peer.send(request.message, self.addresses[request.device])

    def ask(self, device, address):
        number = len(self.requests) + 1
        token = number.to_bytes(4, "big")
        method, path, payload = self.dice.choice(
            [(wire.GET, "/3/0/0", b""), (wire.PUT, "/3/0/15", b"zone %d" % number), (wire.POST, "/3/0/4", b"")]
        )
        options = [(wire.CONTENT_FORMAT, b"")] if payload else []
        message = wire.request(method, path, number & 0xFFFF, token, options=options, payload=payload)
        self.mids[address, message.mid] = token
        self.requests[token] = Request(device, message)


@pytest.mark.timeout(600)
def test_fifty_times(stack):
    dice = random.Random(20)
    server = Server(stack.server_port, 20)
    ue = {"psm": True, "active_time_s": 1, "update_period_s": 2, "ack_timeout_ms": 2000, "delay_ms": [10, 80]}
    stack.start_scef(
        [{"external_id": "dev%d@example.org", "count": DEVICES, "start_step_ms": 50, "notify_period_s": 0, **ue}],
        notification_retries=1000,
        notification_retry_ms=100,
    )
    stack.start_adapter(
        [external_id(n) for n in range(1, DEVICES + 1)],
        relay={"nidd_ack_timeout_ms": 500, "retry_min_s": 1, "retry_max_s": 1},
    )
    server.start()
    stack.wait(lambda: len(server.addresses) == DEVICES, "all devices are registered")

    queued = 0
    for n in range(KILLS):
        # Short ones hit the start, when what is stored is read.
        time.sleep(dice.choice((dice.uniform(0, 0.4), dice.uniform(0.4, 1.5))))
        queued += len(server.open())
        stack.adapter.kill()
        stack.adapter.verify()
        assert server.fault is None
        stack.start("scef-adapter", "--config", stack.directory / "adapter.yaml", "--trace", stack.adapter_trace.path)
        stack.adapter = stack.programs[-1]

    server.asking = False
    stack.wait(lambda: not server.open() or server.fault, "everything is answered", 120)
    stack.wait(lambda: all(not stack.queue(device) for device in server.addresses), "no queue holds anything")
    server.ending = True
    server.join()
    assert server.fault is None

    requests = list(server.requests.values())
    assert all(r.acknowledged or r.answer for r in requests)
    expected = {wire.GET: "2.05", wire.PUT: "2.04", wire.POST: "2.04"}
    wrong = [r for r in requests if wire.code_text(r.answer) != expected[r.message.code]]
    assert not wrong, wrong[:3]
    told = {device: 0 for device in server.addresses}
    for request in requests:
        told[request.device] += request.message.code == wire.POST
    executed = {ue["external_id"]: ue["executions"] for ue in stack.control("GET", "/ues")}
    assert executed == told
    assert not server.moves, server.moves
    # What was on its way when the adapter died came to the device again as the same message, so that it could tell.
    mids = {}
    for event in stack.nas(dir="mt", what="sent", type="CON"):
        mids.setdefault(event["token"], set()).add(event["mid"])
    assert len(mids) == len(requests) and all(len(found) == 1 for found in mids.values())
    assert queued > KILLS * DEVICES and len(requests) > 500, (queued, len(requests))
