"""The two small LwM2M ends of the demonstration, sim-lwm2m-server and sim-lwm2m-client.

They are run directly against each other over loopback, and each against a peer made of bare datagrams where the
question is what it does with a message that comes twice, late or unasked.
"""

import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

BIN = pathlib.Path(
    os.environ.get("SCEF_BIN") or pathlib.Path(__file__).resolve().parent.parent / "build/release/bin"
)
ENDPOINT = "urn:nai:dev4@example.org"
CON, NON, ACK, RST = range(4)
GET, POST, PUT = 1, 2, 3
OBSERVE, LOCATION_PATH, URI_PATH, CONTENT_FORMAT, URI_QUERY, BLOCK2, BLOCK1 = 6, 8, 11, 12, 15, 23, 27

ALL_OPERATIONS = """
# every operation, and every refusal
read /3/0/0
read /3/0
read /3
accept 11542 read /3/0/13
discover /3
observe /3/0/9
wait-notify /3/0/9 2
non observe /3/0/13
wait-notify /3/0/13 1
cancel /3/0/9
cancel /3/0/13
write /1/0/1 200
non write /1/0/6 0
write /1/0 hex:c10305
execute /3/0/4 0='x'        # once
execute /1/0/8
sleep 0.2
expect 4.00 write /1/0/1 abc
expect 4.00 write /1/0 hex:c10305c1
expect 4.04 read /99/0
expect 4.04 delete /99/0
expect 4.05 read /3/0/4
expect 4.05 write /3/0/0 x
expect 4.05 execute /3/0/9
expect 4.05 delete /3/0
expect 4.05 create /3 hex:00
expect 4.06 accept 112 read /3/0
expect 4.15 format 112 write /1/0/1 5
"""


class Program:
    """A running program whose events are collected as they come."""

    def __init__(self, name, *arguments):
        self.process = subprocess.Popen(
            [BIN / name, "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.events = []
        self.fresh = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self.events.append(event)
            self.fresh.put(event)

    def wait_event(self, name, timeout=15, **members):
        """The next event of that name and with those members; what comes before it is skipped."""
        until = time.monotonic() + timeout
        while True:
            try:
                event = self.fresh.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {name} {members} among {self.events}") from None
            if event["event"] == name and all(event.get(key) == value for key, value in members.items()):
                return event

    def named(self, name, **members):
        return [
            event
            for event in self.events
            if event["event"] == name and all(event.get(key) == value for key, value in members.items())
        ]

    def exit(self, timeout=30):
        status = self.process.wait(timeout)
        self.reader.join(5)
        self.errors = self.process.stderr.read()
        return status

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.exit()


@pytest.fixture
def start():
    programs = []

    def start_program(name, *arguments):
        programs.append(Program(name, *arguments))
        return programs[-1]

    yield start_program
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
        program.process.wait()
        program.process.stdout.close()
        program.process.stderr.close()


def start_server(start, *arguments):
    server = start("sim-lwm2m-server", "--listen", "127.0.0.1:0", "--duration", "40", *arguments)
    server.address = server.wait_event("listening")["address"]
    return server


def start_client(start, address, *arguments, endpoint=ENDPOINT):
    return start("sim-lwm2m-client", "--server", address, "--endpoint", endpoint, *arguments)


class Peer:
    """One end of a conversation in bare CoAP datagrams."""

    def __init__(self, to=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.address = "%s:%d" % self.socket.getsockname()
        self.to = to

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, kind, code, mid, token=b"", options=(), payload=b""):
        message = bytes([0x40 | kind << 4 | len(token), code]) + mid.to_bytes(2, "big") + token
        last = 0

        def nibble(number):
            return (number, b"") if number < 13 else (13, bytes([number - 13]))

        for number, value in sorted(options, key=lambda option: option[0]):
            (delta, delta_more), (length, length_more) = nibble(number - last), nibble(len(value))
            message += bytes([delta << 4 | length]) + delta_more + length_more + value
            last = number
        message += b"\xff" + payload if payload else b""
        self.socket.sendto(message, self.to)

    def receive(self):
        """(type, code as 2.05, Message ID, token, {option: [values]}, payload)"""
        message, self.to = self.socket.recvfrom(2048)
        token_end = 4 + (message[0] & 15)
        options, at, number = {}, token_end, 0
        while at < len(message) and message[at] != 0xFF:
            sizes = [message[at] >> 4, message[at] & 15]
            at += 1
            for i in range(2):
                if sizes[i] in (13, 14):
                    more = sizes[i] - 12
                    sizes[i] = int.from_bytes(message[at : at + more], "big") + (13, 269)[more - 1]
                    at += more
            number += sizes[0]
            options.setdefault(number, []).append(message[at : at + sizes[1]])
            at += sizes[1]
        code = f"{message[1] >> 5}.{message[1] & 31:02d}"
        mid = int.from_bytes(message[2:4], "big")
        return message[0] >> 4 & 3, code, mid, message[4:token_end], options, message[at + 1 :]

    def silent(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.receive()
        except TimeoutError:
            return None
        finally:
            self.socket.settimeout(5)


def path(text):
    return [(URI_PATH, segment.encode()) for segment in text.strip("/").split("/")]


REGISTER = [
    *path("/rd"),
    (CONTENT_FORMAT, b"\x28"),
    (URI_QUERY, b"ep=" + ENDPOINT.encode()),
    (URI_QUERY, b"lt=60"),
    (URI_QUERY, b"lwm2m=1.1"),
]


def server_peer(server):
    host, port = server.address.rsplit(":", 1)
    return Peer((host, int(port)))


def registered_device(server):
    """A peer that has registered with the server."""
    peer = server_peer(server)
    peer.send(CON, POST, 1, b"r", REGISTER, b"</3/0>")
    kind, code, mid, token, options, _ = peer.receive()
    assert (kind, code, mid, token) == (ACK, "2.01", 1, b"r")
    assert options[LOCATION_PATH] == [b"rd", b"1"]
    return peer


def accept_registration(peer):
    """The client's registration at a peer that plays the server."""
    kind, code, mid, token, options, payload = peer.receive()
    assert (kind, code, options[URI_PATH], payload) == (CON, "0.02", [b"rd"], b"</1/0>,</3/0>")
    peer.send(ACK, 2 << 5 | 1, mid, token, [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"9")])
    return options


def wait_settled(client, name, **members):
    """Enough time for a second event of the kind, were there one; then all of them."""
    client.wait_event(name, **members)
    time.sleep(0.3)
    return client.named(name, **members)


def acknowledged_or_dropped(peer, mid):
    """What becomes of the copy of a CON answer. RFC 7252 wants the ACK again; libcoap 4.3.4 drops it without
    (its issue 1306, mended in 4.3.5). A reset would be wrong in any case."""
    answer = peer.silent(0.5)
    assert answer is None or answer[:3] == (ACK, "0.00", mid)


# --- directly against each other -------------------------------------------------------------------------


@pytest.mark.parametrize("notify", ["con", "non"])
def test_all_operations(start, tmp_path, notify):
    script = tmp_path / "script"
    script.write_text(ALL_OPERATIONS)
    server = start_server(start, "--script", script, "--once")
    client = start_client(
        start, server.address, "--notify-period", "0.2", *(["--non-notify"] if notify == "non" else [])
    )
    assert server.exit() == 0, (server.errors, server.events)
    client.stop()

    assert server.named("failed") == []
    assert [event["ok"] for event in server.named("response")] == [True] * 25
    assert server.named("done")[0] | {"time": 0} == {
        "time": 0, "event": "done", "ep": ENDPOINT, "ok": True, "ops": 28, "failed": 0,
    }
    assert len(client.named("executed", path="/3/0/4")) == 1
    assert client.named("executed")[0]["payload"] == "0='x'"
    assert client.named("duplicate") == []
    notifications = server.named("notify", path="/3/0/9")
    assert len(notifications) >= 2 and {event["type"] for event in notifications} == {notify}
    for path in ("/3/0/9", "/3/0/13"):  # the client knows which of its answers are notifications
        assert len(client.named("notify", path=path)) >= len(server.named("notify", path=path)) > 0
        assert len(client.named("request", path=path, observe=0)) == 1
    # The written lifetime and the executed trigger each made the client update its registration.
    assert server.named("updated")[0]["lifetime"] == 200
    by_number = {event["n"]: event for event in server.named("response")}
    assert by_number[1]["payload"] == "scef-adapter"
    assert by_number[2]["content_format"] == 11542 and by_number[2]["payload_hex"].startswith("c8000c")
    assert by_number[5]["payload"].startswith("</3>,</3/0>,</3/0/0>")
    # A cancellation is answered under the token of the observation.
    assert by_number[10]["token"] == by_number[6]["token"]


def test_client_deregisters_and_key_value_events(start):
    server = start_server(start)
    client = subprocess.run(
        [BIN / "sim-lwm2m-client", "--server", server.address, "--endpoint", "a b", "--duration", "1", "--binding", "UQ"],
        capture_output=True, text=True, timeout=20,
    )
    assert client.returncode == 0
    assert re.search(r'^\d+\.\d{3} registered ep="a b" location=/rd/1 code=2.01 type=ack ', client.stdout, re.M)
    assert re.search(r"^\d+\.\d{3} deregistered .* code=2.02 ", client.stdout, re.M)
    assert server.wait_event("registered")["queue_mode"] is True
    server.wait_event("deregistered", ep="a b")
    assert server.stop() == 0


def test_expected_clients_start_together(start):
    server = start_server(start, "--expect", "3", "--once", "--op", "read /3/0/0", "--op", "execute /3/0/4")
    clients = [start_client(start, server.address, endpoint=f"dev{i}") for i in range(3)]
    assert server.exit() == 0, server.errors
    names = [event["event"] for event in server.events]
    assert names.index("request") > max(i for i, name in enumerate(names) if name == "registered")
    assert sorted(event["ep"] for event in server.named("done")) == ["dev0", "dev1", "dev2"]
    for client in clients:
        client.stop()
        assert len(client.named("executed")) == 1


def test_registration_answered_separately(start):
    server = start_server(start, "--delay", "300", "--once", "--op", "read /3/0/0")
    client = start_client(start, server.address)
    assert server.exit() == 0, server.errors
    registered = client.wait_event("registered")
    assert registered["type"] == "con" and registered["ms"] >= 290
    client.stop()
    assert len(client.named("registered")) == 1


def test_long_payload_in_blocks(start):
    argument = "0123456789" * 250
    server = start_server(start, "--once", "--op", f"execute /3/0/4 {argument}")
    client = start_client(start, server.address)
    assert server.exit() == 0, server.errors
    client.stop()
    assert [event["payload"] for event in client.named("executed")] == [argument]
    assert [event["block1"] for event in server.named("request")] == ["0/1/1024", "1/1/1024", "2/0/1024"]


def test_sends_and_failures_are_reported(start):
    server = start_server(start, "--once", "--op", "read /99/0", "--op", "sleep 0.5")
    client = start_client(start, server.address, "--send-period", "0.2")
    assert server.exit() == 1
    assert "1 operations failed" in server.errors
    sent = server.named("send")[0]
    assert (sent["ep"], sent["content_format"], sent["type"]) == (ENDPOINT, 110, "con")
    assert [record["n"] for record in json.loads(sent["payload"])] == ["9", "13"]
    client.stop()


# --- the client, against bare datagrams ------------------------------------------------------------------


def test_client_executes_a_repeated_request_once(start):
    with Peer() as peer:
        client = start_client(start, peer.address, "--lifetime", "120")
        assert accept_registration(peer)[URI_QUERY] == [
            b"ep=" + ENDPOINT.encode(), b"lt=120", b"lwm2m=1.1", b"b=U",
        ]
        for _ in range(3):
            peer.send(CON, POST, 700, b"tok1", path("/3/0/4"))
            assert peer.receive()[:4] == (ACK, "2.04", 700, b"tok1")
        # Another Message ID or another token is another request.
        peer.send(CON, POST, 701, b"tok1", path("/3/0/4"))
        assert peer.receive()[:4] == (ACK, "2.04", 701, b"tok1")
        peer.send(CON, POST, 701, b"tok2", path("/3/0/4"))
        assert peer.receive()[:4] == (ACK, "2.04", 701, b"tok2")
        peer.send(NON, POST, 702, b"tok3", path("/3/0/4"))
        assert peer.receive()[:2] == (NON, "2.04")
        peer.send(NON, POST, 702, b"tok3", path("/3/0/4"))
        peer.receive()
        assert [event["count"] for event in wait_settled(client, "executed")] == [1, 2, 3, 4]
        assert len(client.named("duplicate", path="/3/0/4")) == 3


def test_client_gives_the_same_answer_to_a_repeated_read(start):
    with Peer() as peer:
        start_client(start, peer.address)
        accept_registration(peer)
        answers = []
        for pause in (1.1, 0):
            peer.send(CON, GET, 800, b"t", path("/3/0/13"))
            answers.append(peer.receive()[5])
            time.sleep(pause)
        assert answers[0] == answers[1]


def test_client_answers_in_blocks_as_small_as_asked(start):
    with Peer() as peer:
        start_client(start, peer.address)
        accept_registration(peer)
        body, number, more = b"", 0, True
        while more:
            block = bytes([number << 4]).lstrip(b"\0")
            peer.send(CON, GET, 820 + number, b"b%d" % number, [*path("/3/0"), (BLOCK2, block)])
            kind, code, _, _, options, payload = peer.receive()
            assert (kind, code, options[BLOCK2][0][-1] >> 4) == (ACK, "2.05", number)
            more = bool(options[BLOCK2][0][-1] & 8)
            body += payload
            number += 1
        assert number == 4 and body.startswith(b"\xc8\x00\x0cscef-adapter")


def test_client_repeats_its_registration_until_answered(start):
    with Peer() as peer:
        client = start_client(start, peer.address, "--ack-timeout", "0.2")
        first = peer.receive()
        again = peer.receive()
        assert first == again  # a retransmission: the same Message ID and token
        peer.send(ACK, 0, again[2])  # acknowledged: now silence, until the separate answer
        assert peer.silent(1.5) is None
        options = [(LOCATION_PATH, b"rd"), (LOCATION_PATH, b"5")]
        peer.send(CON, 2 << 5 | 1, 4242, again[3], options)
        assert peer.receive()[:3] == (ACK, "0.00", 4242)
        peer.send(CON, 2 << 5 | 1, 4242, again[3], options)  # its ACK is taken for lost
        acknowledged_or_dropped(peer, 4242)
        assert [event["location"] for event in wait_settled(client, "registered")] == ["/rd/5"]
        client.process.send_signal(signal.SIGTERM)
        kind, code, mid, token, options, _ = peer.receive()
        assert (kind, code, options[URI_PATH]) == (CON, "0.04", [b"rd", b"5"])
        peer.send(ACK, 2 << 5 | 2, mid, token)
        assert client.exit() == 0


def test_client_registers_anew_when_it_is_forgotten(start):
    with Peer() as peer:
        client = start_client(start, peer.address, "--update-period", "0.3")
        accept_registration(peer)
        _, code, mid, token, options, _ = peer.receive()
        assert (code, options[URI_PATH]) == ("0.02", [b"rd", b"9"])
        peer.send(ACK, 4 << 5 | 4, mid, token)
        client.wait_event("failed", op="update", code="4.04")
        accept_registration(peer)


def test_client_outlives_a_server_that_comes_late(start):
    with Peer() as reserved:
        address = reserved.address
    client = start_client(start, address, "--ack-timeout", "0.3")
    client.wait_event("unreachable", op="register")
    server = start("sim-lwm2m-server", "--listen", address, "--once", "--duration", "30", "--op", "read /3/0/0")
    assert server.exit() == 0, server.errors
    client.wait_event("registered")
    client.stop()


def test_client_is_deaf_to_strangers(start):
    with Peer() as peer, Peer() as stranger:
        client = start_client(start, peer.address)
        accept_registration(peer)
        stranger.to = peer.to
        stranger.send(CON, POST, 5, b"s", path("/3/0/4"))
        assert stranger.silent(0.5) is None
        assert client.named("executed") == []


# --- the server, against bare datagrams ------------------------------------------------------------------


def test_server_takes_a_separate_answer_once(start):
    server = start_server(start, "--once", "--op", "read /3/0/0", "--op", "sleep 0.5")
    with registered_device(server) as peer:
        kind, code, mid, token, options, _ = peer.receive()
        assert (kind, code, options[URI_PATH]) == (CON, "0.01", [b"3", b"0", b"0"])
        peer.send(ACK, 0, mid)
        assert peer.silent(3) is None  # an empty ACK ends the retransmissions
        peer.send(CON, 2 << 5 | 5, 900, token, [(CONTENT_FORMAT, b"")], b"name")
        assert peer.receive()[:3] == (ACK, "0.00", 900)
        peer.send(CON, 2 << 5 | 5, 900, token, [(CONTENT_FORMAT, b"")], b"name")
        acknowledged_or_dropped(peer, 900)
        assert server.exit() == 0, server.errors
        assert [event["payload"] for event in server.named("response")] == ["name"]


def test_server_resets_an_answer_that_comes_too_late(start):
    server = start_server(start, "--once", "--op", "timeout 0.5 read /3/0/0", "--op", "sleep 1.5")
    with registered_device(server) as peer:
        _, _, mid, token, _, _ = peer.receive()
        peer.send(ACK, 0, mid)
        server.wait_event("failed", reason="timeout")
        peer.send(CON, 2 << 5 | 5, 901, token, (), b"late")
        assert peer.receive()[:3] == (RST, "0.00", 901)
        assert server.exit() == 1


def test_server_acknowledges_notifications_until_cancelled(start):
    operations = ["observe /3/0/9", "wait-notify /3/0/9 2", "cancel /3/0/9", "sleep 0.5"]
    server = start_server(start, "--once", *(word for text in operations for word in ("--op", text)))
    with registered_device(server) as peer:
        _, _, mid, observe_token, options, _ = peer.receive()
        assert options[OBSERVE] == [b""]
        peer.send(ACK, 2 << 5 | 5, mid, observe_token, [(OBSERVE, b"\x01")], b"90")
        peer.send(CON, 2 << 5 | 5, 910, observe_token, [(OBSERVE, b"\x02")], b"89")
        assert peer.receive()[:3] == (ACK, "0.00", 910)
        peer.send(CON, 2 << 5 | 5, 910, observe_token, [(OBSERVE, b"\x02")], b"89")
        acknowledged_or_dropped(peer, 910)
        peer.send(CON, 2 << 5 | 5, 911, observe_token, [(OBSERVE, b"\x03")], b"88")
        assert peer.receive()[:3] == (ACK, "0.00", 911)
        _, _, mid, token, options, _ = peer.receive()
        assert (token, options[OBSERVE]) == (observe_token, [b"\x01"])
        # A notification that crosses the cancellation is not its answer.
        peer.send(CON, 2 << 5 | 5, 912, observe_token, [(OBSERVE, b"\x04")], b"87")
        assert peer.receive()[:3] == (ACK, "0.00", 912)
        peer.send(ACK, 2 << 5 | 5, mid, observe_token, (), b"88")
        server.wait_event("response", op="cancel")
        peer.send(CON, 2 << 5 | 5, 913, observe_token, [(OBSERVE, b"\x05")], b"86")
        assert peer.receive()[:3] == (RST, "0.00", 913)
        assert server.exit() == 0, server.errors
        assert [event["mid"] for event in server.named("notify")] == [910, 911, 912]


def test_server_fails_an_operation_that_is_reset(start):
    server = start_server(start, "--once", "--op", "read /3/0/0", "--op", "non read /3/0/1")
    with registered_device(server) as peer:
        for _ in range(2):
            peer.send(RST, 0, peer.receive()[2])
        assert server.exit() == 1
        assert [event["reason"] for event in server.named("failed")] == ["reset", "reset"]


def test_server_fetches_and_sends_blocks_as_small_as_asked(start):
    server = start_server(start, "--once", "--op", "read /3/0", "--op", "write /3/0/14 " + "+0123456789" * 4)
    with registered_device(server) as peer:
        for number in range(3):
            _, _, mid, token, options, _ = peer.receive()
            assert options.get(BLOCK2) == (None if number == 0 else [bytes([number << 4])])
            block = bytes([number << 4 | (8 if number < 2 else 0)]).lstrip(b"\0")
            peer.send(ACK, 2 << 5 | 5, mid, token, [(CONTENT_FORMAT, b""), (BLOCK2, block)], b"%x" % number * 16)
        assert server.wait_event("response", op="read")["payload"] == "0" * 16 + "1" * 16 + "2" * 16

        _, code, mid, token, options, payload = peer.receive()
        assert (code, BLOCK1 in options, len(payload)) == ("0.03", False, 44)
        peer.send(ACK, 4 << 5 | 13, mid, token, [(BLOCK1, b"\x01")])  # no more than 32 bytes, please
        parts = []
        for number, (more, answer) in enumerate([(8, 31), (0, 4)]):
            _, _, mid, token, options, payload = peer.receive()
            assert options[BLOCK1] == [bytes([number << 4 | more | 1])]
            parts.append(payload)
            peer.send(ACK, 2 << 5 | answer, mid, token, [(BLOCK1, options[BLOCK1][0])])
        assert b"".join(parts) == b"+0123456789" * 4
        assert server.exit() == 0, server.errors


def test_server_takes_a_registration_in_blocks(start):
    server = start_server(start)
    with server_peer(server) as peer:
        links = b"".join(b"</3/%d>," % i for i in range(8))[:-1]
        blocks = [links[i : i + 32] for i in range(0, len(links), 32)]
        for number, block in enumerate(blocks):
            more = number < len(blocks) - 1
            option = bytes([number << 4 | more << 3 | 1])
            peer.send(CON, POST, 20 + number, b"%d" % number, [*REGISTER, (BLOCK1, option)], block)
            _, code, _, _, options, _ = peer.receive()
            assert (code, options[BLOCK1]) == ("2.31" if more else "2.01", [option])
        assert server.wait_event("registered")["payload"] == links.decode()


def test_server_knows_a_repeated_registration_and_follows_the_address(start):
    server = start_server(start, "--op", "sleep 1.5", "--op", "read /3/0/0")
    with registered_device(server) as peer, server_peer(server) as moved:
        peer.send(CON, POST, 1, b"r", REGISTER, b"</3/0>")  # the same again
        assert peer.receive()[4][LOCATION_PATH] == [b"rd", b"1"]
        assert len(wait_settled(server, "registered")) == 1
        moved.send(CON, POST, 2, b"u", path("/rd/1"))
        assert moved.receive()[:2] == (ACK, "2.04")
        assert moved.receive()[4][URI_PATH] == [b"3", b"0", b"0"]
        assert peer.silent(0.2) is None
        moved.send(CON, POST, 3, b"u", path("/rd/99"))
        assert moved.receive()[1] == "4.04"


def test_registration_expires(start):
    server = start_server(start)
    with server_peer(server) as peer:
        peer.send(CON, POST, 1, b"r", [*path("/rd"), (URI_QUERY, b"ep=x"), (URI_QUERY, b"lt=1")])
        assert peer.receive()[1] == "2.01"
        server.wait_event("expired", ep="x")
        peer.send(CON, POST, 2, b"u", path("/rd/1"))
        assert peer.receive()[1] == "4.04"
        peer.send(CON, POST, 3, b"u", [*path("/rd"), (URI_QUERY, b"lt=1")])
        assert peer.receive()[1] == "4.00"


# --- the command lines -----------------------------------------------------------------------------------


def run(name, *arguments):
    return subprocess.run([BIN / name, *arguments], capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(
    "line, reason",
    [
        ("fly /3/0", "unknown operation: fly"),
        ("non", "an operation is missing"),
        ("read 3/0", "not a path such as /3/0/13: 3/0"),
        ("read /3/70000", "not a path such as /3/0/13: /3/70000"),
        ("execute /3/0", "the operation does not work on such a path: /3/0"),
        ("write /1/0/1", "a value is missing"),
        ("write /1/0 hex:0g", "not hexadecimal: 0g"),
        ("write /1/0 hex:012", "half a byte at the end: 012"),
        ("cancel /3/0/13", "not observed by the lines before: /3/0/13"),
        ("wait-notify /3/0/9 2", "not observed by the lines before: /3/0/9"),
        ("sleep soon", "not a time in seconds: soon"),
        ("expect 9.99 read /3", "not an answer code such as 4.04: 9.99"),
        ("timeout 0 read /3", "not a time in seconds: 0"),
        ("accept tlv read /3", "not a Content-Format number: tlv"),
        ("read /3/0 now", "more on the line than the operation takes: now"),
    ],
)
def test_bad_script_line(tmp_path, line, reason):
    script = tmp_path / "script"
    script.write_text(f"# a comment\nread /3/0\n\n{line}\n")
    result = run("sim-lwm2m-server", "--script", script)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"{script}:4: {reason}\n")


@pytest.mark.parametrize(
    "program, arguments",
    [
        ("sim-lwm2m-server", ["--script", "/nonexistent/script"]),
        ("sim-lwm2m-server", ["--op", "read"]),
        ("sim-lwm2m-server", ["--expect", "0"]),
        ("sim-lwm2m-server", ["--timeout", "0"]),
        ("sim-lwm2m-server", ["--delay", "-1"]),
        ("sim-lwm2m-server", ["--listen", "nowhere"]),
        ("sim-lwm2m-server", ["--nonsense"]),
        ("sim-lwm2m-server", ["stray"]),
        ("sim-lwm2m-client", []),
        ("sim-lwm2m-client", ["--server", "127.0.0.1:1"]),
        ("sim-lwm2m-client", ["--endpoint", "x"]),
        ("sim-lwm2m-client", ["--server", "127.0.0.1", "--endpoint", "x"]),
        ("sim-lwm2m-client", ["--server", "127.0.0.1:1", "--endpoint", ""]),
        ("sim-lwm2m-client", ["--server", "127.0.0.1:1", "--endpoint", "x", "--binding", "SMS"]),
        ("sim-lwm2m-client", ["--server", "127.0.0.1:1", "--endpoint", "x", "--lifetime", "1e3"]),
        ("sim-lwm2m-client", ["--server", "127.0.0.1:1", "--endpoint", "x", "--notify-period", "0"]),
    ],
)
def test_bad_command_line(program, arguments):
    result = run(program, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("program", ["sim-lwm2m-server", "sim-lwm2m-client"])
def test_help(program):
    result = run(program, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: {program}")
