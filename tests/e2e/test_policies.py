"""Policies for downlinks: who goes first, whose place is taken, and SIGHUP."""

import pytest
import wire
from routed import DEVICE, Servers


@pytest.fixture
def world(stack):
    servers = Servers(stack, ["second"])
    yield servers
    servers.close()


def queued(world):
    return [bytes.fromhex(m["token"]) for m in world.stack.queue(DEVICE)]


def ask(world, server, source, mid, token, method=wire.GET, path="/3/0", payload=b""):
    """Accepted, that is acknowledged; it waits, since another one is in flight."""
    world[server].send(wire.request(method, path, mid, token, payload=payload), source)
    assert world[server].expect(mid=mid).type == wire.ACK


def test_priorities_and_latest_wins_by_sighup(world):
    world.start()
    _, said = world.got(world.say())
    ask(world, "main", said.source, 7, b"one")
    world.delivered(DEVICE, 1)  # and never answered
    ask(world, "main", said.source, 8, b"two")
    ask(world, "second", said.source, 9, b"three")
    assert queued(world) == [b"one", b"two", b"three"]

    world.reload(downlinks=[{"server": "second", "priority": 6}], relay={"downlink_latest_wins": True})
    assert world.stack.log("needs_restart") == []
    ask(world, "second", said.source, 10, b"four", wire.PUT, payload=b"4")  # before those that are in flight, too
    ask(world, "main", said.source, 11, b"five", wire.PUT, payload=b"5")
    assert queued(world) == [b"four", b"one", b"two", b"three", b"five"]
    ask(world, "main", said.source, 12, b"six", wire.PUT, "/4/0", b"6")
    world["main"].send(wire.request(wire.PUT, "/3/0", 13, b"seven", payload=b"7"), said.source)
    refused = world["main"].expect(token=b"five")
    assert (refused.code, refused.payload) == (wire.code("5.03"), b"replaced by a newer request")
    assert world["main"].expect(mid=13).type == wire.ACK
    assert queued(world) == [b"four", b"one", b"two", b"three", b"seven", b"six"]
    world.stack.read()
    assert [event["state"] for ended in world.stack.finals().values() for event in ended] == ["displaced"]

    # the order is that of the store, too
    world.stack.adapter.kill()
    world.start()
    assert queued(world) == [b"four", b"one", b"two", b"three", b"seven", b"six"]


def test_a_policy_of_a_new_server_waits(world):
    world.start(downlinks=[{"domain": "example.org", "priority": 5}])
    servers = [*world.servers(), {"name": "third", "uri": "coap://127.0.0.1:9"}]
    world.reload(servers=servers, downlinks=[{"server": "third", "priority": 1}])
    assert len(world.stack.log("needs_restart", key="downlinks", server="third")) == 1
    world.reload(event="reload_refused", downlinks=[{"server": "third", "priority": 1}])
    (fault,) = world.stack.log("configuration_fault")
    assert "downlinks[0].server" in fault
