"""Real messages through the adapter while everything around it goes mad: devices and an LwM2M server made of bare CoAP, and
the books that are kept of them.

The books hold what was accepted: a request of the server that got its empty ACK, an uplink whose notification got a 2xx.
"""

import base64
import heapq
import http.client
import itertools
import json
import queue
import random
import threading
import time
from dataclasses import dataclass, field

import wire

OUTSTANDING = 3  # requests of the server per device
REPEAT_S = 1.0  # of what is not acknowledged
LOST_S = 60.0  # until an answer that was not repeated is given up
REFUSED_S = 0.5  # until a device is asked again after an error


@dataclass
class Uplink:
    """A message of a device, to be told until the adapter takes it or the network gives up."""

    device: str
    data: bytes
    number: int = 0  # in the books; 0: an answer, or a repetition
    tries: int = 0


@dataclass
class Request:
    """Of the server."""

    device: str
    message: wire.Message
    sent: float = 0
    acknowledged: bool = False
    closed: bool = False
    refused: int = 0  # the code it was refused with
    answers: list = field(default_factory=list)


class Clockwork(threading.Thread):
    """Does things later."""

    def __init__(self):
        super().__init__(daemon=True)
        self.heap, self.order, self.wake, self.running = [], itertools.count(), threading.Condition(), True

    def at(self, seconds, what, *arguments):
        with self.wake:
            heapq.heappush(self.heap, (time.monotonic() + seconds, next(self.order), what, arguments))
            self.wake.notify()

    def run(self):
        while self.running:
            with self.wake:
                now = time.monotonic()
                if not self.heap or self.heap[0][0] > now:
                    self.wake.wait(min(self.heap[0][0] - now, 0.2) if self.heap else 0.2)
                    continue
                _, _, what, arguments = heapq.heappop(self.heap)
            what(*arguments)


def manner(token):
    """How a device answers this request: 0 to 1."""
    return random.Random(token).random()


def answered_by_non(token):
    return 0.85 <= manner(token) < 0.9


class Device:
    """A client that answers what it is asked, each request in a manner of its own; a repetition is answered again."""

    def __init__(self, name, seed, clockwork, say):
        self.name, self.clockwork, self.say = name, clockwork, say
        self.dice = random.Random(f"{seed} {name}")
        self.mid = 0
        self.reactions = {}  # mid of a request: how often it came, its message
        self.asked = {}  # mid: own CON that has no answer yet
        self.wrong = []

    def next_mid(self):
        self.mid = self.mid % 65535 + 1
        return self.mid

    def take(self, data):
        """A message that the network delivered."""
        message = wire.decode(data)
        if message.code == 0 or message.code >= 64:
            self.asked.pop(message.mid, None)
            if message.type == wire.CON:
                self.say(Uplink(self.name, wire.empty(wire.ACK, message.mid).encode()))
            return
        times, token = self.reactions.get(message.mid, (0, message.token))
        if token != message.token:
            times = 0  # 65,535 messages later, or so
        self.reactions[message.mid] = (times + 1, message.token)
        self.react(message, times)

    def react(self, message, times):
        how = manner(message.token)
        code = wire.code("2.05") if message.code == wire.GET else wire.code("2.04")
        if message.type == wire.NON:
            answer = [wire.Message(wire.NON, code, self.next_mid(), message.token, [], b"n")]
        elif how < 0.8:
            answer = [wire.Message(wire.ACK, code, message.mid, message.token, [], b"value")]
        elif how < 0.9:
            kind = wire.NON if answered_by_non(message.token) else wire.CON
            separate = wire.Message(kind, code, self.next_mid(), message.token, [], b"late")
            answer = [wire.empty(wire.ACK, message.mid), separate]
        elif how < 0.95:
            answer = [wire.empty(wire.RST, message.mid)]
        elif times == 0:
            return  # not heard
        else:
            answer = [wire.Message(wire.ACK, code, message.mid, message.token, [], b"value")]
        for n, one in enumerate(answer):
            self.clockwork.at(0.02 + 0.2 * n, self.say, Uplink(self.name, one.encode()))

    def speak(self, number):
        """A message of its own, CON or NON, with its number in the books as payload."""
        kind = self.dice.choice([wire.CON, wire.NON])
        mid = self.next_mid()
        message = wire.request(wire.POST, "/dp", mid, mid.to_bytes(2, "big"), kind, payload=b"%d" % number).encode()
        self.say(Uplink(self.name, message, number))
        if kind == wire.CON:
            self.asked[mid] = message
            self.clockwork.at(3, self.repeat, mid, message, 3)

    def repeat(self, mid, message, left):
        if left and self.asked.get(mid) is message:
            self.say(Uplink(self.name, message))
            self.clockwork.at(3, self.repeat, mid, message, left - 1)


class Network:
    """The callbacks of a SCEF that does its work: so many at once, and again when the adapter did not take it."""

    WORKERS, TRIES = 4, 1500

    def __init__(self, port, seed, clockwork):
        self.port, self.clockwork = port, clockwork
        self.scef = None  # whose it is
        self.dice = random.Random(f"{seed} network")
        self.jobs = queue.Queue()
        self.accepted = {}  # number in the books: (is it a CON, when)
        self.given_up = 0
        self.busy = 0
        for _ in range(self.WORKERS):
            threading.Thread(target=self._work, daemon=True).start()

    def say(self, uplink):
        self.jobs.put(uplink)

    def notify(self, body, after):
        """What is no uplink."""
        self.clockwork.at(after, self.jobs.put, body)

    def _work(self):
        connection = None
        while (job := self.jobs.get()) is not None:
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                self._one(connection, job)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                self._again(job)

    def _one(self, connection, job):
        body = job
        if isinstance(job, Uplink):
            link = self.scef.link_of(job.device)
            if link is None:
                self._again(job)
                return
            body = {"niddConfiguration": link, "externalId": job.device, "data": base64.b64encode(job.data).decode()}
        connection.request("POST", self.scef.callback_path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 204):
            self._again(job)
        elif isinstance(job, Uplink):
            if job.number:
                is_con = job.data[0] >> 4 & 3 == wire.CON
                self.accepted.setdefault(job.number, (is_con, time.monotonic()))
            if self.dice.random() < 0.1:
                self.clockwork.at(0.3, self.jobs.put, Uplink(job.device, job.data))  # told twice

    def _again(self, job):
        if isinstance(job, Uplink):
            job.tries += 1
            if job.tries < self.TRIES:
                self.clockwork.at(0.5, self.jobs.put, job)
            else:
                self.given_up += 1

    def stop(self):
        for _ in range(self.WORKERS):
            self.jobs.put(None)


class Server(threading.Thread):
    """An LwM2M server that keeps every device busy; now and then it is deaf, or gone."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port = port
        self.peer = wire.Peer(at=("127.0.0.1", port))
        self.dice = random.Random(f"{seed} server")
        self.addresses = {}  # device: its address
        self.requests = {}  # token: Request
        self.waiting = {}  # of those: not acknowledged yet
        self.open = {}  # device: how many have no end yet
        self.mids = {}
        self.heard = {}  # number in the books: the address it came from
        self.replies = {}  # (source, mid): what it was answered
        self.not_before = {}  # device: it was refused something
        self.fragile = {}  # token: a request whose answer is not repeated
        self.asking = self.deaf = self.ending = False
        self.gone_for = 0
        self.absences = []  # (from, to): datagrams were nobody's
        self.next_mid = 0
        self.fault = None

    def run(self):
        try:
            while not self.ending:
                message = self.peer.receive(0.02)
                if message:
                    self.take(message)
                self.ask_and_repeat()
                if self.gone_for:
                    self.be_gone()
        except Exception as error:  # told by the soak, which would wait in vain otherwise
            self.fault = error
            raise

    def be_gone(self):
        """Nobody listens at the port; what is sent there meets ICMP."""
        start = time.monotonic()
        while message := self.peer.receive(0.01):
            self.take(message)
        self.peer.close()
        time.sleep(self.gone_for)
        self.peer = wire.Peer(at=("127.0.0.1", self.port))
        self.absences.append((start, time.monotonic()))
        self.gone_for = 0

    def take(self, message):
        if self.deaf and message.type == wire.CON:
            return
        if message.type in (wire.ACK, wire.RST):
            self.acknowledged(message)
        elif message.code == 0:
            self.peer.send(wire.empty(wire.RST, message.mid), message.source)  # are you there?
        elif message.code < 64:
            self.asked(message)
        else:
            self.answered(message)
            if message.type == wire.CON:
                self.peer.send(wire.empty(wire.ACK, message.mid), message.source)

    def acknowledged(self, message):
        token = self.mids.get((message.source, message.mid))
        request = self.waiting.pop(token, None)
        if request is None:
            return
        if message.code or message.type == wire.RST:
            request.refused = message.code or -1
            self.close(request)
            self.not_before[request.device] = time.monotonic() + REFUSED_S
        else:
            request.acknowledged = True
            if answered_by_non(token):
                self.fragile[token] = request

    def close(self, request):
        """Another one may be asked in its place."""
        if not request.closed:
            request.closed = True
            self.open[request.device] -= 1

    def answered(self, message):
        request = self.requests.get(message.token)
        if request is None or self.addresses[request.device] != message.source:
            return  # of a device that makes noise
        if request.message.type == wire.CON:
            self.waiting.pop(message.token, None)  # an answer is an acknowledgement, too
            self.fragile.pop(message.token, None)
            self.close(request)
        if message.code >= wire.code("5.00"):
            self.not_before[request.device] = time.monotonic() + REFUSED_S
        request.answers.append((message.code, message.mid))

    def asked(self, message):
        key = (message.source, message.mid, message.data)
        reply = self.replies.get(key)
        if reply is None:
            if message.payload and message.payload.isdigit():
                self.heard.setdefault(int(message.payload), message.source)
            kind = wire.ACK if message.type == wire.CON else wire.NON
            mid = message.mid if kind == wire.ACK else self.dice.randrange(65536)
            reply = wire.Message(kind, wire.code("2.04"), mid, message.token)
            self.replies[key] = reply
        self.peer.send(reply, message.source)

    def ask_and_repeat(self):
        now = time.monotonic()
        if self.asking:
            for device, address in self.addresses.items():
                while self.open.setdefault(device, 0) < OUTSTANDING and now >= self.not_before.get(device, 0):
                    self.ask(device, address)
        for token in [t for t, r in self.fragile.items() if now - r.sent > LOST_S]:
            self.close(self.fragile.pop(token))  # its NON answer met no listener, it seems
        for request in list(self.waiting.values()):
            if now - request.sent > REPEAT_S:
                request.sent = now
                self.peer.send(request.message, self.addresses[request.device])

    def ask(self, device, address):
        number = len(self.requests) + 1
        token = b"s" + number.to_bytes(4, "big")
        method, path, payload = self.dice.choice(
            [(wire.GET, "/3/0/0", b""), (wire.PUT, "/3/0/15", b"zone %d" % number), (wire.POST, "/3/0/4", b"")]
        )
        kind = wire.NON if self.dice.random() < 0.05 else wire.CON
        self.next_mid = self.next_mid % 65535 + 1
        message = wire.request(method, path, self.next_mid, token, kind, payload=payload)
        self.mids[address, message.mid] = token
        self.requests[token] = request = Request(device, message, time.monotonic())
        if kind == wire.CON:
            self.open[device] += 1
            self.waiting[token] = request
        self.peer.send(message, address)

    # ---- what must come true

    def unanswered(self):
        """Accepted, and no answer yet. A NON that met no listener is nobody's fault."""
        return [
            r for r in list(self.requests.values())
            if r.acknowledged and not r.answers and not (answered_by_non(r.message.token) and self.absences)
        ]  # fmt: skip

    def was_gone(self, when):
        return any(start - 1 < when < end + 1 for start, end in self.absences)
