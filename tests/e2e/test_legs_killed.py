"""kill -9 of the adapter in the middle of an observation: what the device tells reaches the server from where it came before, and
nothing is answered twice."""

import legs
import pytest
import wire
from stack import endpoint, external_id, free_ports

DEVICE = external_id(1)
CREATED, CHANGED, CONTENT = (wire.code(text) for text in ("2.01", "2.04", "2.05"))


class World:
    def __init__(self, stack, scheme):
        self.stack, air = stack, free_ports()
        ue = {"external_id": DEVICE, "air": f"127.0.0.1:{air}", "client": "air", "psm": False}
        stack.start_scef([ue], notification_retries=1000, notification_retry_ms=100)
        self.device = wire.Peer(("127.0.0.1", air))
        self.server = wire.Peer(at=("127.0.0.1", stack.server_port))
        stack.start_adapter([DEVICE], servers=legs.servers(stack, scheme))
        self.place = None  # of the device, as the server sees it
        self.given = {}  # (Message ID, token) of a request: the device's answer

    def again(self):
        self.stack.adapter.kill()
        self.stack.start_adapter()
        self.stack.wait(lambda: self.stack.device(DEVICE)["configuration"] == "active", "it is configured")

    def at_server(self, **members):
        """The next such message; it comes from where all came from."""
        message = self.server.expect(**members)
        assert self.place in (None, message.source)
        self.place = message.source
        return message

    def answers(self, asked, code, options=(), payload=b""):
        """The device does."""
        answer = wire.Message(wire.ACK, code, asked.mid, asked.token, list(options), payload)
        self.given[asked.mid, asked.token] = answer
        self.device.send(answer)

    def settle(self, *repeated):
        """What had just ended when the adapter died, before the store had let go of it, may come again. Both ends recognise
        it (RFC 7252 clause 4.5): the device by the Message ID, the server by the token. What the network told twice, since
        the adapter died before its 204, may be acknowledged twice, as the device's repetition would be."""
        while message := self.device.receive(0.5):
            if message.type == wire.ACK:
                assert message.mid in repeated
                continue
            self.device.send(self.given[message.mid, message.token])
        tokens = {token for _, token in self.given}
        while message := self.server.receive(0.5):
            assert message.source == self.place and message.token in tokens and message.type == wire.CON, message
            self.says(wire.empty(wire.ACK, message.mid))

    def says(self, message):
        self.server.send(message, self.place)

    def observe(self):
        """A registration, and an observation by the server."""
        self.device.send(wire.registration(endpoint(1), 1, b"r"))
        request = self.at_server(code=wire.POST)
        self.says(wire.Message(wire.ACK, CREATED, request.mid, request.token))
        assert self.device.expect(type=wire.ACK).code == CREATED
        self.says(wire.request(wire.GET, "/3/0/9", 7, b"ob", options=[(wire.OBSERVE, b"")]))
        assert self.at_server(mid=7).type == wire.ACK
        asked = self.device.expect(code=wire.GET)
        self.answers(asked, CONTENT, [(wire.OBSERVE, b"\x01")], b"100")
        answer = self.at_server(token=b"ob")
        assert (answer.type, answer.payload) == (wire.CON, b"100")
        self.says(wire.empty(wire.ACK, answer.mid))
        self.stack.wait(lambda: self.stack.queue(DEVICE) == [], "the answer is the server's")

    def tells(self, kind, number, mid):
        """The device notifies."""
        value = b"%d" % (100 - number)
        self.device.send(wire.Message(kind, CONTENT, mid, b"ob", [(wire.OBSERVE, bytes([number]))], value))

    def told(self, kind, number):
        message = self.at_server(payload=b"%d" % (100 - number))
        assert (message.type, message.token) == (kind, b"ob")
        assert message.option(wire.OBSERVE) == [bytes([number])]
        if kind == wire.CON:
            self.says(wire.empty(wire.ACK, message.mid))
        return message

    def silence(self):
        assert self.server.receive(1) is None
        assert self.device.receive(0.2) is None


@pytest.fixture(params=["coap", "coaps"])
def world(stack, request):
    world = World(stack, request.param)
    yield world
    world.device.close()
    world.server.close()


def test_notifications_go_on(world):
    world.observe()
    world.again()
    world.tells(wire.NON, 2, 102)
    world.told(wire.NON, 2)
    world.settle()
    for number, kind in enumerate((wire.CON, wire.NON, wire.CON), start=3):
        world.again()
        world.tells(kind, number, 100 + number)
        world.told(kind, number)
        if kind == wire.CON:
            assert world.device.expect(type=wire.ACK, mid=100 + number).code == 0
        world.silence()
    # The observation was asked for once, or by one Message ID.
    asked = [e for e in world.stack.nas(what="sent", token=b"ob".hex(), type="CON") if e["dir"] == "mt"]
    assert len({e["mid"] for e in asked}) == 1
    assert world.stack.queue(DEVICE) == []


def test_notification_during_the_kill(world):
    """It is under way to the server that does not acknowledge it; the device repeats it to the next process."""
    world.observe()
    world.tells(wire.CON, 2, 102)
    first = world.at_server(payload=b"98")
    world.again()
    world.tells(wire.CON, 2, 102)
    second = world.told(wire.CON, 2)
    assert (second.data, second.mid) == (first.data, first.mid)  # RFC 7252 clause 4.5: the server recognises it
    assert world.device.expect(type=wire.ACK, mid=102).code == 0
    world.settle(102)
    world.silence()
    # And what the SCEF could not tell while nobody was there comes after it.
    world.stack.adapter.kill()
    world.tells(wire.NON, 3, 103)
    world.stack.start_adapter()
    world.told(wire.NON, 3)
    world.silence()


def test_requests_during_the_kill(world):
    """One of each end; each is answered once, and carried out once."""
    world.observe()
    world.device.send(wire.request(wire.POST, "/rd/7", 2, b"u"))
    first = world.at_server(token=b"u")
    world.again()
    world.device.send(wire.request(wire.POST, "/rd/7", 2, b"u"))
    second = world.at_server(token=b"u")
    assert second.data == first.data
    world.says(wire.Message(wire.ACK, CHANGED, second.mid, b"u"))
    assert world.device.expect(type=wire.ACK, mid=2).code == CHANGED
    world.settle(2)

    world.says(wire.request(wire.POST, "/3/0/4", 8, b"x"))
    assert world.at_server(mid=8).type == wire.ACK
    asked = world.device.expect(code=wire.POST)
    world.again()
    world.answers(asked, CHANGED)
    answer = world.at_server(token=b"x")
    assert (answer.type, answer.code) == (wire.CON, CHANGED)
    world.says(wire.empty(wire.ACK, answer.mid))
    world.stack.wait(lambda: world.stack.queue(DEVICE) == [], "it is answered")
    world.again()
    world.tells(wire.NON, 2, 102)
    world.told(wire.NON, 2)
    world.settle()
    world.silence()
