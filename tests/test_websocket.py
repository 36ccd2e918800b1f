"""Notifications over WebSocket (TS 29.122 clause 5.2.5.4) against an independent WebSocket: python3-websockets plays
the SCEF towards our client, and the SCS/AS towards the simulator's server."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import queue
import random
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest
from test_security import Authority
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect
from websockets.sync.server import serve

BIN = pathlib.Path(os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
PATIENCE_S = 15

pytestmark = pytest.mark.timeout(60)


class Peer:
    """Our program, and the lines it prints."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [BIN / "websocket_peer", *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.lines, self.log = queue.Queue(), []
        for stream, keep in ((self.process.stdout, self.lines.put), (self.process.stderr, self.log.append)):
            threading.Thread(target=self.read, args=(stream, keep), daemon=True).start()

    @staticmethod
    def read(stream, keep):
        for line in stream:
            keep(line.strip())

    def line(self, timeout=PATIENCE_S):
        return self.lines.get(timeout=timeout)

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def await_log(self, *words):
        end = time.monotonic() + PATIENCE_S
        while not any(all(word in line for word in words) for line in list(self.log)):
            assert time.monotonic() < end, (words, self.log)
            assert self.process.poll() is None, self.log
            time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(10) == 0, self.log
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture
def start():
    peers = []

    def begin(*arguments):
        peers.append(Peer(*arguments))
        return peers[-1]

    yield begin
    for peer in peers:
        peer.stop()


def notification(number, body, **headers):
    text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
    head = {"3GPP-WS-Notif-Seq": number, "Content-Type": "application/json", "Content-Length": len(text), **headers}
    return ("".join(f"{k}: {v}\r\n" for k, v in head.items()) + "\r\n" + text).encode()


def acknowledgement(number, status="204 No Content"):
    return f"3GPP-WS-Notif-Seq: {number}\r\n{status}\r\n\r\n".encode()


# ---- our client towards websockets' server


class Scef:
    """A SCEF that hands each connection to the test."""

    def __init__(self, context=None, **options):
        self.connections = queue.Queue()
        self.done = threading.Event()
        self.server = serve(self.handle, "127.0.0.1", 0, ssl=context, compression=None, **options)
        self.port = self.server.socket.getsockname()[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        scheme = "s" if context else ""
        self.uri, self.root = f"ws{scheme}://127.0.0.1:{self.port}/ws/1", f"http{scheme}://127.0.0.1:{self.port}"

    def handle(self, connection):
        self.connections.put(connection)
        self.done.wait()

    def connection(self):
        return self.connections.get(timeout=PATIENCE_S)

    def stop(self):
        self.done.set()
        self.server.shutdown()


@pytest.fixture
def scef():
    there = Scef(ping_interval=None)
    yield there
    there.stop()


def test_client_acknowledges(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    c.send(notification(17, {"a": 1}))
    assert c.recv(PATIENCE_S) == acknowledgement(17)
    assert peer.line() == 'notified {"a":1}'
    c.send(notification(4294967295, {"reply": 403}))
    assert c.recv(PATIENCE_S) == acknowledgement(4294967295, "403 Forbidden")
    assert peer.line() == 'notified {"reply":403}'


def test_client_takes_fragments_and_text(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    text = notification(1, {"fragments": True})
    c.send(text[i : i + 7] for i in range(0, len(text), 7))
    assert c.recv(PATIENCE_S) == acknowledgement(1)
    c.send(notification(2, {"text": True}).decode())
    assert c.recv(PATIENCE_S) == acknowledgement(2)
    assert [peer.line(), peer.line()] == ['notified {"fragments":true}', 'notified {"text":true}']


def test_client_one_effect_of_a_repetition(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    for _ in range(3):
        c.send(notification(5, {"n": 5}))
        assert c.recv(PATIENCE_S) == acknowledgement(5)
    c.close_socket()  # without a goodbye
    c = scef.connection()
    c.send(notification(5, {"n": 5}))
    assert c.recv(PATIENCE_S) == acknowledgement(5)
    c.send(notification(5, {"n": "another, from a SCEF that began anew"}))
    assert c.recv(PATIENCE_S) == acknowledgement(5)
    assert peer.line() == 'notified {"n":5}'
    assert peer.line() == 'notified {"n":"another, from a SCEF that began anew"}'
    assert peer.lines.empty()


def test_client_repetition_after_the_interval(scef, start):
    peer = start("client", scef.uri, scef.root, "--duplicates-ms", 1)
    c = scef.connection()
    for _ in range(2):
        c.send(notification(5, {"n": 5}))
        assert c.recv(PATIENCE_S) == acknowledgement(5)
        time.sleep(0.05)
    assert [peer.line(), peer.line()] == ['notified {"n":5}'] * 2


def test_client_cut_before_the_reply(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    c.send(notification(9, {"late": True}))
    assert peer.line() == 'notified {"late":true}'
    c.close_socket()
    c = scef.connection()
    c.send(notification(9, {"late": True}))  # while its reply is still awaited, or after it
    assert c.recv(PATIENCE_S) == acknowledgement(9)
    c.send(notification(10, {"next": True}))
    assert c.recv(PATIENCE_S) in (acknowledgement(9), acknowledgement(10))
    assert peer.line() == 'notified {"next":true}'


def test_client_cut_in_the_middle_of_a_message(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    text = notification(1, {"whole": True})
    c.socket.sendall(bytes([0x82, len(text)]) + text[: len(text) // 2])
    c.close_socket()
    c = scef.connection()
    c.send(text)
    assert c.recv(PATIENCE_S) == acknowledgement(1)
    assert peer.line() == 'notified {"whole":true}'
    assert peer.lines.empty()


def test_client_a_hundred_pipelined(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    numbers = [(4294967246 + i) % 2**32 for i in range(100)]  # over the wrap
    for n in reversed(numbers):  # and not in order
        c.send(notification(n, {"n": n}))
    assert {c.recv(PATIENCE_S) for _ in numbers} == {acknowledgement(n) for n in numbers}
    assert [peer.line() for _ in numbers] == [f'notified {{"n":{n}}}' for n in reversed(numbers)]


@pytest.mark.parametrize("seed", range(3))
def test_client_each_once_through_many_cuts(scef, start, seed):
    """The SCEF sends what is not acknowledged again over each connection, which ends at any moment."""
    dice, total = random.Random(seed), 300
    peer = start("client", scef.uri, scef.root)
    waiting = {(4294967200 + i) % 2**32: notification((4294967200 + i) % 2**32, {"n": i}) for i in range(total)}
    cuts = 0
    while waiting:
        c = scef.connection()
        numbers = list(waiting)
        dice.shuffle(numbers)
        patience = dice.randrange(1, 60)
        for number in numbers[: dice.randrange(1, 100)]:
            c.send(waiting[number])
        with contextlib.suppress(TimeoutError):
            while waiting and patience:
                del waiting[number_of(c.recv(0.5))]
                patience -= 1
        if dice.random() < 0.5:
            c.socket.sendall(bytes([0x82, 126, 0, 200]) + b"half a message")
        c.close_socket()
        cuts += 1
    assert cuts > 5
    assert sorted(int(peer.line().split(":")[1][:-1]) for _ in range(total)) == list(range(total))
    assert peer.lines.empty()


def test_client_wrong_framing(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    c.send(b"no head at all")  # nothing to acknowledge it by
    c.send(notification(1, {}, **{"Content-Length": 1000}))
    assert c.recv(PATIENCE_S) == acknowledgement(1, "400 Bad Request")
    c.send(notification(2, {}, **{"Content-Encoding": "gzip"}))
    assert c.recv(PATIENCE_S) == acknowledgement(2, "415 Unsupported Media Type")
    c.send(b'content-length:2\n3gpp-ws-notif-seq:  3\n\n{}')  # a sloppy one
    assert c.recv(PATIENCE_S) == acknowledgement(3)
    assert peer.line() == "notified {}"
    assert peer.lines.empty()


def test_client_closes_on_what_is_too_long(scef, start):
    peer = start("client", scef.uri, scef.root)
    c = scef.connection()
    c.send(b"x" * 100000)
    with pytest.raises(ConnectionClosed) as closed:
        c.recv(PATIENCE_S)
    assert closed.value.rcvd.code == 1009
    c = scef.connection()
    c.send(notification(1, {}))
    assert c.recv(PATIENCE_S) == acknowledgement(1)
    assert peer.line() == "notified {}"


def test_client_comes_back_after_a_close(scef, start):
    start("client", scef.uri, scef.root)
    scef.connection().close(1012, "service restart")
    c = scef.connection()
    c.send(notification(1, {}))
    assert c.recv(PATIENCE_S) == acknowledgement(1)


def test_client_answers_and_sends_pings(scef, start):
    start("client", scef.uri, scef.root, "--ping-ms", 100)
    c = scef.connection()
    for payload in ("", "x" * 125):
        assert c.ping(payload).wait(PATIENCE_S)
    time.sleep(0.5)  # several of its PINGs, which websockets answers by itself
    c.send(notification(1, {}))
    assert c.recv(PATIENCE_S) == acknowledgement(1)


def raw_accept(listener):
    """A handshake by hand, after which nothing is answered."""
    s, _ = listener.accept()
    s.settimeout(PATIENCE_S)
    request = b""
    while b"\r\n\r\n" not in request:
        request += s.recv(4096)
    key = next(line.split(": ")[1] for line in request.decode().split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
    answer = f"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    return s, answer.encode()


def test_client_finds_a_dead_server(start):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        port = listener.getsockname()[1]
        start("client", f"ws://127.0.0.1:{port}/", f"http://127.0.0.1:{port}", "--ping-ms", 100)
        first, answer = raw_accept(listener)
        first.sendall(answer)
        second, answer = raw_accept(listener)  # no PONG: it gave the first one up
        second.sendall(answer + bytes([0x82, len(notification(1, {}))]) + notification(1, {}))  # in one piece
        head = second.recv(4096)
        while not head.startswith(b"\x82"):  # maybe PINGs before it
            head = head[6:] or second.recv(4096)
        length, mask, rest = head[1] & 0x7F, head[2:6], head[6:]
        assert bytes(c ^ mask[i % 4] for i, c in enumerate(rest[:length])) == acknowledgement(1)
        first.close()
        second.close()


@pytest.mark.parametrize("answer", ["HTTP/1.1 404 Not Found", "HTTP/1.1 200 OK"])
def test_client_no_websocket_there(start, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)
        port = listener.getsockname()[1]
        peer = start("client", f"ws://127.0.0.1:{port}/", f"http://127.0.0.1:{port}")
        for _ in range(3):
            s, _ = raw_accept(listener)
            s.sendall((answer + "\r\nContent-Length: 0\r\n\r\n").encode())
            s.close()
        peer.await_log("websocket_failed", f"refused with status {answer.split()[1]}")


# ---- TLS


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "authority"), Authority(folder, "stranger")


def server_context(files, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_client_over_mutual_tls(authorities, start):
    ours, _ = authorities
    there = Scef(server_context(ours.issue("scef"), ours.file), ping_interval=None)
    certificate, key = ours.issue("as", server=False)
    peer = start("client", there.uri, there.root, "--ca", ours.file, "--certificate", certificate, "--key", key)
    c = there.connection()
    body = {"long": "x" * 50000}  # several TLS records
    for i in range(20):
        c.send(notification(i, body))
    assert [c.recv(PATIENCE_S) for _ in range(20)] == [acknowledgement(i) for i in range(20)]
    assert peer.line().startswith('notified {"long":"xxx')
    c.close_socket()
    c = there.connection()
    c.send(notification(20, {}))
    assert c.recv(PATIENCE_S) == acknowledgement(20)
    there.stop()


def test_client_refuses_another_ca(authorities, start):
    ours, stranger = authorities
    there = Scef(server_context(stranger.issue("stranger-scef")), ping_interval=None)
    peer = start("client", there.uri, there.root, "--ca", ours.file)
    peer.await_log("websocket_failed", "unknown_ca", "ca_file")
    assert there.connections.empty()
    there.stop()


def test_client_never_less_secure(start):
    peer = Peer("client", "ws://127.0.0.1:1/", "https://127.0.0.1:1")
    assert peer.process.wait(PATIENCE_S) == 1


# ---- the simulator's server towards websockets' client


@pytest.fixture
def server(start):
    peer = start("server", "--resend-ms", 300)
    port = int(peer.line().split()[1])
    peer.uri = f"ws://127.0.0.1:{port}/ws/r"
    return peer


def number_of(message):
    return int(message.split(b"\r\n")[0].split(b": ")[1])


def test_server_notifies(server):
    with connect(server.uri) as c:
        server.say('{"a":1}')
        assert c.recv(PATIENCE_S) == notification(0, {"a": 1})
        c.send(acknowledgement(0))
        assert server.line() == "answer 0 OK 204"
        server.say('{"a":2}')
        assert c.recv(PATIENCE_S) == notification(1, {"a": 2})
        c.send(b"200 OK\ncontent-type: application/json\n3gpp-ws-notif-seq: 1\ncontent-length: 2\n\n{}")
        assert server.line() == "answer 1 OK 200 {}"


def test_server_sends_again_with_the_same_number(server):
    with connect(server.uri) as c:
        server.say("{}")
        assert c.recv(PATIENCE_S) == c.recv(PATIENCE_S) == notification(0, {})
        c.send(acknowledgement(0))
        assert server.line() == "answer 0 OK 204"
    server.say('{"waits":1}')
    with connect(server.uri) as c:  # and over the next connection
        assert c.recv(PATIENCE_S) == notification(1, {"waits": 1})
        server.say("cut")
        with pytest.raises(ConnectionClosed):
            c.recv(PATIENCE_S)
    with connect(server.uri) as c:
        assert c.recv(PATIENCE_S) == notification(1, {"waits": 1})
        c.send(acknowledgement(1))
        assert server.line() == "answer 1 OK 204"


def test_server_a_hundred_pipelined(server):
    with connect(server.uri) as c:
        for i in range(100):
            server.say(f'{{"n":{i}}}')
        got = []
        while len(set(got)) < 100:
            got.append(c.recv(PATIENCE_S))
        assert set(got) == {notification(i, {"n": i}) for i in range(100)}
        for i in reversed(range(100)):
            c.send(acknowledgement(i))
        assert {server.line() for _ in range(100)} == {f"answer {i} OK 204" for i in range(100)}


@pytest.mark.parametrize("seed", range(3))
def test_server_each_acknowledged_through_many_cuts(server, seed):
    dice, total = random.Random(seed), 200
    for i in range(total):
        server.say(f'{{"n":{i}}}')
    seen, acknowledged = {}, set()
    while len(acknowledged) < total:
        with contextlib.suppress(ConnectionClosed), connect(server.uri, max_queue=None) as c:
            with contextlib.suppress(TimeoutError):
                for _ in range(dice.randrange(1, 80)):
                    message = c.recv(0.2)
                    number = number_of(message)
                    assert seen.setdefault(number, message) == message  # the same number, the same content
                    if dice.random() < 0.5:
                        c.send(acknowledgement(number))
                        acknowledged.add(number)
            if dice.random() < 0.5:
                server.say("cut")
            else:
                c.close_socket()
    answers = set()
    with connect(server.uri, max_queue=None) as c:  # what was acknowledged into a cut comes again
        while len(answers) < total:
            with contextlib.suppress(TimeoutError):
                c.send(acknowledgement(number_of(c.recv(0.2))))
            while not server.lines.empty():
                line = server.line().split()
                assert line[0] == "answer" and line[2:] == ["OK", "204"] and line[1] not in answers
                answers.add(line[1])
    assert answers == {str(i) for i in range(total)}


def test_server_takes_fragments_and_pings(server):
    with connect(server.uri) as c:
        assert c.ping("x" * 125).wait(PATIENCE_S)
        server.say("{}")
        c.recv(PATIENCE_S)
        text = acknowledgement(0)
        c.send(text[i : i + 5] for i in range(0, len(text), 5))
        assert server.line() == "answer 0 OK 204"


def test_server_closes_on_what_is_too_long(server):
    with connect(server.uri) as c:
        c.send(b"x" * 100000)
        with pytest.raises(ConnectionClosed) as closed:
            c.recv(PATIENCE_S)
        assert closed.value.rcvd.code == 1009


def test_server_refuses_unknown_resources(server):
    with pytest.raises(InvalidHandshake) as refused, connect(server.uri + "x"):
        pass
    assert refused.value.response.status_code == 404


def test_server_finds_a_dead_client(start):
    peer = start("server", "--ping-ms", 100)
    port = int(peer.line().split()[1])
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(PATIENCE_S)
        s.sendall(
            b"GET /ws/r HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        got = b""
        while piece := s.recv(4096):
            got += piece
        assert got.split(b"\r\n\r\n", 1)[1].startswith(struct.pack("BB", 0x89, 0))  # a PING, then the end


def test_server_over_mutual_tls(authorities, start):
    ours, stranger = authorities
    certificate, key = ours.issue("sim")
    peer = start("server", "--certificate", certificate, "--key", key, "--ca", ours.file)
    uri = f"wss://127.0.0.1:{peer.line().split()[1]}/ws/r"
    context = ssl.create_default_context(cafile=ours.file)
    context.load_cert_chain(*ours.issue("client", server=False))
    body = {"long": "x" * 3000}
    with connect(uri, ssl=context) as c:
        for i in range(100):
            peer.say(json.dumps(body, separators=(",", ":")))
        assert [number_of(c.recv(PATIENCE_S)) for _ in range(100)] == list(range(100))
        for i in range(100):
            c.send(acknowledgement(i))
        assert [peer.line() for _ in range(100)] == [f"answer {i} OK 204" for i in range(100)]
    strange = ssl.create_default_context(cafile=ours.file)
    strange.load_cert_chain(*stranger.issue("strange-client", server=False))
    with pytest.raises((OSError, InvalidHandshake, EOFError, ConnectionClosed)), connect(uri, ssl=strange):
        pass
    with connect(uri, ssl=context) as c:
        peer.say("{}")
        assert number_of(c.recv(PATIENCE_S)) == 100
