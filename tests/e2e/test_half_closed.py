"""A SCEF that makes a connection for each notification, and closes its side of it as soon as the request is out, as netcat
and some simple clients do: it must not use up the connections that the callback server has."""

import json
import socket

import pytest
import wire
from fake_scef import FakeScef
from stack import external_id

DEVICE = external_id(1)
COUNT = 1500  # more than may be open at once


@pytest.fixture
def chain(stack):
    with FakeScef(stack.scef_port) as scef, wire.Peer(at=("127.0.0.1", stack.server_port)) as server:
        stack.start_adapter([DEVICE])
        stack.fake_scef, stack.wire_server = scef, server
        yield stack


def notify(chain, body):
    """The status; the connection is closed as netcat would."""
    path = json.loads(chain.fake_scef.requests[0].body)["notificationDestination"].split("/", 3)[3]
    request = f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", chain.callback_port), timeout=30) as connection:
        connection.sendall(request.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(4096)[9:12])


def test_many_half_closed_connections(chain):
    body = json.dumps({"niddConfiguration": chain.fake_scef.link(DEVICE), "externalId": DEVICE, "data": "AA=="}).encode()
    assert [notify(chain, body) for _ in range(COUNT)] == [204] * COUNT
