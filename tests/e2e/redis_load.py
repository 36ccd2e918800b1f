"""Load for tests of the store in trouble: an LwM2M server and devices made of bare CoAP, a SCEF of bare HTTP, and the books
that are kept of what the adapter took, refused and did.

The server asks by CON at a rate and repeats what is not acknowledged; devices answer at once, or sleep, and speak by
themselves. What counts as accepted: a request that got its empty ACK, an uplink whose notification got a 2xx.
"""

import base64
import collections
import contextlib
import http.client
import json
import queue
import random
import threading
import time
from dataclasses import dataclass, field

import callback_path
import wire
from fake_scef import Answer, FakeScef

REPEAT_S = 1.0  # a request that is not acknowledged; an uplink that was not taken
OUTSTANDING = 3  # requests to a device that is awake
BACKLOG = 40  # and to one that sleeps
UNAVAILABLE = wire.code("5.03")
METHODS = ((wire.GET, "/3/0/0"), (wire.PUT, "/3/0/15"), (wire.POST, "/3/0/4"))


@dataclass
class Request:
    """Of the server."""

    device: str
    message: wire.Message
    first_s: float  # when it was sent first
    last_s: float  # and last
    told_s: float = 0  # when it was acknowledged or refused
    refused: int = 0  # the code it was refused with
    answers: dict = field(default_factory=dict)  # by Message ID: code

    @property
    def accepted(self):
        return bool(self.told_s) and not self.refused


@dataclass
class Uplink:
    """A notification for the adapter, told until it is taken."""

    device: str
    data: bytes
    number: int = 0  # of a request of the device's own; else an answer
    first_s: float = field(default_factory=time.monotonic)


class Devices:
    """Behind the SCEF: deliveries come in, notifications go out."""

    WORKERS = 4

    def __init__(self, scef, callback_port, names):
        self.scef, self.callback_port = scef, callback_port
        self.mids = dict.fromkeys(names, 0)
        self.asleep = set()
        self.delivered = collections.Counter()  # by token: how often it came to the device
        self.executed = collections.Counter()  # by token: how often the device took it for a new one
        self.known = {}  # (device, mid): token
        self.jobs = queue.Queue()
        self.taken = {}  # number: when its notification got a 2xx
        self.taken_after_s = []  # of notifications: from the first word to the 2xx
        self.statuses = collections.Counter()
        self.wrong = []
        self.running = True
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.WORKERS)]
        for thread in self.threads:
            thread.start()

    def delivery(self, request):
        """FakeScef's `answer`."""
        if not request.path.endswith("/downlink-data-deliveries"):
            return None
        name = request.path.split("/")[-2] + "@example.org"
        if name in self.asleep:
            return Answer(500, {"problemDetail": {"cause": "TEMPORARILY_NOT_REACHABLE"}})
        self._take(name, wire.decode(base64.b64decode(request.json()["data"])))
        return None

    def _take(self, name, message):
        if not 0 < message.code < 32:
            return  # an answer
        self.delivered[message.token] += 1
        if self.known.get((name, message.mid)) != message.token:
            self.known[name, message.mid] = message.token
            self.executed[message.token] += 1
        code = wire.code("2.05" if message.code == wire.GET else "2.04")
        self.tell(Uplink(name, wire.Message(wire.ACK, code, message.mid, message.token, [], b"x").encode()))

    def speak(self, name, number):
        """A request of the device's own."""
        self.mids[name] = mid = self.mids[name] % 65535 + 1
        self.tell(Uplink(name, wire.request(wire.POST, "/dp", mid, mid.to_bytes(2), payload=b"%d" % number).encode(), number))

    def tell(self, uplink):
        self.jobs.put(uplink)

    def _work(self):
        connection = None
        while (uplink := self.jobs.get()) is not None:
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.callback_port, timeout=60)
            try:
                self._notify(connection, uplink)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                self._again(uplink)  # the adapter is not there

    def _notify(self, connection, uplink):
        data = base64.b64encode(uplink.data).decode()
        body = {"niddConfiguration": self.scef.link(uplink.device), "externalId": uplink.device, "data": data}
        connection.request("POST", callback_path.NIDD, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        self.statuses[answer.status] += 1
        if answer.status == 204:
            self.taken_after_s.append(time.monotonic() - uplink.first_s)
            if uplink.number:
                self.taken[uplink.number] = time.monotonic()
        elif answer.status == 503 and answer.getheader("Retry-After"):
            self._again(uplink)
        else:
            self.wrong.append((answer.status, dict(answer.getheaders()), uplink))

    def _again(self, uplink):
        if self.running:
            timer = threading.Timer(REPEAT_S, self.jobs.put, [uplink])
            timer.daemon = True
            timer.start()

    def stop(self):
        self.running = False
        for _ in self.threads:
            self.jobs.put(None)


class LwM2MServer(threading.Thread):
    """Asks, repeats, and notes what becomes of it; answers what devices say."""

    def __init__(self, port, devices, requests_per_s, uplinks_per_s, seed=1):
        super().__init__(daemon=True)
        self.peer = wire.Peer(at=("127.0.0.1", port))
        self.devices = devices
        self.requests_per_s, self.uplinks_per_s = requests_per_s, uplinks_per_s
        self.dice = random.Random(seed)
        self.addresses = {}  # device: where the adapter has it
        self.requests = {}  # token: Request
        self.mids = {}  # (address, mid): token, of requests that were neither acknowledged nor refused
        self.open = collections.Counter()  # by device: requests without an end
        self.heard = {}  # number of an uplink: when it came
        self.replies = {}
        self.spoken = 0
        self.asking = self.ending = False
        self.fault = None

    def run(self):
        try:
            self._run()
        except Exception as error:  # told by Load.wait, which would wait in vain otherwise
            self.fault = error
            raise
        finally:
            self.peer.close()

    def _run(self):
        next_request = next_uplink = next_look = time.monotonic()
        while not self.ending:
            message = self.peer.receive(0.002)
            if message:
                self._take(message)
            now = time.monotonic()
            if not self.asking:
                next_request = next_uplink = now
            while self.asking and next_request <= now:
                self._ask(now)
                next_request = max(next_request, now - 1) + 1 / self.requests_per_s
            while self.asking and self.uplinks_per_s and next_uplink <= now:
                self.spoken += 1
                self.devices.speak(self.dice.choice(list(self.addresses)), self.spoken)
                next_uplink = max(next_uplink, now - 1) + 1 / self.uplinks_per_s
            if next_look <= now:
                self._repeat(now)
                next_look = now + 0.1

    def _ask(self, now):
        device = self.dice.choice(list(self.addresses))
        if self.open[device] >= (BACKLOG if device in self.devices.asleep else OUTSTANDING):
            return
        number = len(self.requests) + 1
        method, path = self.dice.choice(METHODS)
        payload = b"" if method == wire.GET else self.dice.randbytes(self.dice.randrange(20, 200))
        message = wire.request(method, path, number & 0xFFFF, number.to_bytes(4), payload=payload)
        self.requests[message.token] = Request(device, message, now, now)
        self.mids[self.addresses[device], message.mid] = message.token
        self.open[device] += 1
        self.peer.send(message, self.addresses[device])

    def _repeat(self, now):
        for token in list(self.mids.values()):
            request = self.requests[token]
            if now - request.last_s > REPEAT_S:
                request.last_s = now
                self.peer.send(request.message, self.addresses[request.device])

    def _take(self, message):
        if message.type in (wire.ACK, wire.RST):
            self._told(message)
        elif message.code == 0:
            self.peer.send(wire.empty(wire.RST, message.mid), message.source)  # are you there?
        elif message.code < 32:
            self._asked(message)
        else:
            self._answered(message)

    def _told(self, message):
        token = self.mids.pop((message.source, message.mid), None)
        if token is None:
            return  # once more, of a repetition
        assert message.type == wire.ACK, message
        request = self.requests[token]
        request.told_s = time.monotonic()
        if message.code:
            request.refused = message.code
            self.open[request.device] -= 1

    def _asked(self, message):
        """A device's own request."""
        key = (message.source, message.mid, message.token, message.payload)
        self.heard.setdefault(int(message.payload), time.monotonic())
        if key not in self.replies:
            self.replies[key] = wire.Message(wire.ACK, wire.code("2.04"), message.mid, message.token)
        self.peer.send(self.replies[key], message.source)

    def _answered(self, message):
        request = self.requests[message.token]
        assert self.addresses[request.device] == message.source, message
        if not request.told_s:  # an answer is an acknowledgement, too (RFC 7252 clause 5.2.2)
            self.mids.pop((message.source, request.message.mid), None)
            request.told_s = time.monotonic()
        if not request.answers:
            self.open[request.device] -= 1
        request.answers[message.mid] = message.code
        self.peer.send(wire.empty(wire.ACK, message.mid), message.source)

    # --- the books

    def all(self):
        return list(self.requests.values())

    def untold(self):
        return [r for r in self.all() if not r.told_s]

    def waiting(self):
        """Accepted, and no answer yet."""
        return [r for r in self.all() if r.accepted and not r.answers]

    def refused(self, since=0):
        return [r for r in self.all() if r.refused and r.told_s >= since]

    def accepted(self, since=0):
        return [r for r in self.all() if r.accepted and r.first_s >= since]


class Load:
    """All of it around one adapter, which the test starts."""

    RELAY = {
        "nidd_ack_timeout_ms": 2000, "retry_min_s": 1, "retry_max_s": 2, "downlink_lifetime_s": 36000,
        "queue_max_messages": 1000,
    }  # fmt: skip

    def __init__(self, stack, devices=30, requests_per_s=150, uplinks_per_s=30, seed=1):
        self.stack = stack
        self.store_server = None
        self.names = [f"dev{n}@example.org" for n in range(1, devices + 1)]
        self.scef = FakeScef(stack.scef_port)
        self.devices = Devices(self.scef, stack.callback_port, self.names)
        self.scef.answer = self.devices.delivery
        self.server = LwM2MServer(stack.server_port, self.devices, requests_per_s, uplinks_per_s, seed)

    def begin(self, store_server, **store):
        """Under way, a fifth of the devices asleep with something in their queues. `store_server` says which of the
        servers is the store just now."""
        self.store_server = store_server
        self.start(**store)
        self.sleep(self.names[::5])
        self.wait(lambda: len(self.server.waiting()) > 20, "sleeping devices have something in their queues")

    def start(self, **store):
        """The adapter with this store, and all are at work."""
        self.stack.start_adapter(self.names, store=store, relay=self.RELAY)
        ready = lambda: all(d["configuration"] == "active" for d in map(self.stack.device, self.names))  # noqa: E731
        self.wait(ready, "all configurations are active")
        for name in self.names:
            leg = self.stack.device(name)["leg"] + 1
            self.server.addresses[name] = (f"127.77.{leg >> 8}.{leg & 255}", self.stack.leg_port)
        self.server.asking = True
        self.server.start()
        self.wait_served("at the start")

    def wait(self, condition, what, timeout=120):
        def watched():
            assert self.server.fault is None, repr(self.server.fault)
            assert not self.devices.wrong, self.devices.wrong[:3]
            return condition()

        return self.stack.wait(watched, what, timeout)

    def wait_served(self, when, requests=100):
        """So many more requests are accepted and answered."""
        start = time.monotonic()
        done = lambda: sum(bool(r.answers) for r in self.server.accepted(start)) >= requests  # noqa: E731
        self.wait(done, f"{requests} requests are accepted and answered {when}")

    def wait_refused(self, when, requests=20):
        """So many more are refused with 5.03."""
        start = time.monotonic()
        self.wait(lambda: len(self.server.refused(start)) >= requests, f"{requests} requests are refused {when}")

    def wait_relayed(self, when, uplinks=20):
        """So many more uplinks are told, taken and at the server."""
        start = time.monotonic()
        done = lambda: sum(when_s >= start for when_s in list(self.server.heard.values())) >= uplinks  # noqa: E731
        self.wait(done, f"{uplinks} uplinks come to the server {when}")

    def sleep(self, names):
        self.devices.asleep.update(names)

    def wake(self):
        """All; each says so by a message of its own."""
        names, self.devices.asleep = list(self.devices.asleep), set()
        for name in names:
            self.server.spoken += 1
            self.devices.speak(name, self.server.spoken)

    def is_ready(self):
        return self.stack.admin("/readyz").status == 200

    def outage(self, fault, repair, refuses=True):
        """The load goes on all the time, before it, in it and after it."""
        fault()
        if refuses:
            self.wait_refused("while the store is in trouble")
            self.wait(lambda: not self.is_ready(), "/readyz tells")
            assert "store" in self.stack.admin("/readyz").body.decode()
        self.wait_relayed("while the store is in trouble")
        repair()
        self.wait_served("afterwards")
        self.wait(self.is_ready, "/readyz tells that all is well")

    def kill_adapter(self):
        """When nothing is under way; then it has to tell everything but once. What waits for sleeping devices is in the
        store, nothing else is, and it is there after the kill."""
        self.quiesce()
        self.wait(self.is_ready, "the store is well")
        waiting = len(self.server.waiting())
        assert waiting, "nothing is left in the queues: this would show nothing"
        self.wait(lambda: self.stored_messages() == waiting, f"the store holds the {waiting} that wait")
        self.stack.adapter.kill()
        self.stack.adapter.verify()
        self.stack.start_adapter()

    def end(self, told_within_s):
        """What is broken."""
        self.kill_adapter()
        self.drain()
        return self.judge(told_within_s)

    def stored_messages(self):
        """Downlink messages: fields of the devices' hashes that begin with an m."""
        server = self.store_server()
        connection = server.connect()
        try:
            fields = [field for key in server.keys("*:{*}") for field in connection.call("HKEYS", key)]
            return sum((field if isinstance(field, bytes) else field.encode())[:1] == b"m" for field in fields)
        finally:
            connection.close()

    def quiesce(self):
        """Nobody asks any more, and nothing is under way but what waits for devices that sleep."""
        self.server.asking = False
        self.wait(lambda: not self.server.untold(), "each request is acknowledged or refused")
        awake = lambda: [r for r in self.server.waiting() if r.device not in self.devices.asleep]  # noqa: E731
        self.wait(lambda: not awake(), "each accepted request to a device that is awake is answered")
        self.wait(lambda: not self.lost_uplinks(), "each uplink that was taken is at the server")

    def lost_uplinks(self):
        return [n for n in list(self.devices.taken) if n not in self.server.heard]

    def stop(self):
        self.server.asking, self.server.ending = False, True
        self.devices.stop()
        self.scef.close()
        with contextlib.suppress(RuntimeError):  # it was never started
            self.server.join()

    # --- the verdict

    def drain(self):
        """To the end: all awake, all queues empty."""
        self.server.asking = False
        self.wake()
        self.quiesce()
        self.wait(lambda: not any(map(self.stack.queue, self.names)), "all queues are empty")

    def judge_lost(self):
        """What is lost, one text each. All that can be asked for when the adapter died with its hands full."""
        wrong = [r for r in self.server.accepted() if any(code >> 5 != 2 for code in r.answers.values())]
        found = {
            "requests were neither acknowledged nor refused": self.server.untold(),
            "accepted requests are lost": self.server.waiting(),
            "requests were accepted and ended in an error": wrong,
            "uplinks were taken and are lost": self.lost_uplinks(),
        }
        return [f"{len(some)} {what}, like {some[0]}" for what, some in found.items() if some]

    def judge(self, told_within_s):
        """Returns what is broken, one text each. `told_within_s`: a bound, and a generous one, for the answer to a
        server's request and to a notification."""
        requests, broken = self.server.all(), self.judge_lost()

        def none(what, found):
            if found:
                broken.append(f"{len(found)} {what}, like {found[0]}")

        none("requests were answered twice", [r for r in requests if len(r.answers) > 1])
        none("requests were refused, and answered", [r for r in requests if r.refused and r.answers])
        none("requests were refused with something else than 5.03", [r for r in requests if r.refused not in (0, UNAVAILABLE)])
        carried = [r for r in requests if r.refused and self.devices.delivered[r.message.token]]
        none("requests were refused, and carried to the device", carried)
        none("requests were carried out twice", [t for t, n in self.devices.executed.items() if n > 1])
        late = [r for r in requests if r.told_s and r.told_s - r.first_s > told_within_s]
        none("requests were told nothing in time", late)
        broken += self._judge_finals()
        return broken

    def _judge_finals(self):
        finals, accepted = collections.Counter(), {}
        for event in self.stack.adapter_named("accepted"):
            if "token" in event and bytes.fromhex(event["token"]) in self.server.requests:
                accepted[event["seq"]] = bytes.fromhex(event["token"])
        for event in self.stack.adapter_named("final"):
            finals[event["seq"]] += 1
        broken = []
        several = [seq for seq in accepted if finals[seq] > 1]
        none = [seq for seq in accepted if finals[seq] == 0]
        if several or none:
            broken.append(f"{len(several)} accepted messages have several final states, {len(none)} have none")
        refused = [seq for seq, token in accepted.items() if self.server.requests[token].refused]
        if refused:
            broken.append(f"{len(refused)} requests were accepted here, and refused to the server")
        unknown = {t for t, r in self.server.requests.items() if r.accepted} - set(accepted.values())
        if unknown:
            broken.append(f"{len(unknown)} requests were acknowledged, and never told as accepted")
        return broken

    def figures(self):
        requests = self.server.all()
        told = [r.told_s - r.first_s for r in requests if r.told_s] or [0]
        refused = [r.told_s - r.first_s for r in self.server.refused()] or [0]
        return {
            "requests": len(requests),
            "accepted": len(self.server.accepted()),
            "refused": len(self.server.refused()),
            "answered": sum(bool(r.answers) for r in requests),
            "lost": len(self.server.waiting()),
            "longest wait for ACK or refusal, s": round(max(told), 2),
            "longest wait for a refusal, s": round(max(refused), 2),
            "uplinks": self.server.spoken,
            "of them taken": len(self.devices.taken),
            "and lost": len(self.lost_uplinks()),
            "longest wait for a 2xx, s": round(max(self.devices.taken_after_s, default=0), 2),
            "answers to notifications": dict(sorted(self.devices.statuses.items())),
        }
