"""What a SCEF, or somebody who pretends to be one, may send to the callback URL: refused clearly, and nothing else is
disturbed."""

import base64
import json
import socket
import threading
import time

import pytest
import wire
from callback_path import NIDD
from fake_scef import FakeScef
from stack import endpoint, external_id, http_request

PATH = NIDD.encode()

DEVICE, OTHER = external_id(1), external_id(2)


@pytest.fixture
def chain(stack):
    """The adapter between a SCEF and a server that are this test."""
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.start_adapter([{"external_id": DEVICE, "msisdn": "491700000001"}, OTHER])
        stack.fake_scef, stack.wire_server, stack.mid = scef, server, 0
        yield stack
        assert_served(stack)
        assert stack.admin("/readyz").status == 200


def good(stack, device=DEVICE, **members):
    """The body of a notification that is in order, but for the members given; None leaves one out."""
    stack.mid += 1
    message = wire.registration(endpoint(1), stack.mid, b"t", lifetime=60)
    message.type = wire.NON
    body = {
        "niddConfiguration": stack.fake_scef.link(device),
        "externalId": device,
        "data": base64.b64encode(message.encode()).decode(),
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


def assert_served(stack, device=OTHER):
    """The other device's messages still reach the server."""
    assert stack.notify(good(stack, device)).status == 204
    message = stack.wire_server.receive()
    assert message is not None and message.code == wire.POST


def assert_refused(stack, reply, status, cause=None):
    assert reply.status == status, (reply.status, reply.body)
    assert reply.headers.get("Content-Type", "").startswith("application/problem+json")
    problem = reply.json()
    assert problem["status"] == status and (problem.get("title") or problem.get("detail")), problem
    if cause:
        assert problem["cause"] == cause, problem
    assert stack.wire_server.receive(0.05) is None


def nested(depth, opening="[", closing="]"):
    return opening * depth + closing * depth


NOT_JSON = {
    "empty": b"",
    "a word": b"hello",
    "half an object": b'{"niddConfiguration": "http',
    "an object and more": b"{} {}",
    "not UTF-8": b'{"externalId": "\xff\xfe"}',
    "half a surrogate": rb'{"externalId": "\ud800"}',
    "binary": bytes(range(256)),
    "form": b"niddConfiguration=1&data=AA",
    "XML": b"<?xml version='1.0'?><a/>",
    "arrays in arrays": nested(10000).encode(),
    "objects in objects": nested(10000, '{"a":', "}").replace(":}", ":0}", 1).encode(),
    "arrays in a member": b'{"externalId":' + nested(10000).encode() + b"}",
    "arrays without an end": b"[" * 10000,
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_not_json(chain, name):
    assert_refused(chain, chain.notify(NOT_JSON[name]), 400, "INVALID_MSG_FORMAT")


@pytest.mark.parametrize("body", ["[]", "3", '"text"', "null", "true", "[{}]"])
def test_json_but_no_object(chain, body):
    assert_refused(chain, chain.notify(body.encode()), 400)


MEMBERS = {
    "no configuration": ({"niddConfiguration": None}, "MANDATORY_IE_MISSING"),
    # Without reliableDataService it would be a ManagePortNotification: no ports are reserved any more.
    "no data": ({"data": None, "reliableDataService": False}, "MANDATORY_IE_MISSING"),
    "no identity": ({"externalId": None}, None),
    "configuration is a number": ({"niddConfiguration": 7}, "MANDATORY_IE_INCORRECT"),
    "configuration is an object": ({"niddConfiguration": {"a": 1}}, "MANDATORY_IE_INCORRECT"),
    "identity is a number": ({"externalId": 1}, "MANDATORY_IE_INCORRECT"),
    "identity is a list": ({"externalId": [DEVICE]}, "MANDATORY_IE_INCORRECT"),
    "identity is empty": ({"externalId": ""}, None),
    "data is a number": ({"data": 0}, "MANDATORY_IE_INCORRECT"),
    "data is true": ({"data": True}, "MANDATORY_IE_INCORRECT"),
    "data is an object": ({"data": {}}, "MANDATORY_IE_INCORRECT"),
    "not base64": ({"data": "not base64!"}, "MANDATORY_IE_INCORRECT"),
    "base64 with a hole": ({"data": "QA==QA=="}, "MANDATORY_IE_INCORRECT"),
    "one base64 digit": ({"data": "Q"}, "MANDATORY_IE_INCORRECT"),
    "base64 and a NUL": ({"data": "QAAA\0"}, "MANDATORY_IE_INCORRECT"),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_wrong_members(chain, name):
    members, cause = MEMBERS[name]
    assert_refused(chain, chain.notify(good(chain, **members)), 400, cause)


UNKNOWN = {
    "configuration of another": {"niddConfiguration": "http://127.0.0.1/3gpp-nidd/v1/as1/configurations/other"},
    "device": {"externalId": "stranger@example.org"},
    "device with a NUL": {"externalId": DEVICE + "\0x"},
    "long device": {"externalId": "x" * 60000 + "@example.org"},
    "device as MSISDN": {"externalId": None, "msisdn": "49999"},
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown(chain, name):
    reply = chain.notify(good(chain, **UNKNOWN[name]))
    assert reply.status in (400, 404), (reply.status, reply.body)
    assert_refused(chain, reply, reply.status)


def test_both_identities_are_one_device_or_refused(chain):
    """TS 29.122 wants exactly one; SCEFs that send both are known. They must agree."""
    reply = chain.notify(good(chain, msisdn="491700000001"))
    assert reply.status in (204, 400), reply.body
    if reply.status == 204:
        assert chain.wire_server.receive().code == wire.POST
    contradiction = chain.notify(good(chain, device=OTHER, msisdn="491700000001"))
    assert_refused(chain, contradiction, 400)


def place_of(stack, device):
    stack.notify(good(stack, device))
    return stack.wire_server.receive().source


def test_the_device_by_its_msisdn_alone(chain):
    assert chain.notify(good(chain, externalId=None, msisdn="491700000001")).status == 204
    assert chain.wire_server.receive().code == wire.POST


def test_too_large(chain):
    body = json.dumps(good(chain, data=base64.b64encode(bytes(1 << 20)).decode())).encode()
    head = f"POST {NIDD} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=20) as connection:
        connection.sendall(head + body[:100])
        answer = connection.recv(4096)  # before the body is there: its length alone decides
    assert answer.startswith(b"HTTP/1.1 413 ") and b"application/problem+json" in answer, answer
    assert chain.wire_server.receive(0.05) is None


def test_too_large_for_a_client_that_sends_first_and_reads_later(chain):
    body = json.dumps(good(chain, data=base64.b64encode(bytes(1 << 20)).decode())).encode()
    try:
        reply = chain.notify(body)
    except OSError:
        return  # it was cut off while it sent; it may have read the answer, had it looked
    assert_refused(chain, reply, 413)


def test_too_large_in_chunks(chain):
    """Without a Content-Length the size is only known as it comes."""
    with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=20) as connection:
        connection.sendall(b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                connection.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")
        except OSError:
            pass  # closed before we were through: as good an answer
        try:
            answer = connection.recv(4096)
        except OSError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413"), answer


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_wrong_method(chain, method):
    reply = http_request(chain.callback_port, method, NIDD)
    assert reply.status == 405 and reply.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/", "/t8", "/t8/nidd", f"{NIDD}/x", NIDD.replace("scef", "other"), "/metrics", "/v1/devices", "/" + "x" * 8000, "/%00"])
def test_wrong_path(chain, path):
    reply = chain.notify(good(chain), path=path)
    assert reply.status in (400, 404, 414), reply.status


NOT_HTTP = {
    "garbage": bytes(range(256)) * 4,
    "no version": b"POST\r\n\r\n",
    "TLS": bytes.fromhex("160301020001fc0303") + bytes(500),
    "64 kB of header": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"x" * 65536 + b"\r\n\r\n",
    "10,000 headers": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10000 + b"\r\n",
    "negative length": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "huge length": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "two lengths": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "bad chunk": b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_not_http(chain, name):
    with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=20) as connection:
        try:
            connection.sendall(NOT_HTTP[name])
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        except OSError:
            answer = b""  # reset: good enough for such a peer
    assert answer == b"" or answer[:10] == b"HTTP/1.1 4" or answer[:10] == b"HTTP/1.0 4", answer
    assert chain.wire_server.receive(0.05) is None


def test_closed_in_the_middle(chain):
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=20) as connection:
            connection.sendall(b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")


def test_slow_senders_hold_up_nobody(chain):
    """Two hundred connections that send a byte now and then; meanwhile, all others are served. Whoever is slow, but
    gets there, is served too."""
    body = json.dumps(good(chain)).encode()
    request = f"POST {NIDD} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    slow = [socket.create_connection(("127.0.0.1", chain.callback_port), timeout=30) for _ in range(200)]
    done = threading.Event()

    def dribble():
        at = 0
        while not done.is_set():
            for connection in slow:
                connection.sendall(request[at : at + 1])
            at = min(at + 1, len(request) - 2)  # never the last byte
            time.sleep(0.01)

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        longest = 0
        for _ in range(100):
            start = time.monotonic()
            assert_served(chain)
            longest = max(longest, time.monotonic() - start)
        assert longest < 5
        assert chain.admin("/livez").status == 200
    finally:
        done.set()
        thread.join()
    for connection in slow:
        connection.close()

    with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=30) as connection:
        for at in range(0, len(request), 16):
            connection.sendall(request[at : at + 16])
            time.sleep(0.005)
        assert connection.recv(4096).startswith(b"HTTP/1.1 204")
    assert chain.wire_server.receive().code == wire.POST


def test_every_refusal_is_counted(chain):
    before = chain.metric("callbacks_total", scef="scef", result="ERR_NOT_JSON")
    for _ in range(3):
        chain.notify(b"{")
    assert chain.metric("callbacks_total", scef="scef", result="ERR_NOT_JSON") == before + 3
    chain.notify(good(chain, data="!"))
    assert chain.metric("callbacks_total", scef="scef", result="ERR_BASE64") == 1
    chain.notify(good(chain, externalId="stranger@example.org"))
    assert chain.metric("callbacks_total", scef="scef", result="ERR_UNKNOWN_DEVICE") == 1
    assert chain.metric("dropped_total", reason="unknown_device") == 1
