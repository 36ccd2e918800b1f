"""The whole adapter under load while its Redis is killed, paused, full, read-only, slow, or failed over by Sentinel.

What must hold: a request that was acknowledged is answered once, and ends in one final state, also when the adapter is killed
afterwards; one that was refused never reaches its device; both are told in bounded time; what needs no store goes on; and all
is well again without a restart.
"""

import json
import time

import pytest
import stream_wire
import wire
from fake_scef import FakeScef
from redis_load import Load
from redis_server import KINDS, MASTER_NAME, Group, Server

TIMEOUT_MS = 1500
TOLD_WITHIN_S = 30  # far more than TIMEOUT_MS: machines are busy
PAUSE_S = 6


@pytest.fixture
def load(stack):
    around = Load(stack)
    yield around
    around.stop()


def settings(server, durability="fsync", **more):
    return {"kind": "redis", "uri": server.uri, "durability": durability, "timeout_ms": TIMEOUT_MS, **more}


def assert_nothing_lost(load):
    broken = load.end(TOLD_WITHIN_S)
    assert not broken, (broken, load.figures())


@pytest.fixture(params=KINDS)
def server(request, tmp_path):
    program = Server(tmp_path / "redis", request.param).start()
    yield program
    program.stop()


@pytest.mark.timeout(300)
def test_killed_and_started_again(stack, load, server):
    load.begin(lambda: server, **settings(server))
    for _ in range(3):
        load.outage(server.kill, server.start)
    assert_nothing_lost(load)


@pytest.mark.timeout(300)
def test_paused(stack, load, server):
    load.begin(lambda: server, **settings(server))

    def pause():
        server.pause()
        time.sleep(PAUSE_S)

    load.outage(pause, server.proceed)
    assert_nothing_lost(load)


@pytest.mark.timeout(300)
def test_full(stack, load, server):
    load.begin(lambda: server, **settings(server))
    for _ in range(2):
        load.outage(lambda: server.call("CONFIG", "SET", "maxmemory", 1), lambda: server.call("CONFIG", "SET", "maxmemory", 0))
    assert_nothing_lost(load)


@pytest.mark.timeout(300)
def test_read_only(stack, load, server):
    """It becomes a replica, of nobody, and is the master again."""
    load.begin(lambda: server, **settings(server))
    for _ in range(2):
        load.outage(lambda: server.call("REPLICAOF", "127.0.0.1", 1), lambda: server.call("REPLICAOF", "NO", "ONE"))
    assert_nothing_lost(load)


@pytest.mark.timeout(300)
def test_slow(stack, load, server):
    """Longer than timeout_ms, and shorter: nothing need be refused then."""
    load.begin(lambda: server, **settings(server))
    for pause_ms in (PAUSE_S * 1000, TIMEOUT_MS // 3):
        load.outage(lambda ms=pause_ms: server.call("CLIENT", "PAUSE", ms, "ALL"), lambda: None, pause_ms > TIMEOUT_MS)
    assert_nothing_lost(load)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_failed_over(stack, load, tmp_path, kind):
    """Sentinel promotes the replica of a master that was killed, and later, the other way, of one that was paused."""
    group = Group(tmp_path / "group", kind, replicas=1).start()
    try:
        sentinels = {"sentinels": group.sentinel_addresses, "master_name": MASTER_NAME}
        replicated = {"durability": "replicated", "replicas": 1, "timeout_ms": TIMEOUT_MS}
        load.begin(group.master, kind="redis", **sentinels, **replicated)
        first = group.master()
        second = None

        def promoted():
            nonlocal second
            first.kill()
            second = group.wait_master(other_than=first)

        load.outage(promoted, lambda: (first.start(), group.wait_master(replicas=1)))
        # Who only slept believes that it is the master still, and must do no harm.
        load.outage(lambda: (second.pause(), group.wait_master(other_than=second)), second.proceed)
        group.wait_master(replicas=1)
        assert_nothing_lost(load)
        group.master().kill()  # and nothing is left in its memory only
    finally:
        group.stop()


def die_together(load, server):
    """Adapter and store, at an instant when both have their hands full."""
    load.wait_served("before both die", 50)
    load.stack.adapter.kill()
    server.kill()
    load.stack.adapter.verify()


def assert_none_lost(load):
    """Some may have been told twice."""
    load.wait_served("in the end")
    load.drain()
    broken = load.judge_lost()
    assert not broken, (broken, load.figures())


@pytest.mark.timeout(300)
def test_killed_with_the_adapter(stack, load, server):
    load.begin(lambda: server, **settings(server))
    for _ in range(5):
        die_together(load, server)
        server.start()
        stack.start_adapter()
    assert_none_lost(load)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_failed_over_while_the_adapter_is_dead(stack, load, tmp_path, kind):
    """What was accepted is in the replica, and nowhere else."""
    group = Group(tmp_path / "group", kind, replicas=1).start()
    try:
        sentinels = {"sentinels": group.sentinel_addresses, "master_name": MASTER_NAME}
        load.begin(group.master, kind="redis", **sentinels, durability="replicated", replicas=1, timeout_ms=TIMEOUT_MS)
        for cut_off in (False, True):
            old = group.wait_master(replicas=1)
            if cut_off:  # the master has what its successor has not, and nobody was told that it was accepted
                load.wait_served("before the replica is cut off", 50)
                replica = next(one for one in group.servers if one is not old)
                replica.pause()
                old.call("CLIENT", "KILL", "TYPE", "replica")
                load.wait_refused("while the replica is cut off")
                stack.adapter.kill()
                old.kill()
                replica.proceed()
            else:
                die_together(load, old)
            group.wait_master(other_than=old)
            old.start()
            group.wait_master(replicas=1)  # mostly the new one; sentinels may change their minds
            stack.start_adapter()
        assert_none_lost(load)
    finally:
        group.stop()


@pytest.mark.timeout(300)
def test_without_its_replica(stack, load, tmp_path):
    """At `replicated` nothing is accepted while the replica is away; the master alone is well."""
    master = Server(tmp_path / "master").start()
    replica = Server(tmp_path / "replica", replicaof=f"127.0.0.1 {master.port}").start()
    try:
        master.wait(lambda: master.replicas_online() == 1, "the replica is in step")
        load.begin(lambda: master, **settings(master, "replicated", replicas=1))
        load.outage(replica.kill, replica.start)
        assert_nothing_lost(load)
    finally:
        replica.stop()
        master.stop()


def test_uplinks_while_server_and_store_are_away(stack, server):
    """An uplink needs the store when its server is away: then it is refused, with Retry-After, until one of both is back."""
    device = "dev1@example.org"
    servers = [{"name": "main", "uri": f"coap+tcp://127.0.0.1:{stack.server_port}"}]  # a connection is refused at once
    with FakeScef(stack.scef_port) as scef:
        stack.start_adapter([device], store=settings(server), servers=servers)
        link = scef.link(device)

        def tell(number):
            message = wire.request(wire.POST, "/dp", number, b"t%d" % number, payload=b"%d" % number)
            return stack.uplink(device, message, link)

        assert tell(1).status == 204
        stack.wait(lambda: stack.adapter_named("spooled"), "the uplink is stored")
        server.kill()
        start = time.monotonic()
        refused = [tell(2), tell(3)]
        assert [reply.status for reply in refused] == [503, 503] and time.monotonic() - start < TOLD_WITHIN_S
        assert all(int(reply.headers["Retry-After"]) > 0 for reply in refused)
        server.start()
        stack.wait(lambda: tell(2).status == 204, "it is taken once the store is back")
        with stream_wire.Server(stack.server_port) as back:
            connection = back.welcome(timeout=90)
            assert [connection.expect(wire.POST).payload for _ in range(2)] == [b"1", b"2"]
            connection.close()


def test_a_replica_is_no_store(stack, server, tmp_path):
    """Told at the start, in a line that says why."""
    with FakeScef(stack.scef_port):
        server.call("REPLICAOF", "127.0.0.1", 1)
        path = stack.directory / "adapter.yaml"
        path.write_text(json.dumps(stack.adapter_config(["dev1@example.org"], store=settings(server))))
        adapter = stack.start("scef-adapter", "--config", path)
        adapter.expected = {1, 2}
        stack.wait(lambda: not adapter.running(), "the adapter ends")
        assert "not a master" in adapter.errors(), adapter.errors()
