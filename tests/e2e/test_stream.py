"""LwM2M servers that are spoken to by TCP and TLS (RFC 8323): what devices and servers see, also of bad servers."""

import asyncio
import json
import signal as signals
import ssl
import threading
import time

import aiocoap
import aiocoap.resource
import pytest
import stream_wire
import wire
from stack import endpoint, external_id, free_ports
from stream_wire import ABORT, CSM, PING, PONG, RELEASE, Server, signal

LOCATION = [(wire.LOCATION_PATH, b"rd"), (wire.LOCATION_PATH, b"7")]


class Device:
    """A device on the air interface that speaks when the test says so."""

    def __init__(self, number, air_port):
        self.id, self.name = external_id(number), endpoint(number)
        self.peer = wire.Peer(("127.0.0.1", air_port))

    def register(self, mid=1, token=b"\x01"):
        self.peer.send(wire.registration(self.name, mid, token))


class Chain:
    def __init__(self, stack):
        self.stack = stack
        self.devices = []

    def start(self, uri, count=1, devices=None, **server):
        """`devices`: members of each in the configuration."""
        air = free_ports(count)
        numbers = range(1, count + 1)
        self.stack.start_scef(
            [
                {"external_id": external_id(n), "air": f"127.0.0.1:{air + n - 1}", "client": "air", "psm": False}
                for n in numbers
            ]
        )
        servers = [{"name": "main", "uri": uri, **{key: str(value) for key, value in server.items()}}]
        listed = [{"external_id": external_id(n), **(devices[n - 1] if devices else {})} for n in numbers]
        self.stack.start_adapter(listed, servers=servers)
        self.devices = [Device(n, air + n - 1) for n in numbers]
        return self.devices

    def said(self, text):
        """Waits for a line of the adapter's log."""
        self.stack.wait(lambda: text in self.stack.adapter.errors(), f"the log says {text}")


@pytest.fixture
def chain(stack):
    chain = Chain(stack)
    yield chain
    for device in chain.devices:
        device.peer.close()


def register(device, connection, mid=1, token=b"\x01"):
    """The device's registration, answered."""
    request = connection.expect(wire.POST)
    assert (request.path(), request.token) == ("/rd", token)
    connection.send(wire.Message(wire.NON, wire.code("2.01"), 0, request.token, LOCATION))
    created = device.peer.expect(type=wire.ACK)
    assert (created.code, created.mid, created.token) == (wire.code("2.01"), mid, token)


def read(device, connection, token=b"rd", payload=b"x"):
    """A request of the server, answered by the device."""
    connection.send(wire.request(wire.GET, "/3/0/0", 0, token, kind=wire.NON))
    answer_one(device, connection, token, payload)


def answer_one(device, connection, token, payload=b"x"):
    request = device.peer.expect(code=wire.GET)
    assert request.token == token
    kind = wire.ACK if request.type == wire.CON else wire.NON
    device.peer.send(wire.Message(kind, wire.code("2.05"), request.mid, token, [], payload))
    content = connection.expect(wire.code("2.05"))
    assert (content.token, content.payload) == (token, payload)


def observe(device, connection, token=b"ob"):
    """The server begins to observe."""
    connection.send(wire.request(wire.GET, "/3/0/9", 0, token, kind=wire.NON, options=[(wire.OBSERVE, b"")]))
    request = device.peer.expect(code=wire.GET)
    content = wire.Message(wire.ACK, wire.code("2.05"), request.mid, token, [(wire.OBSERVE, b"\x01")], b"90")
    device.peer.send(content)
    assert connection.expect(wire.code("2.05")).payload == b"90"


def notify(device, mid, payload, kind=wire.CON, token=b"ob"):
    device.peer.send(wire.Message(kind, wire.code("2.05"), mid, token, [(wire.OBSERVE, b"\x02")], payload))


def uri(chain, scheme="coap+tcp", host="127.0.0.1"):
    return f"{scheme}://{host}:{chain.stack.server_port}"


def test_exchanges_by_tcp(chain):
    with Server(chain.stack.server_port) as server:
        devices = chain.start(uri(chain), count=2)
        connections = []
        for device in devices:
            device.register()
            connections.append(server.welcome())
            register(device, connections[-1])
        assert [c.source[0] for c in connections] == ["127.77.0.1", "127.77.0.2"]  # each has its own address
        device, connection = devices[0], connections[0]
        assert connection.csm.option(2) == [(1152).to_bytes(2)] and connection.csm.option(4) == [b""]

        read(device, connection)
        for byte in stream_wire.frame(wire.request(wire.GET, "/3/0/1", 0, b"slow", kind=wire.NON)):
            connection.send_raw(bytes([byte]))
            time.sleep(0.005)  # so that each comes by itself
        answer_one(device, connection, b"slow")
        # Several in one piece, an empty message and a Pong nobody asked for among them.
        two = [wire.request(wire.GET, "/3/0/2", 0, token, kind=wire.NON) for token in (b"1", b"2")]
        connection.send(two[0], wire.Message(wire.NON, 0, 0), signal(PONG), two[1])
        for token in (b"1", b"2"):
            answer_one(device, connection, token, b"y" * 300)

        connection.send(signal(PING, b"ping", [(2, b"")]))
        pong = connection.expect(PONG)
        assert (pong.token, pong.option(2)) == (b"ping", [b""])

        # A notification of the device: acknowledged when it was handed to the stream.
        observe(device, connection)
        notify(device, 77, b"89")
        assert connection.expect(wire.code("2.05")).payload == b"89"
        assert device.peer.expect(type=wire.ACK).mid == 77
        assert chain.stack.metric("leg_connections") == 2

        # At the end every server is told.
        chain.stack.adapter.stop()
        for connection in connections:
            assert connection.expect(RELEASE) and connection.closed()


def test_connections_that_break_are_made_again(chain):
    """Each time the device has something to say, and it arrives once."""
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain))
        device.register()
        connection = server.welcome()
        register(device, connection)

        def half_close():
            connection.socket.shutdown(1)  # its other half stays open

        def release():
            connection.send(signal(RELEASE))

        def abort():
            connection.send(signal(ABORT, payload=b"out of order"))

        def too_large():
            connection.send_raw(b"\xf0\xff\xff\xff\xff\x01")

        def reserved():
            connection.send_raw(b"\x0f\x01")

        endings = [connection.reset, half_close, release, abort, too_large, reserved]
        for number, end in enumerate(endings, start=2):
            end() if end.__name__ != "reset" else connection.reset()
            chain.stack.wait(
                lambda: chain.stack.metric("leg_connections_total", result="lost") == number - 1, f"{end} is seen"
            )
            device.register(mid=number, token=bytes([number]))
            connection = server.welcome()
            register(device, connection, number, bytes([number]))
        assert chain.stack.metric("leg_connections_total", result="opened") == len(endings) + 1


def test_observations_end_with_their_connection(chain):
    """The device hears of it by the RST to its next notification, until the server observes again."""
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain))
        device.register()
        connection = server.welcome()
        register(device, connection)
        for number in (2, 3):
            observe(device, connection)
            notify(device, number * 10, b"89")
            assert connection.expect(wire.code("2.05")).payload == b"89"
            assert device.peer.expect(type=wire.ACK).mid == number * 10
            connection.reset()
            lost = lambda: chain.stack.metric("leg_connections_total", result="lost") == number - 1  # noqa: E731, B023
            chain.stack.wait(lost, "the connection is lost")
            for mid, kind in ((number * 10 + 1, wire.CON), (number * 10 + 2, wire.NON)):
                notify(device, mid, b"88", kind)
                assert device.peer.expect(type=wire.RST).mid == mid
            device.register(mid=number, token=bytes([number]))
            connection = server.welcome()
            register(device, connection, number, bytes([number]))


def test_servers_that_are_none(chain):
    """What is no server of RFC 8323 gets nothing of the device, and is told why where that can be."""
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain))
        device.register()
        connection = server.accept()
        connection.expect(CSM)
        connection.send(wire.request(wire.GET, "/3/0", 0, b"a", kind=wire.NON))  # its first message is no CSM
        assert connection.expect(ABORT).payload == b"the first message is no CSM"
        assert connection.closed()
        chain.said("the first message is no CSM")

        connection = server.accept()
        connection.expect(CSM)
        connection.send(signal(CSM, options=[(9, b"")]))  # a critical option
        assert connection.expect(ABORT).option(2) == [b"\x09"]
        assert connection.closed()

        connection = server.welcome()  # the next one is what it should be
        register(device, connection)


def test_message_that_the_server_does_not_take(chain):
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain))
        device.register()
        connection = server.welcome(max_message_size=60)
        refused = device.peer.expect(type=wire.ACK)
        assert (refused.code, refused.mid) == (wire.code("4.13"), 1)
        device.peer.send(wire.request(wire.POST, "/rd/7", 2, b"\x02"))
        assert connection.expect(wire.POST).path() == "/rd/7"
        assert chain.stack.metric("leg_dropped_total", reason="too_large") == 1


# --- TLS ---------------------------------------------------------------------------------------------------------


def refuse(server, context):
    server.tls = context
    with pytest.raises((ssl.SSLError, OSError)):
        server.accept().receive()


def test_servers_of_other_names_and_authorities_are_refused(chain, tmp_path):
    ours, others = (stream_wire.Authority(tmp_path, name) for name in ("ours", "others"))
    certificate, key = ours.issue("device-side")
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(
            uri(chain, "coaps+tcp"), ca_file=ours.path, certificate_file=certificate, key_file=key
        )
        device.register()
        for files, text in (
            (ours.issue("127.0.0.2"), "IP address mismatch"),
            (others.issue("127.0.0.1"), "unable to get local issuer certificate"),
            (ours.issue("127.0.0.1", first_day=-3, days=-2), "certificate has expired"),
        ):
            refuse(server, stream_wire.server_context(*files))
            # One line in ten seconds: the first tells, the others are counted.
            if "mismatch" in text:
                chain.said(f"the server's certificate is refused: {text}")
        server.tls = stream_wire.server_context(*ours.issue("127.0.0.1"), client_ca=ours.path)
        connection = server.welcome()
        assert (connection.socket.version(), connection.socket.selected_alpn_protocol()) == ("TLSv1.3", "coap")
        assert connection.socket.getpeercert()["subject"] == ((("commonName", "device-side"),),)
        register(device, connection)
        read(device, connection, payload=b"z" * 900)

        connection.reset()
        chain.stack.wait(lambda: chain.stack.metric("leg_connections_total", result="lost") == 1, "it is lost")
        device.register(mid=2, token=b"\x02")
        connection = server.welcome()
        assert connection.socket.session_reused
        register(device, connection, 2, b"\x02")
        assert chain.stack.metric("leg_connections_total", result="failed") == 3


def test_server_of_a_name_is_asked_for_it(chain, tmp_path):
    ours = stream_wire.Authority(tmp_path, "ours")
    asked = []
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain, "coaps+tcp", "localhost"), ca_file=ours.path)
        server.tls = stream_wire.server_context(*ours.issue("localhost"))
        server.tls.sni_callback = lambda sock, name, context: asked.append(name)
        device.register()
        register(device, server.welcome())
    assert asked == ["localhost"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pre_shared_key(chain, tmp_path, version):
    key = bytes(range(16))
    (tmp_path / "key").write_text(key.hex() + "\n")
    (tmp_path / "key").chmod(0o600)
    keys = {"adapter": b"another"}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda identity: keys.get(identity, b""))
    with Server(chain.stack.server_port) as server:
        (device,) = chain.start(uri(chain, "coaps+tcp"), psk_identity="adapter", psk_file=tmp_path / "key")
        device.register()
        refuse(server, context)
        keys["adapter"] = key
        connection = server.welcome()
        assert connection.socket.version() == version.name.replace("_", ".", 1).replace("TLSv1_", "TLSv1.")
        register(device, connection)
        read(device, connection)
    assert key.hex() not in chain.stack.adapter.errors()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_pre_shared_keys_of_devices(chain, version):
    """Each device has an identity and a key of its own; one that the server does not know, and one that has none, are
    kept out without harm to the other."""
    known, seen = {endpoint(1): bytes(range(16)), "two": b"two"}, []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda identity: seen.append(identity) or known.get(identity, b""))
    listed = [{"psk_key": bytes(range(16)).hex()}, {"psk_key": b"wrong".hex(), "psk_identity": "two"}, {}]
    with Server(chain.stack.server_port) as server:
        one, two, three = chain.start(uri(chain, "coaps+tcp"), count=3, devices=listed)
        three.register()
        chain.said("neither the device has psk_key nor the server psk_file")
        two.register()
        server.tls = context
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            for _ in range(2):  # the first one is the third device's, who ends it
                server.welcome()
        one.register()
        connection = None
        while not connection:
            try:
                connection = server.welcome()
            except (ssl.SSLError, ConnectionError, EOFError):
                continue
        register(one, connection)
        read(one, connection)
        assert seen and set(seen) == {endpoint(1), "two"}
    assert bytes(range(16)).hex() not in chain.stack.adapter.errors()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_changed_key_counts_from_the_next_connection(chain, tmp_path, version):
    """The device's own, another one, and none, which leaves the server's; no session of the key before is resumed."""
    keys, seen = {"one": b"first", "two": b"second", "all": b"everybody's"}, []
    (tmp_path / "key").write_text(keys["all"].hex() + "\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = version
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda identity: seen.append(identity) or keys.get(identity, b""))
    own = lambda name: {"psk_identity": name, "psk_key": keys[name].hex()}  # noqa: E731
    path = chain.stack.directory / "adapter.yaml"
    with Server(chain.stack.server_port, tls=context) as server:
        ours = {"psk_identity": "all", "psk_file": tmp_path / "key"}
        (device,) = chain.start(uri(chain, "coaps+tcp"), devices=[own("one")], **ours)
        for number, listed in enumerate((None, own("two"), {}), start=1):
            if listed is not None:
                config = json.loads(path.read_text())
                config["devices"] = [{"external_id": device.id, **listed}]
                path.write_text(json.dumps(config))
                chain.stack.adapter.process.send_signal(signals.SIGHUP)
                reloaded = lambda: len(chain.stack.log("reloaded")) == number - 1  # noqa: E731, B023
                chain.stack.wait(reloaded, "the configuration is read again")
                read(device, connection, token=b"up")  # what is up stays
                connection.reset()
                lost = lambda: chain.stack.metric("leg_connections_total", result="lost") == number - 1  # noqa: E731, B023
                chain.stack.wait(lost, "the connection is lost")
            device.register(mid=number, token=bytes([number]))
            connection = server.welcome()
            register(device, connection, number, bytes([number]))
        assert seen == ["one", "two", "all"]


# --- a server that is nobody's of ours ---------------------------------------------------------------------------


class Registrations(aiocoap.resource.Resource):
    def __init__(self):
        super().__init__()
        self.queries = []

    async def render_post(self, request):
        self.queries.append(request.opt.uri_query)
        created = aiocoap.Message(code=aiocoap.CREATED)
        created.opt.location_path = ("rd", "7")
        return created


@pytest.mark.parametrize("scheme", ["coap+tcp", "coaps+tcp"])
def test_aiocoap_as_the_server(chain, tmp_path, scheme):
    """aiocoap's TCP server needs the default ports: its own address."""
    host = "127.0.0.1"
    registrations = Registrations()
    ours = stream_wire.Authority(tmp_path, "ours")
    context = stream_wire.server_context(*ours.issue(host)) if scheme == "coaps+tcp" else None
    started, stop = threading.Event(), None
    loop = asyncio.new_event_loop()

    async def serve():
        nonlocal stop
        stop = asyncio.Event()
        site = aiocoap.resource.Site()
        site.add_resource(["rd"], registrations)
        server = await aiocoap.Context.create_server_context(
            site,
            bind=(host, chain.stack.server_port - (1 if context else 0)),
            _ssl_context=context,
            transports=["tlsserver" if context else "tcpserver"],
        )
        started.set()
        await stop.wait()
        await server.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(20)
        tls = {"ca_file": ours.path} if context else {}
        (device,) = chain.start(uri(chain, scheme), **tls)
        device.register()
        created = device.peer.expect(type=wire.ACK)
        assert (created.code, created.option(wire.LOCATION_PATH)) == (wire.code("2.01"), [b"rd", b"7"])
        assert f"ep={device.name}" in registrations.queries[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
