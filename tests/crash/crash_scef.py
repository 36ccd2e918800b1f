"""A fast SCEF and the devices behind it, on asyncio, for thousands of runs: it answers well, late, not at all, buffers,
forgets configurations; devices do what CoAP asks of them and note what they have carried out."""

import asyncio
import base64
import json
from dataclasses import dataclass, field

import wire

ROOT = "/3gpp-nidd/v1/as1/configurations"
GROUP = "meters@example.org"
AGAIN_S = 0.02  # a notification that was not taken comes again
REPEAT_S = 0.1  # a device repeats a CON
CHANGED, CONTENT = wire.code("2.04"), wire.code("2.05")


@dataclass
class Uplink:
    payload: bytes
    accepted: bool = False  # told 2xx


@dataclass
class Ue:
    """What a device is, and what it remembers."""

    name: str
    group: bool = False
    mid: int = 0
    replies: dict = field(default_factory=dict)  # (mid, token) of what came: what it was answered, None: nothing yet
    executed: dict = field(default_factory=dict)  # token: the Message ID under which it was carried out
    open: dict = field(default_factory=dict)  # mid of our CON: the message, until it is acknowledged
    answered: set = field(default_factory=set)  # tokens of our requests that were
    observers: dict = field(default_factory=dict)  # token: sequence number of its notifications
    notified: dict = field(default_factory=dict)  # mid: token of the notification


class Scef(asyncio.Protocol):
    """One connection of the adapter's."""

    def __init__(self, network):
        self.network, self.buffer = network, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, rest = self.buffer.split(b"\r\n\r\n", 1)
            lines = head.decode().split("\r\n")
            length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            method, path, _ = lines[0].split()
            self.network.request(self, method, path, json.loads(body) if body else None)

    def reply(self, status, body=None, location=None):
        data = b"" if body is None else json.dumps(body).encode()
        more = f"Location: {location}\r\n" if location else ""
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n{more}"
        self.transport.write(head.encode() + b"\r\n" + data)

    def cut(self):
        self.transport.abort()


class Network:
    """The SCEF and its devices. `world` has dice, calm (from then on all goes well) and broken(text)."""

    def __init__(self, world, port, names, learned):
        self.world, self.port = world, port
        self.dice = world.dice
        self.ues = {name: Ue(name, mid=self.dice.randrange(65536)) for name in names}
        self.ues |= {name: Ue(name, group=True, mid=self.dice.randrange(65536)) for name in learned}
        self.configurations = {}  # number: (name, destination)
        self.number = 0
        self.deliveries = {}  # link: what it shows, of those that were buffered
        self.uplinks = {}  # payload: Uplink
        self.notifications = 0  # under way
        self.tasks = set()

    # ---- configurations and deliveries

    def link(self, number):
        return f"http://127.0.0.1:{self.port}{ROOT}/{number}"

    def of(self, name):
        """Number of the configuration that this device or group has."""
        return next((n for n, (owner, _) in self.configurations.items() if owner == name), None)

    def show(self, number):
        name, destination = self.configurations[number]
        key = "externalGroupId" if name == GROUP else "externalId"
        return {
            "self": self.link(number),
            key: name,
            "notificationDestination": destination,
            "maximumPacketSize": 10864,
            "status": "ACTIVE",
        }

    def forget(self):
        """As after a restart that has lost something."""
        if self.configurations:
            del self.configurations[self.dice.choice(list(self.configurations))]

    def request(self, connection, method, path, body):
        parts = path[len(ROOT) :].strip("/").split("/")
        number = int(parts[0]) if parts[0].isdigit() else None
        if method == "POST" and parts == [""]:
            self.create(connection, body)
        elif method == "GET" and parts == [""]:
            connection.reply(200, [self.show(n) for n in self.configurations])
        elif number not in self.configurations:
            connection.reply(404, {"status": 404})
        elif len(parts) == 1:
            if method == "DELETE":
                del self.configurations[number]
            connection.reply(204 if method == "DELETE" else 200, None if method == "DELETE" else self.show(number))
        elif method == "POST":
            self.deliver(connection, number, body)
        elif len(parts) == 2:
            of_this = [d for link, d in self.deliveries.items() if link.startswith(f"{self.link(number)}/")]
            connection.reply(200, [d for d in of_this if d["deliveryStatus"] == "BUFFERING"])
        else:
            delivery = self.deliveries.get(f"{self.link(number)}/{'/'.join(parts[1:])}")
            connection.reply(200 if delivery else 404, delivery or {"status": 404})

    def create(self, connection, body):
        name = body.get("externalGroupId") or body["externalId"]
        if self.of(name) is not None:
            connection.reply(409, {"status": 409})
            return
        self.number += 1
        self.configurations[self.number] = (name, body["notificationDestination"])
        if not self.world.calm and self.dice.random() < 0.1:
            connection.cut()  # made, and nobody was told
            return
        connection.reply(201, self.show(self.number), self.link(self.number))

    def deliver(self, connection, number, body):
        ue, data = self.ues[body["externalId"]], base64.b64decode(body["data"])
        what = 0.99 if self.world.calm else self.dice.random()
        if what < 0.1:  # buffered, and delivered a little later
            self.number += 1
            link = f"{self.link(number)}/downlink-data-deliveries/{self.number}"
            self.deliveries[link] = {**body, "self": link, "deliveryStatus": "BUFFERING"}
            connection.reply(201, self.deliveries[link], link)
            self.later(0.03, self.deliver_buffered, ue, data, number, link)
        elif what < 0.18:
            problem = {"status": 500, "cause": "TEMPORARILY_NOT_REACHABLE"}
            connection.reply(500, {"problemDetail": problem})
            self.later(0.02, self.ping, ue)
        elif what < 0.26:  # delivered, but nobody hears so
            self.later(0.005, self.take, ue, data)
            connection.cut()
        elif what < 0.3:
            connection.cut()
        else:
            self.later(0.002, self.take, ue, data)
            connection.reply(200, {**body, "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"})

    def deliver_buffered(self, ue, data, number, link):
        self.take(ue, data)
        self.deliveries[link]["deliveryStatus"] = "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"
        body = {"niddDownlinkDataTransfer": link, "deliveryStatus": "SUCCESS_NEXT_HOP_UNACKNOWLEDGED"}
        if number in self.configurations:
            self.notify(self.configurations[number][1], body, None)

    # ---- notifications

    def later(self, seconds, fn, *arguments):
        return asyncio.get_running_loop().call_later(seconds * self.dice.uniform(0.2, 2), fn, *arguments)

    def notify(self, destination, body, uplink):
        task = asyncio.ensure_future(self._notify(destination, body, uplink))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _notify(self, destination, body, uplink):
        """Until it is taken. An uplink goes with what configuration the device has by then."""
        self.notifications += 1
        ue = uplink and body["ue"]
        while True:
            if uplink:
                number = self.of(GROUP if ue.group else ue.name)
                data = base64.b64encode(body["data"]).decode()
                if number is not None:
                    destination = self.configurations[number][1]
                    told = {"niddConfiguration": self.link(number), "externalId": ue.name, "data": data}
            else:
                told = body
            if destination and 200 <= await post(destination, told) < 300:
                break
            destination = None if uplink else destination
            await asyncio.sleep(AGAIN_S)
        if uplink:
            uplink.accepted = True
        self.notifications -= 1

    # ---- devices

    def ping(self, ue):
        """Which says that it is awake."""
        self.say(ue, wire.empty(wire.CON, self.next_mid(ue)), None)

    def next_mid(self, ue):
        ue.mid = (ue.mid + 1) & 0xFFFF
        return ue.mid

    def say(self, ue, message, payload):
        """`payload` makes it one that must reach a server."""
        uplink = self.uplinks.setdefault(payload, Uplink(payload)) if payload else Uplink(b"")
        self.notify(None, {"ue": ue, "data": message.encode()}, uplink)

    def say_con(self, ue, message, payload=None):
        ue.open[message.mid] = message
        self.repeat(ue, message, payload)

    def repeat(self, ue, message, payload):
        if ue.open.get(message.mid) is message:
            self.say(ue, message, payload)
            self.later(REPEAT_S, self.repeat, ue, message, payload)

    def take(self, ue, data):
        """A downlink has come to the device."""
        message = wire.decode(data)
        if message.type in (wire.ACK, wire.RST):
            ue.open.pop(message.mid, None)
            if message.type == wire.RST:
                ue.observers.pop(ue.notified.get(message.mid), None)
            if message.code:
                ue.answered.add(message.token)
        elif message.code >> 5:  # a separate response
            ue.answered.add(message.token)
            for mid in [mid for mid, asked in ue.open.items() if asked.token == message.token]:
                del ue.open[mid]
            if message.type == wire.CON:
                self.say(ue, wire.empty(wire.ACK, message.mid), None)
        elif message.code:
            self.asked(ue, message)

    def asked(self, ue, message):
        key = (message.mid, message.token)
        if key in ue.replies:
            if ue.replies[key]:
                self.say(ue, ue.replies[key], None)
            return
        if message.token in ue.executed:
            self.world.broken(f"{ue.name} got {message.token.hex()} under two Message IDs")
        ue.executed[message.token] = message.mid
        code = CONTENT if message.code == wire.GET else CHANGED
        payload = b"r" + message.token
        options = []
        if message.option(wire.OBSERVE):
            options.append((wire.OBSERVE, b"\1"))
            ue.observers[message.token] = 1
        answer = wire.Message(wire.ACK, code, message.mid, message.token, options, payload)
        what = 1 if options or self.world.calm else self.dice.random()
        if what < 0.04:
            ue.replies[key] = wire.empty(wire.RST, message.mid)
        elif what < 0.2:  # it takes a while
            ue.replies[key] = wire.empty(wire.ACK, message.mid)
            separate = wire.Message(wire.CON, code, self.next_mid(ue), message.token, [], payload)
            self.later(0.01, self.say_con, ue, separate)
        else:
            ue.replies[key] = answer
            if what < 0.3:
                return  # lost by the radio; the request comes again
        self.say(ue, ue.replies[key], None)


async def post(url, body):
    """HTTP status; 0: there was no answer."""
    host, port = url.split("/")[2].split(":")
    path = "/" + url.split("/", 3)[3]
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    writer = None
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + data)
        line = await reader.readline()
        return int(line.split()[1]) if line else 0
    except OSError:
        return 0
    finally:
        if writer:
            writer.close()
