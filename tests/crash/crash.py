#!/usr/bin/env python3
"""Kills the adapter again and again, at named points and at any moment, and holds it to what it has promised.

    crash.py [--runs 2000] [--seed 1] [--store embedded] [--jobs 2] [--keep DIRECTORY]

A run is one life of the adapter that ends by SIGKILL: at the N-th passage of a named point (base/fault.h) or at a random
moment. RUNS_A_STORE lives in a row have the same store; then all goes well for a while, what is open is finished, and is judged:

- each request that was acknowledged to its server is answered to it, by one and the same answer however often it came;
- each has exactly one final state in the trace; a second time only in another life, when it died in between;
- what was refused was never carried out; nothing was carried out under two Message IDs;
- each uplink that was answered 2xx has been at its server; devices have kept their addresses;
- nothing is left in the store, and nobody crashed by himself.

Prints how often each point was fatal, and what was broken, with the seed that shows it. Seeds make the same dice, but not
the same run: programs are on the clock.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(Path(__file__).resolve().parent)]
import crash_servers as servers  # noqa: E402
import stack  # noqa: E402
import wire  # noqa: E402
from crash_scef import GROUP, Network, Scef  # noqa: E402
from crash_stores import STORES  # noqa: E402

BIN = Path(os.environ.get("SCEF_CRASH_BIN") or TOP / "build/crash/bin")
RUNS_A_STORE = 10
LIFE_S = 0.6  # the longest, when the point is not passed; more where the store is slow
RANDOM_S = 0.3  # the longest without a point
CALM_S = 120  # a busy machine; mostly it takes less than one
PING_S = 0.3
PASSAGES = (1, 1, 1, 2, 2, 3, 4, 6, 9, 14, 25)
ONCE = ("start.", "sequence.", "restore.set_aside", "configuration.created", "store.sequence", "redis.connection_lost")
FIRST = ("import.", "device.put", "store.device", "configuration.created")  # mostly in the first life of a store
DEVICES = [f"dev{n}@example.org" for n in range(1, 5)]
LEARNED = [f"m{n}@example.org" for n in range(1, 4)]
PORTS = 7
OUTSTANDING = 2  # requests per device and server
QUEUE_MAX = 4  # so that some are refused


class Broken(Exception):
    pass


def ports_take():
    """So many ports in a row, and what keeps other runs of this program away from them: between two lives they are free."""
    for _ in range(1000):
        first = -(-stack.free_ports(2 * PORTS) // PORTS) * PORTS
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            lock.bind(f"\0scef-crash-ports-{first}")
            return lock, first
        lock.close()
    raise AssertionError("no ports")


class World:
    """One store, and what lives around it."""

    def __init__(self, seed, store, directory, hits):
        self.seed, self.directory = seed, Path(directory).resolve()
        self.dice = random.Random(seed)
        self.hits = collections.Counter(hits)  # how often each point was fatal, so far and elsewhere
        self.fatal = collections.Counter()  # here
        self.faults = []
        self.addresses, self.reached, self.calm = {}, set(), False
        self.ports_lock, first = ports_take()
        self.scef_port, self.callback_port, self.admin_port, self.leg_port, main, second, self.stream_port = range(
            first, first + PORTS
        )
        self.network = Network(self, self.scef_port, DEVICES, LEARNED)
        self.main, self.second = servers.UdpServer(self, "main", main), servers.UdpServer(self, "second", second)
        self.store = STORES[store](self)
        self.lives = []  # sizes of the trace when they ended
        self.number = 0
        self.trace = self.directory / "trace.jsonl"
        self.errors = self.directory / "adapter.err"
        self.process = None
        self.talking = True

    def broken(self, text):
        self.faults.append(text)

    def servers(self):
        return self.main, self.second

    # ---- the adapter

    def configure(self):
        prefix = f"127.{self.dice.randrange(65, 250)}.0.0/16"
        config = {
            "scef": {
                "api_root": f"http://127.0.0.1:{self.scef_port}",
                "scs_as_id": "as1",
                "breaker_failures": 0,
                "request_timeout_ms": 2000,
            },
            "callback": {"listen": f"127.0.0.1:{self.callback_port}"},
            "admin": {"listen": f"127.0.0.1:{self.admin_port}"},
            "store": self.store.config(),
            "server_leg": {"mode": "prefix", "prefix": prefix, "port": self.leg_port},
            "servers": [
                {"name": "main", "uri": f"coap://127.0.0.1:{self.main.socket.getsockname()[1]}"},
                {"name": "second", "uri": f"coap://127.0.0.1:{self.second.socket.getsockname()[1]}"},
                {"name": "stream", "uri": f"coap+tcp://127.0.0.1:{self.stream_port}"},
            ],
            "routes": [{"server": "stream", "uri_host": "stream.example.org"}],
            "groups": [{"external_group_id": GROUP, "learn": True}],
            "devices": [{"external_id": name} for name in DEVICES],
            "relay": {
                "nidd_ack_timeout_ms": 40,
                "retry_min_s": 1,
                "retry_max_s": 1,
                "queue_max_messages": QUEUE_MAX,
                "endpoint_check": "off",
            },
        }
        (self.directory / "adapter.yaml").write_text(json.dumps(config))

    async def begin(self, fault=None):
        environment = {**stack.ENVIRONMENT}
        if fault:
            environment["SCEF_ADAPTER_FAULT"] = fault
        with open(self.errors, "ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                BIN / "scef-adapter",
                "--config",
                self.directory / "adapter.yaml",
                "--trace",
                self.trace,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env=environment,
            )

    async def ended(self, seconds):
        """Its exit status; None: it lives on."""
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except asyncio.TimeoutError:
            return None

    def passage(self, point):
        """The first ones first, to hit each; some are passed once a life."""
        return 1 if point.startswith(ONCE) else self.dice.choice(PASSAGES[: 2 + 3 * self.hits[point]])

    async def life(self, points):
        """One run."""
        points = [point for point in points if point not in self.store.never_passed]
        rare = min(self.hits[point] for point in points)
        rarest = [point for point in points if self.hits[point] <= rare + 2]
        point = self.dice.choice(rarest) if self.dice.random() < 0.8 else None
        if not self.lives and self.dice.random() < 0.5:
            point = self.dice.choice([point for point in points if point.startswith(FIRST)])
        if self.store.passed_here and self.dice.random() < 0.2:
            point = self.dice.choice(self.store.passed_here)
        before = self.errors.stat().st_size if self.errors.exists() else 0
        await self.begin(f"{point}:{self.passage(point)}" if point else None)
        disturbance = asyncio.ensure_future(self.store.disturb()) if self.dice.random() < 0.3 else None
        longest = LIFE_S if point else self.dice.choice((RANDOM_S, RANDOM_S / 4)) * self.dice.random()
        status = await self.ended(longest * self.store.slowness)
        if status is None:
            with contextlib.suppress(ProcessLookupError):  # it has just died of the point
                self.process.kill()
            await self.process.wait()
        elif status == 1 and disturbance and b"cannot start: store" in self.errors.read_bytes()[before:]:
            pass  # whoever watches over it starts it again
        elif status == -9:
            self.fatal[point] += 1
            self.hits[point] += 1
        else:
            raise Broken(f"the adapter ended by itself with {status} ({point})")
        if disturbance:
            await disturbance
        self.lives.append(self.trace.stat().st_size if self.trace.exists() else 0)

    # ---- traffic

    def unique(self, prefix):
        self.number += 1
        return prefix + self.number.to_bytes(3, "big")

    def act(self, ue):
        """A device says something of its own accord, or a server asks it something; from time to time."""
        if not self.talking:
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self.dice.uniform(0.01, 0.12), self.act, ue)
        if ue.name not in self.addresses:
            if not ue.open:
                self.register(ue)
            return
        if self.dice.random() < 0.5:
            self.speak(ue)
        else:
            self.ask(self.dice.choice(self.servers()), ue)

    def register(self, ue):
        message = wire.registration(f"urn:nai:{ue.name}", self.network.next_mid(ue), self.unique(b"R"))
        self.network.say_con(ue, message)

    def speak(self, ue):
        payload = self.unique(b"u")
        kind = wire.CON if self.dice.random() < 0.5 else wire.NON
        what = self.dice.random()
        mid = self.network.next_mid(ue)
        if what < 0.3 and ue.observers:
            token = self.dice.choice(list(ue.observers))
            ue.observers[token] += 1
            ue.notified[mid] = token
            options = [(wire.OBSERVE, ue.observers[token].to_bytes(3, "big"))]
            message = wire.Message(kind, wire.code("2.05"), mid, token, options, payload)
        else:
            options = [(3, b"stream.example.org")] if what > 0.6 else []  # Uri-Host
            message = wire.request(wire.POST, "/dp", mid, self.unique(b"U"), kind, options, payload)
        if kind == wire.CON and len(ue.open) < 3:
            self.network.say_con(ue, message, payload)
        elif kind == wire.NON:
            self.network.say(ue, message, payload)

    def ask(self, server, ue, last=False):
        if len(server.open(ue.name)) >= OUTSTANDING and not last:
            return
        token = self.unique(b"D" if server is self.main else b"E")
        what = 1 if last else self.dice.random()
        if what < 0.1:
            server.ask(ue.name, token, wire.GET, "/3303/0/5700", options=[(wire.OBSERVE, b"")])
        elif what < 0.4:
            server.ask(ue.name, token, wire.POST, "/3/0/4")
        else:
            server.ask(ue.name, token, wire.GET, "/3/0/0")

    async def people(self):
        loop = asyncio.get_running_loop()
        self.listeners = [
            await loop.create_server(lambda: Scef(self.network), "127.0.0.1", self.scef_port),
            await loop.create_server(lambda: servers.StreamServer(self), "127.0.0.1", self.stream_port),
        ]
        for server in self.servers():
            await server.start()
        for ue in self.network.ues.values():
            self.act(ue)

    # ---- the end

    def open(self):
        """What is not finished yet."""
        ues = self.network.ues.values()
        return {
            "requests": [(s.name, r) for s in self.servers() for r in s.open()],
            "notifications": self.network.notifications,
            "device requests": [(ue.name, m) for ue in ues for m in ue.open.values()],
            "uplinks": [u.payload for u in self.network.uplinks.values() if u.payload not in self.reached],
            "finals": [s for s, finals in self.finals().items() if not finals],
            "devices": [ue.name for ue in ues if ue.name not in self.addresses],
        }

    async def finish(self):
        """Nothing fails any more, and everybody has his last word."""
        self.calm = True
        await self.begin()
        end, pinged = time.monotonic() + CALM_S, 0
        asked = set()
        while True:
            for ue in self.network.ues.values():
                if ue.name in self.addresses and ue.name not in asked:
                    asked.add(ue.name)
                    self.talking = len(asked) < len(self.network.ues)
                    self.ask(self.main, ue, last=True)
            if await self.ended(0.05) is not None:
                raise Broken(f"the adapter ended by itself with {self.process.returncode}")
            if not any((r := self.open()).values()) and not self.talking and await self.queued() == 0:
                break
            if time.monotonic() > end:
                left = {what: (value if isinstance(value, int) else value[:4]) for what, value in r.items() if value}
                queues = [await self.admin(f"/v1/devices/{ue}/queue") for ue in self.network.ues]
                raise Broken(f"not finished: {left} {[q for q in queues if b'seq' in q]}")
            if time.monotonic() > pinged + PING_S:  # whose message lets its queue flow
                pinged = time.monotonic()
                for ue in self.network.ues.values():
                    self.network.ping(ue)
        await self.stop()
        await self.emptied()

    async def queued(self):
        """Messages that the adapter holds, also those of which the trace has not told before a kill."""
        names = (b"scef_adapter_queued_messages ", b"scef_adapter_spooled_messages ")
        lines = (await self.admin("/metrics")).splitlines()
        return sum(int(float(line.split()[1])) for line in lines if line.startswith(names))

    async def admin(self, path):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        writer.write(b"GET %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n" % path.encode())
        answer = await reader.read()
        writer.close()
        return answer.split(b"\r\n\r\n", 1)[1]

    async def stop(self):
        self.process.terminate()
        if await self.ended(20) != 0:
            raise Broken(f"the adapter ended with {self.process.returncode} after SIGTERM")

    async def emptied(self):
        """Does the next start find a message?"""
        before = self.errors.stat().st_size
        await self.begin()
        while b"event=started" not in self.errors.read_bytes()[before:]:
            if await self.ended(0.01) is not None:
                raise Broken(f"the adapter ended by itself with {self.process.returncode}")
        await self.stop()
        said = self.errors.read_bytes()[before:].decode(errors="replace")
        for line in said.splitlines():
            if "event=restored" in line and ("kind=downlink" in line or "kind=uplink" in line):
                self.broken(f"left in the store: {line}")

    def events(self):
        """(life, event) of the trace. A line that a kill has cut off tells nothing: what it was about is not done."""
        data = self.trace.read_bytes() if self.trace.exists() else b""
        for life, (start, end) in enumerate(zip([0, *self.lives], [*self.lives, len(data)], strict=True)):
            for line in data[start:end].splitlines(keepends=True):
                if line.endswith(b"\n"):
                    yield life, json.loads(line)

    def finals(self):
        """{sequence number of a message that was accepted: [(life, state)]}"""
        found = {}
        for life, event in self.events():
            if event["event"] == "accepted":
                found.setdefault(event["seq"], [])
            if event["event"] == "final" and event["seq"] in found:
                found[event["seq"]].append((life, event["state"]))
        return found

    def refusals(self):
        """{token of a request that was refused and accepted: by another life}. A copy of it was under way when the
        process died, and the next one knows nothing of the refusal: the only excuse for carrying it out."""
        refused, otherwise = {}, {}
        for life, event in self.events():
            if event["event"] == "to_server" and event.get("type") == "ACK" and event["code"][0] in "45":
                refused.setdefault(event["token"], life)
            if event["event"] in ("accepted", "submit") and event.get("token") in refused:
                otherwise.setdefault(event["token"], life > refused[event["token"]])
        return otherwise

    def judge(self):
        refusals = self.refusals()
        for server in self.servers():
            for token, request in server.requests.items():
                executed = token in self.network.ues[request.ue].executed
                if request.refused and executed and not refusals.get(token.hex()):
                    self.broken(f"refused with {wire.code_text(request.refused)} and carried out: {token.hex()}")
                if request.answers and len(request.answers) != 1:
                    self.broken(f"answered in two ways: {token.hex()} {request.answers}")
                if any(code >> 5 == 2 for code, _ in request.answers) and not executed:
                    self.broken(f"answered and not carried out: {token.hex()}")
        for seq, finals in self.finals().items():
            if len({life for life, _ in finals}) != len(finals):
                self.broken(f"two final states in one life: seq={seq} {finals}")
            if len({state for _, state in finals}) > 1:
                self.broken(f"two different final states: seq={seq} {finals}")
        seqs = collections.defaultdict(set)
        for _, event in self.events():
            if event["event"] == "accepted" and event["code"] < "1":
                seqs[event["ext_id"], event["server"], event["token"]].add(event["seq"])
        for what, accepted in seqs.items():
            if len(accepted) > 1:
                self.broken(f"accepted twice: {what} {accepted}")

    def figures(self):
        requests = [r for s in self.servers() for r in s.requests.values()]
        told = [len(f) for f in self.finals().values()]
        return collections.Counter(
            {
                "requests accepted": sum(1 for r in requests if r.accepted),
                "requests refused": sum(1 for r in requests if r.refused),
                "uplinks answered 2xx": sum(1 for u in self.network.uplinks.values() if u.accepted),
                "final states told again after a crash": sum(n - 1 for n in told if n),
                "refused, and a copy accepted by another life": sum(self.refusals().values()),
                "records set aside": self.errors.read_text(errors="replace").count("event=record_set_aside"),
            }
        )


async def lives(world, runs, points):
    world.configure()
    await world.store.start()
    await world.people()
    try:
        for _ in range(runs):
            await world.life(points)
            if world.dice.random() < 0.2:
                world.network.forget()
            if world.dice.random() < 0.2:
                await world.store.damage()
        await world.finish()
        world.judge()
    except Broken as why:
        world.broken(str(why))
    finally:
        if world.process and world.process.returncode is None:
            world.process.kill()
            await world.process.wait()
        await world.store.stop()


def store_lives(seed, store, runs, points, hits, keep):
    """In a process of its own."""
    directory = Path(keep) / f"{store}-{seed}" if keep else Path(tempfile.mkdtemp(prefix="crash-"))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    world = World(seed, store, directory, hits)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(lives(world, runs, points))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    figures = world.figures() if not world.faults else {}
    if world.faults and not keep:
        print(f"seed {seed}: see {directory}", file=sys.stderr)
    elif not keep:
        shutil.rmtree(directory)
    return seed, len(world.lives), world.fatal, world.faults, figures


def points_of(store):
    """The names of all points, those of other stores left out."""
    with tempfile.NamedTemporaryFile() as listed:
        environment = {**stack.ENVIRONMENT, "SCEF_ADAPTER_FAULTS": listed.name}
        subprocess.run([BIN / "scef-adapter", "--version"], env=environment, check=True, capture_output=True)
        names = [line.split()[0] for line in listed.read().decode().splitlines()]
    assert len(names) == len(set(names)), "a name stands at two places"
    return sorted(name for name in names if STORES[store].passes(name))


def run(seed, runs, store, jobs, keep=None, progress=lambda *_: None):
    """(runs, {point: how often it was fatal}, {seed: what was broken}, figures)"""
    points = points_of(store)
    hits, faults, figures, done = collections.Counter(), {}, collections.Counter(), 0
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        waiting, begun, number = set(), 0, seed
        while begun < runs or waiting:
            while begun < runs and len(waiting) < jobs:
                count = min(RUNS_A_STORE, runs - begun)
                waiting.add(pool.submit(store_lives, number, store, count, points, hits, keep))
                begun, number = begun + count, number + 1
            ended, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in ended:
                which, lived, fatal, broken, seen = future.result()
                done += lived
                hits.update(fatal)
                figures.update(seen)
                if broken:
                    faults[which] = broken
                progress(done, which, broken)
    return done, {point: hits[point] for point in points}, faults, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=sorted(STORES), default="embedded")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", help="keeps each store with its log and trace here")
    options = parser.parse_args()
    begun = time.monotonic()

    def progress(done, seed, broken):
        for fault in broken:
            print(f"BROKEN seed {seed}: {fault}", flush=True)
        if done % 100 < RUNS_A_STORE:
            print(f"{done} runs, {time.monotonic() - begun:.0f} s", flush=True)

    done, hits, faults, figures = run(options.seed, options.runs, options.store, options.jobs, options.keep, progress)
    print(f"\n{done} runs, store {options.store}, {time.monotonic() - begun:.0f} s")
    for point, count in hits.items():
        print(f"  {point:32} {count:5}")
    print(f"  {'(at a random moment)':32} {done - sum(hits.values()):5}")
    for what, count in sorted(figures.items()):
        print(f"{what}: {count}")
    missed = [point for point, count in hits.items() if not count]
    if missed:
        print(f"never hit: {' '.join(missed)}")
    print(f"broken: {sum(map(len, faults.values()))}")
    sys.exit(bool(faults or missed))


if __name__ == "__main__":
    main()
