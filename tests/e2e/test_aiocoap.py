"""An independent CoAP implementation, aiocoap of Debian, as a device on the air interface and as an LwM2M server."""

import asyncio
import socket

import aiocoap
import aiocoap.resource
import pytest
from aiocoap import CHANGED, CONTENT, CREATED, GET, POST, PUT, Message
from stack import endpoint, external_id, free_ports

DEVICE = external_id(1)
pytestmark = pytest.mark.skipif(
    not socket.has_ipv6 or not open("/proc/net/if_inet6").read(), reason="aiocoap needs IPv6 for its UDP"
)


def bounded(coroutine, timeout=60):
    return asyncio.run(asyncio.wait_for(coroutine, timeout))


async def waited(stack, condition, what):
    return await asyncio.to_thread(stack.wait, condition, what)


# --- as a device -------------------------------------------------------------------------------------------------


class Value(aiocoap.resource.ObservableResource):
    """A resource that takes `delay_s` for its answers."""

    def __init__(self, payload, delay_s=0):
        super().__init__()
        self.payload, self.delay_s = payload, delay_s
        self.executed = 0

    async def render_get(self, request):
        await asyncio.sleep(self.delay_s)
        return Message(payload=self.payload)

    async def render_put(self, request):
        self.payload = request.payload
        return Message(code=CHANGED)

    async def render_post(self, request):
        await asyncio.sleep(self.delay_s)
        self.executed += 1
        return Message(code=CHANGED)

    def change(self, payload):
        self.payload = payload
        self.updated_state()


class Device:
    """Objects 1 and 3, as far as needed, and one socket for both directions."""

    def __init__(self, air_port):
        self.uri = f"coap://127.0.0.1:{air_port}"
        self.battery, self.name = Value(b"90"), Value(b"aiocoap")
        self.slow, self.reboot = Value(b"slow", 0.5), Value(b"", 0.5)

    async def start(self):
        site = aiocoap.resource.Site()
        for path, value in (("0", self.name), ("2", self.slow), ("4", self.reboot), ("9", self.battery)):
            site.add_resource(["3", "0", path], value)
        self.context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", free_ports()))

    async def register(self):
        uri = f"{self.uri}/rd?ep={endpoint(1)}&lt=600&lwm2m=1.1&b=U"
        return await self.context.request(Message(code=POST, uri=uri, payload=b"</3/0>", content_format=40)).response


OPERATIONS = (
    "read /3/0/0",
    "read /3/0/2",
    "non read /3/0/0",
    "non read /3/0/2",
    "write /3/0/0 renamed",
    "read /3/0/0",
    "execute /3/0/4",
    "expect 4.04 read /3/0/77",
    "observe /3/0/9",
    "wait-notify /3/0/9 3",
)


def test_as_a_device(stack):
    air = free_ports()
    stack.start_server(*OPERATIONS)
    stack.start_scef([{"external_id": DEVICE, "client": "air", "air": f"127.0.0.1:{air}", "psm": False}])
    stack.start_adapter([DEVICE])

    async def life():
        device = Device(air)
        await device.start()
        answer = await device.register()
        assert answer.code == CREATED and answer.opt.location_path[0] == "rd"
        await waited(stack, lambda: stack.server.named("response", path="/3/0/9"), "it is observed")
        for value in (b"89", b"88", b"87"):
            device.battery.change(value)
            await waited(stack, lambda v=value: stack.server.named("notify", payload=v.decode()), "it is notified")
        await waited(stack, lambda: stack.server.named("done"), "the script ends")
        update = Message(code=POST, uri=f"{device.uri}/{'/'.join(answer.opt.location_path)}")
        assert (await device.context.request(update).response).code == CHANGED
        await device.context.shutdown()
        return device

    device = bounded(life())
    assert stack.server.named("done")[0]["ok"], stack.server.named("failed")
    assert device.reboot.executed == 1
    answers = {(e["path"], e.get("payload")) for e in stack.server.named("response", op="read", code="2.05")}
    assert answers == {("/3/0/0", "aiocoap"), ("/3/0/2", "slow"), ("/3/0/0", "renamed")}
    assert not stack.server.named("duplicate")

    stack.read()
    cost = {}
    for exchange in stack.exchanges.all:
        name = stack.operations.name(exchange) + ("" if exchange.confirmable else " (NON)")
        cost.setdefault(name, set()).add(exchange.nas)
    # Those that answer separately need the two empty ACKs of CoAP, and no message more.
    separate = {"read /3/0/2": {4}, "execute /3/0/4": {4}}
    for name, counts in cost.items():
        if not name.endswith("(NON)"):
            assert counts == separate.get(name, {2}), cost
    assert {"register", "update", "notify CON", "read /3/0/2", "write /3/0/0"} <= set(cost)


# --- as a server -------------------------------------------------------------------------------------------------


class Registrations(aiocoap.resource.Resource):
    """POST /rd. Answers late when asked to: aiocoap then sends an empty ACK, and the answer separately."""

    def __init__(self, delay_s):
        super().__init__()
        self.delay_s = delay_s
        self.devices = asyncio.Queue()

    async def render_post(self, request):
        await asyncio.sleep(self.delay_s)
        await self.devices.put((dict(q.split("=", 1) for q in request.opt.uri_query), request.remote.uri_base))
        return Message(code=CREATED, location_path=["rd", "1"])


class Updates(aiocoap.resource.Resource):
    async def render_post(self, request):
        return Message(code=CHANGED)


@pytest.mark.parametrize(
    "asleep, delay_s", ((False, 0), (True, 0.5)), ids=("awake, piggybacked answers", "asleep, separate answers")
)
def test_as_a_server(stack, asleep, delay_s):
    sleep = {"psm": True, "active_time_s": 1, "update_period_s": 3} if asleep else {"psm": False}
    stack.start_scef([{"external_id": DEVICE, "notify_period_s": 1, "delay_ms": [5, 20], **sleep}])

    async def life():
        site, registrations = aiocoap.resource.Site(), Registrations(delay_s)
        site.add_resource(["rd"], registrations)
        site.add_resource(["rd", "1"], Updates())
        context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", stack.server_port))
        await asyncio.to_thread(stack.start_adapter, [DEVICE])
        query, base = await registrations.devices.get()
        assert query["ep"] == endpoint(1)
        if asleep:
            await waited(stack, lambda: not stack.control("GET", f"/ues/{DEVICE}")["awake"], "the device sleeps")

        async def ask(code, path, payload=b""):
            message = Message(code=code, uri=f"{base}{path}", payload=payload)
            return await context.request(message).response

        assert (await ask(GET, "/3/0/0")).payload == b"scef-sim"
        assert (await ask(PUT, "/3/0/15", b"Europe/Berlin")).code == CHANGED
        if asleep:
            await waited(stack, lambda: not stack.control("GET", f"/ues/{DEVICE}")["awake"], "the device sleeps again")
        assert (await ask(GET, "/3/0/15")).payload == b"Europe/Berlin"
        assert (await ask(POST, "/3/0/4")).code == CHANGED

        observed = context.request(Message(code=GET, observe=0, uri=f"{base}/3/0/13"))
        first = await observed.response
        assert first.code == CONTENT and first.opt.observe is not None
        seen = [first.payload]
        async for notification in observed.observation:
            seen.append(notification.payload)
            if len(seen) == 4:
                break
        assert seen == sorted(seen) and len(set(seen)) > 1
        await context.shutdown()

    bounded(life())
    stack.read()
    costs = {(e.asked_by, e.nas) for e in stack.exchanges.all if e.answered() and e.confirmable}
    assert costs == {("device", 2), ("server", 2), ("notify", 2)}
    assert stack.control("GET", f"/ues/{DEVICE}")["executions"] == 1
