#!/usr/bin/env python3
"""`./dev soak --redis`: the adapter under load while its Redis gets into every trouble there is, at random, for as long as
one likes.

    redis_soak.py [--minutes 10] [--seed N] [--kind redis|valkey] [--keep DIRECTORY]

Half of the time one server at durability `fsync`: killed, stopped for half a minute, full, read-only, slow. Half of the
time a master and its replica watched by three sentinels, at durability `replicated`: either of them killed, or stopped
until the other is the master. Now and then the adapter is killed, too. In the end the books are closed: every request
that was acknowledged to the server must have been answered once and have come to one final state, none that was refused
may have reached its device, and no uplink that was taken may be lost.
"""

import argparse
import collections
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e")]
import stack as stack_module  # noqa: E402
from redis_load import Load  # noqa: E402
from redis_server import KINDS, MASTER_NAME, Group, Server  # noqa: E402

TIMEOUT_MS = 2000
TOLD_WITHIN_S = 60
STOPPED_S = 30
CALM_S = 5  # between troubles
DEVICES, REQUESTS_PER_S, UPLINKS_PER_S = 60, 300, 100


class Standalone:
    durability = "fsync"

    def __init__(self, directory, kind):
        self.server = Server(directory / "redis", kind)

    def start(self):
        self.server.start()
        return {"uri": self.server.uri}

    def store_server(self):
        return self.server

    def troubles(self):
        """{name: (fault, repair)}"""
        call = self.server.call
        return {
            "killed": (self.server.kill, self.server.start),
            f"stopped {STOPPED_S} s": (lambda: (self.server.pause(), time.sleep(STOPPED_S)), self.server.proceed),
            "full": (lambda: call("CONFIG", "SET", "maxmemory", 1), lambda: call("CONFIG", "SET", "maxmemory", 0)),
            "read-only": (lambda: call("REPLICAOF", "127.0.0.1", 1), lambda: call("REPLICAOF", "NO", "ONE")),
            "slow": (lambda: call("CLIENT", "PAUSE", 3 * TIMEOUT_MS, "ALL"), lambda: None),
        }

    def stop(self):
        self.server.stop()


class Watched:
    durability = "replicated"

    def __init__(self, directory, kind):
        self.group = Group(directory / "group", kind, replicas=1)
        self.away = None

    def start(self):
        self.group.start()
        return {"sentinels": self.group.sentinel_addresses, "master_name": MASTER_NAME, "replicas": 1}

    def store_server(self):
        return self.group.master()

    def troubles(self):
        return {
            "master killed": (lambda: self.master_goes(Server.kill), lambda: self.comes_back(Server.start)),
            "master stopped": (lambda: self.master_goes(Server.pause), lambda: self.comes_back(Server.proceed)),
            "replica killed": (lambda: self.replica_goes(Server.kill), lambda: self.comes_back(Server.start)),
            f"replica stopped {STOPPED_S} s": (
                lambda: (self.replica_goes(Server.pause), time.sleep(STOPPED_S)),
                lambda: self.comes_back(Server.proceed),
            ),
        }

    def master_goes(self, how):
        self.away = self.group.wait_master(replicas=1)
        how(self.away)
        self.group.wait_master(other_than=self.away)

    def replica_goes(self, how):
        master = self.group.wait_master(replicas=1)
        self.away = next(server for server in self.group.servers if server is not master)
        how(self.away)

    def comes_back(self, how):
        how(self.away)
        self.group.wait_master(replicas=1)

    def stop(self):
        self.group.stop()


def part(directory, store, seed, seconds):
    """(what was broken, figures)"""
    directory.mkdir()
    dice = random.Random(seed)
    stack = stack_module.Stack(directory)
    load = Load(stack, DEVICES, REQUESTS_PER_S, UPLINKS_PER_S, seed)
    seen = collections.Counter()
    try:
        where = store.start()
        load.begin(store.store_server, kind="redis", durability=store.durability, timeout_ms=TIMEOUT_MS, **where)
        end = time.monotonic() + seconds
        turns = []
        while time.monotonic() < end:
            turns = turns or dice.sample(sorted(store.troubles()), len(store.troubles()))
            name = turns.pop()
            print(f"  {time.strftime('%H:%M:%S')} {name}", flush=True)
            load.outage(*store.troubles()[name])
            calm = time.monotonic() + CALM_S
            load.wait(lambda: time.monotonic() > calm, "nothing")  # noqa: B023
            seen[name] += 1
            if not turns:
                load.kill_adapter()
                seen["the adapter killed"] += 1
                load.server.asking = True
        broken = load.end(TOLD_WITHIN_S)
        seen["the adapter killed"] += 1
        load.stop()
        stack.finish()
        return broken, {**load.figures(), "troubles": dict(seen)}
    except AssertionError as error:
        return [str(error)[-3000:]], {**load.figures(), "troubles": dict(seen)}
    finally:
        load.stop()
        stack.kill_all()
        store.stop()


def run(directory, seed, seconds, kind):
    broken, figures = [], {}
    for store in (Standalone(directory / "standalone", kind), Watched(directory / "sentinel", kind)):
        print(f"{kind}, {store.durability}", flush=True)
        wrong, some = part(directory / store.durability, store, seed, seconds / 2)
        broken += [f"{store.durability}: {one}" for one in wrong]
        figures[store.durability] = some
    return broken, figures


def main():
    parser = argparse.ArgumentParser(prog="./dev soak --redis", description="scef-adapter while its Redis is in trouble")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--kind", choices=KINDS, default="redis")
    parser.add_argument("--keep", type=Path, help="logs and traces go there, and stay")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="soak."))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"soak: {arguments.minutes:g} minutes, seed {seed}, logs in {directory}", flush=True)
    broken, figures = run(directory, seed, arguments.minutes * 60, arguments.kind)
    print(json.dumps(figures, indent=2))
    for one in broken:
        print(f"BROKEN: {one}")
    if not broken and not arguments.keep:
        shutil.rmtree(directory)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
