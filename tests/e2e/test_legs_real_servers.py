"""Servers that are nobody's of ours, libcoap's and aiocoap's, in each mode of the server legs and by each transport they speak:
devices register, are observed, and notify."""

import asyncio
import contextlib
import ipaddress
import threading

import aiocoap
import aiocoap.resource
import leg_modes
import pytest
import stream_wire
import wire
from legs import SCHEMES
from stack import endpoint, external_id, free_ports

DEVICES = 2
CREATED, CONTENT = wire.code("2.01"), wire.code("2.05")


class Chain:
    def __init__(self, stack, mode):
        self.stack = stack
        self.host, self.server_leg = leg_modes.leg_mode(mode, stack.leg_port, DEVICES)
        self.authority = stream_wire.Authority(stack.directory, "ca")
        self.files = self.authority.issue(self.host)
        air = free_ports(DEVICES)
        stack.start_scef(
            [
                {"external_id": external_id(n), "air": f"127.0.0.1:{air + n - 1}", "client": "air", "psm": False}
                for n in range(1, DEVICES + 1)
            ]
        )
        self.devices = [wire.Peer(("127.0.0.1", air + n)) for n in range(DEVICES)]

    def start_adapter(self, scheme):
        secure = {"ca_file": str(self.authority.path)} if scheme.startswith("coaps") else {}
        server = {"name": "main", "uri": leg_modes.uri(scheme, self.host, self.stack.server_port), **secure}
        devices = [external_id(n) for n in range(1, DEVICES + 1)]
        self.stack.start_adapter(devices, servers=[server], server_leg=self.server_leg)

    def register_and_notify(self):
        """Each registers, answers the observation that the server begins then, and notifies twice."""
        for n, device in enumerate(self.devices, start=1):
            device.send(wire.registration(endpoint(n), n, b"r%d" % n))
            created = asked = None
            while not (created and asked):  # they come in any order
                message = device.receive()
                created, asked = (created, message) if message.code == wire.GET else (message, asked)
            assert (created.type, created.code, created.mid, created.token) == (wire.ACK, CREATED, n, b"r%d" % n)
            assert created.option(wire.LOCATION_PATH) == [b"rd", b"7"]
            assert (asked.path(), asked.option(wire.OBSERVE)) == ("/3/0/9", [b""])
            kinds = (wire.ACK, wire.NON, wire.CON)
            for number, kind in enumerate(kinds, start=1):
                mid = asked.mid if kind == wire.ACK else 100 + number
                observe = [(wire.OBSERVE, bytes([number]))]
                device.send(wire.Message(kind, CONTENT, mid, asked.token, observe, b"%d of %d" % (number, n)))
            assert device.expect(type=wire.ACK, mid=103).code == 0

    def close(self):
        for device in self.devices:
            device.close()


PAYLOADS = sorted(f"{number} of {n}" for n in range(1, DEVICES + 1) for number in (1, 2, 3))


@contextlib.contextmanager
def started(stack, mode):
    with leg_modes.network(mode):
        chain = Chain(stack, mode)
        try:
            yield chain
            stack.finish()
        finally:
            chain.close()
            stack.kill_all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("mode", leg_modes.MODES)
def test_libcoap(stack, mode, scheme):
    with started(stack, mode) as chain:
        server = stack.start("libcoap_server", scheme, chain.host, stack.server_port, *chain.files)
        stack.wait(lambda: server.named("listening"), "the server is there")
        chain.start_adapter(scheme)
        chain.register_and_notify()
        stack.wait(lambda: len(server.named("content")) >= len(PAYLOADS), "all notifications are the server's")
        assert sorted(e["payload"] for e in server.named("content")) == PAYLOADS
        registered = server.named("registered")
        assert [f"ep={endpoint(n)}" in e["query"] for n, e in enumerate(registered, start=1)] == [True] * DEVICES
        ends = [e["from"].rsplit(":", 1) for e in registered]
        assert len({tuple(end) for end in ends}) == DEVICES
        hosts = [ipaddress.ip_address(host.strip("[]")) for host, _ in ends]
        if mode == "ports":
            assert {str(host) for host in hosts} == {"127.0.0.1"}
        else:
            prefix = ipaddress.ip_network(chain.server_leg["prefix"])
            assert all(host in prefix for host in hosts) and len(set(hosts)) == DEVICES


# --- aiocoap, whose own servers by datagrams are in test_aiocoap.py ----------------------------------------------


class Directory(aiocoap.resource.Resource):
    """Observes each device that registers, on the connection that it came by."""

    def __init__(self):
        super().__init__()
        self.context, self.payloads, self.remotes, self.tasks = None, [], [], []

    async def render_post(self, request):
        self.remotes.append(request.remote)
        self.tasks.append(asyncio.create_task(self.observe(request.remote)))
        created = aiocoap.Message(code=aiocoap.CREATED)
        created.opt.location_path = ("rd", "7")
        return created

    async def observe(self, remote):
        message = aiocoap.Message(code=aiocoap.GET, observe=0)
        message.remote, message.opt.uri_path = remote, ("3", "0", "9")
        asked = self.context.request(message)
        self.payloads.append((await asked.response).payload.decode())
        async for notification in asked.observation:
            self.payloads.append(notification.payload.decode())


class AiocoapServer:
    """Runs in a thread of its own."""

    def __init__(self, scheme, host, port, files):
        self.directory, self.loop = Directory(), asyncio.new_event_loop()
        self.listening = threading.Event()
        tls = scheme == "coaps+tcp"
        self.options = {
            # Its port for TLS is the next one to what it is told.
            "bind": (host, port - (1 if tls else 0)),
            "_ssl_context": stream_wire.server_context(*files) if tls else None,
            "transports": ["tlsserver" if tls else "tcpserver"],
        }

    async def serve(self):
        self.stop = asyncio.Event()
        site = aiocoap.resource.Site()
        site.add_resource(["rd"], self.directory)
        self.directory.context = await aiocoap.Context.create_server_context(site, **self.options)
        self.listening.set()
        await self.stop.wait()
        for task in self.directory.tasks:
            task.cancel()
        await self.directory.context.shutdown()

    def __enter__(self):
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self.serve()))
        self.thread.start()
        assert self.listening.wait(20)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(20)
        self.loop.close()


@pytest.mark.parametrize("scheme", ("coap+tcp", "coaps+tcp"))
@pytest.mark.parametrize("mode", leg_modes.MODES)
def test_aiocoap_by_connections(stack, mode, scheme):
    with started(stack, mode) as chain:
        with AiocoapServer(scheme, chain.host, stack.server_port, chain.files) as server:
            chain.start_adapter(scheme)
            chain.register_and_notify()
            heard = server.directory.payloads
            # It skips a notification that the next one overtakes before it was looked at.
            needed = {payload for payload in PAYLOADS if payload[0] != "2"}
            stack.wait(lambda: needed <= set(heard), "the first and the last of each device are the server's")
            assert set(heard) <= set(PAYLOADS) and len(set(heard)) == len(heard)
            assert len(set(server.directory.remotes)) == DEVICES
            stack.adapter.stop()
