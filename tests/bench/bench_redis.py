#!/usr/bin/env python3
"""`./dev bench --redis`: the store in Redis, beside redis-benchmark that has the same server do the same work.

  (r) bench_store_load     the adapter's store: messages of 120 bytes into the queues of 100,000 devices, 64 flushes of 16
                           under way; how many go together in one command is up to the store
  (b) redis-benchmark      the same command, EVALSHA of the same script with as many messages as (r) had in one on
                           average, as many commands under way, one connection                       store_ratio = r/b
  (h) redis-benchmark      HSET of the same value, as many in a pipeline as (r) has messages under way: for comparison
  (l) bench_store_load     the same on the embedded store, for comparison

At appendfsync always and everysec, in turns r b h l, r b h l, ...: machines are noisy. A ratio is that of two neighbours
in one turn, and the median of the turns counts. Then the memory that Redis takes for a device, and for a message in its
queue, by used_memory over so many of them. Nothing is asserted on time. Figures go to build/bench_redis.json.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

from processes import Cores, Failure, Program

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MESSAGE_BYTES = 120
PUTS, UNDER_WAY = 16, 64  # messages in a flush; flushes
COMPACT_BYTES = 1024  # hash-max-listpack-value, of which Redis has 64: the one setting that our hashes want
GROUPS = 4  # commands that the store has under way at most
DEVICES = 100000

# Design goals; each is (key of the result, limit, whether more is better).
GOALS = {
    "store_ratio_always": (0.4, True),
    "store_ratio_everysec": (0.4, True),
    "bytes_per_idle_device": (200, False),
    "bytes_per_queued_message": (MESSAGE_BYTES + 250, False),
}


def say(what):
    print(f"bench: {what}", file=sys.stderr, flush=True)


class Redis:
    """A server on a socket of its own, with nothing in it."""

    def __init__(self, bench, fsync, compact=0):
        self.bench = bench
        self.directory = bench.directory_new("redis")
        self.socket = f"{self.directory}/redis.sock"
        path = f"{self.directory}/redis.conf"
        with open(path, "w") as f:
            f.write(f"port 0\nunixsocket {self.socket}\ndir {self.directory}\nsave \"\"\n")
            f.write(f"appendonly {'yes' if fsync else 'no'}\nappendfsync {fsync or 'no'}\n")
            if compact:
                f.write(f"hash-max-listpack-value {compact}\n")
            f.write("auto-aof-rewrite-percentage 0\n")  # a rewrite in the middle would be measured
        self.program = Program([bench.redis, path], bench.cores.measured, f"{self.directory}/log")
        bench.stack.callback(self.program.kill)
        end = time.monotonic() + 20
        while "PONG" not in self.call("PING", check=False):
            if time.monotonic() > end:
                raise self.program.fail("does not answer")
            time.sleep(0.02)

    @property
    def uri(self):
        return f"unix:{self.socket}"

    def call(self, *words, check=True, stdin=None):
        argv = [self.bench.cli, "-s", self.socket, *map(str, words)]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if check and (done.returncode or done.stdout.startswith("ERR")):
            raise Failure(f"{words[0]}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def info(self, section):
        return dict(line.split(":", 1) for line in self.call("INFO", section).splitlines() if ":" in line)

    def used_memory(self):
        """Without the scripts' interpreter, which does not grow with the devices."""
        memory = self.info("memory")
        return int(memory["used_memory"]) - int(memory["used_memory_vm_eval"])

    def calls(self, command):
        found = re.search(r"calls=(\d+)", self.info("commandstats").get(f"cmdstat_{command}", ""))
        return int(found[1]) if found else 0

    def stop(self):
        self.program.kill()
        shutil.rmtree(self.directory)


class Bench:
    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        self.cores = Cores()
        self.redis, self.cli, self.benchmark = (self.installed(f"{options.kind}-{x}") for x in ("server", "cli", "benchmark"))
        self.load = os.path.join(TOP, options.build, "bin/bench_store_load")
        if not os.path.exists(self.load):
            raise Failure(f"{self.load} is missing: build first")
        self.directory = os.path.join(options.directory, f"bench_redis.{os.getpid()}")
        self.count = 0
        os.makedirs(self.directory)
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)

    @staticmethod
    def installed(name):
        path = shutil.which(name)
        if not path:
            raise Failure(f"{name} is not installed")
        return path

    def directory_new(self, name):
        self.count += 1
        path = f"{self.directory}/{self.count}-{name}"
        os.makedirs(path)
        return path

    def run_load(self, *arguments, timeout=300):
        program = Program([self.load, *arguments], self.cores.load, f"{self.directory}/load.log")
        self.stack.callback(program.kill)
        out, _ = program.process.communicate(timeout=timeout)
        if program.process.returncode != 0:
            raise program.fail(f"exit status {program.process.returncode}")
        return json.loads(out) if out else None

    # ---- the rates

    def run_store(self, fsync):
        redis = Redis(self, fsync)
        durability = {"always": "fsync", "everysec": "everysec"}[fsync]
        r = self.run_load(
            "--store", "redis", "--uri", redis.uri, "--durability", durability, "--seconds", self.options.seconds,
            "--warmup", 0.3, "--puts", PUTS, "--under-way", UNDER_WAY, "--devices", DEVICES, "--watch", redis.program.pid,
        )  # fmt: skip
        messages = sum(int(n) for n in [redis.call("EVAL", COUNT_MESSAGES, 0)])
        r["calls"] = redis.calls("evalsha")
        r["puts_per_call"] = messages / r["calls"]
        r["per_second"] = r["puts"] / r["seconds"]
        redis.stop()
        return r

    def run_lmdb(self):
        directory = self.directory_new("lmdb")
        r = self.run_load(
            "--store", "lmdb", "--path", directory, "--seconds", self.options.seconds, "--warmup", 0.3, "--puts", PUTS,
            "--under-way", UNDER_WAY, "--devices", DEVICES,
        )  # fmt: skip
        shutil.rmtree(directory)
        r["per_second"] = r["puts"] / r["seconds"]
        return r

    def benchmark_rate(self, redis, pipeline, space, words, requests):
        """Requests in a second. Of a number that is no multiple of `pipeline` redis-benchmark may lose count, and fail."""
        requests += -requests % pipeline
        argv = [self.benchmark, "-s", redis.socket, "-c", 1, "-P", pipeline, "-r", space, "-n", requests, "--csv", *words]
        program = Program(argv, self.cores.load, f"{redis.directory}/benchmark.log")
        self.stack.callback(program.kill)
        out, _ = program.process.communicate(timeout=300)
        rows = [line.split('","') for line in out.splitlines() if line.startswith('"') and not line.startswith('"test')]
        if program.process.returncode != 0 or not rows:
            raise program.fail(f"exit status {program.process.returncode}, {out[-300:]}")
        return float(rows[-1][1].strip('"'))

    def run_benchmark(self, fsync, puts_per_call, expected_per_second):
        """EVALSHA of the script with so many messages."""
        puts = max(1, round(puts_per_call))
        words, script = self.command(puts)
        redis = Redis(self, fsync)
        sha = redis.call("-x", "SCRIPT", "LOAD", stdin=script)
        redis.call("HSET", "bench:owner", "epoch", 1, "name", "bench")
        words[1] = sha
        requests = int(expected_per_second * self.options.seconds / puts) + GROUPS
        per_second = self.benchmark_rate(redis, GROUPS, max(1, DEVICES // puts), words, requests) * puts
        stats = redis.info("commandstats")["cmdstat_evalsha"]
        if "failed_calls=0" not in stats or "rejected_calls=0" not in stats:
            raise Failure(f"redis-benchmark's commands failed: {stats}")
        stored = int(redis.call("EVAL", COUNT_MESSAGES, 0))
        if stored < puts:
            raise Failure(f"redis-benchmark stored {stored} messages")
        redis.stop()
        return {"per_second": per_second, "requests": requests, "puts_per_call": puts, "stored": stored}

    def run_hset(self, fsync, expected_per_second):
        redis = Redis(self, fsync)
        words = ["HSET", "bench:{000__rand_int__@n.example}", "m__rand_int__", "x" * 190]
        requests = int(expected_per_second * self.options.seconds)
        rate = self.benchmark_rate(redis, PUTS * UNDER_WAY, DEVICES, words, requests)
        redis.stop()
        return {"per_second": rate}

    def command(self, puts):
        """The words of the command that stores so many messages, for redis-benchmark; and the script."""
        done = subprocess.run([self.load, "--command", str(puts), "--puts", str(PUTS)], capture_output=True, check=True)
        words, rest = resp_words(done.stdout)
        return [plain(word) for word in words], rest.lstrip(b"\n").decode()

    def measure_rates(self):
        turns = {fsync: [] for fsync in ("always", "everysec")}
        for fsync, number in [(f, n) for n in range(self.options.rounds) for f in turns]:
            say(f"turn {number + 1} of {self.options.rounds}: appendfsync {fsync}")
            store = self.run_store(fsync)
            turns[fsync].append(
                {
                    "store": store,
                    "benchmark": self.run_benchmark(fsync, store["puts_per_call"], store["per_second"]),
                    "hset": self.run_hset(fsync, store["per_second"]),
                    "lmdb": self.run_lmdb(),
                }
            )
        return turns

    # ---- memory

    def measure_memory(self, compact):
        say(f"memory of {DEVICES} devices, " + (f"hash-max-listpack-value {compact}" if compact else "as Redis is installed"))
        redis = Redis(self, None, compact)
        arguments = ("--store", "redis", "--uri", redis.uri, "--durability", "memory", "--devices", DEVICES, "--puts", 100)
        used = [redis.used_memory()]
        for what in ("devices", "messages"):
            self.run_load(*arguments, "--fill", what)
            used.append(redis.used_memory())
        redis.stop()
        return {
            "hash_max_listpack_value": compact,
            "devices": DEVICES,
            "used_memory": used,
            "idle": (used[1] - used[0]) / DEVICES,
            "queued": (used[2] - used[1]) / DEVICES,
        }


# Messages that are in the store: what redis-benchmark and the store have really done.
COUNT_MESSAGES = """
local count, cursor = 0, '0'
repeat
  local page = redis.call('SCAN', cursor, 'MATCH', 'bench:{*', 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if string.sub(field, 1, 1) == 'm' then count = count + 1 end
    end
  end
until cursor == '0'
return count
"""


def resp_words(data):
    """(words, what follows)"""
    head, _, data = data.partition(b"\r\n")
    words = []
    for _ in range(int(head[1:])):
        length, _, data = data.partition(b"\r\n")
        size = int(length[1:])
        words.append(data[:size])
        data = data[size + 2 :]
    return words, data


def plain(word):
    """As an argument: no NUL, and the index's buckets are as many as the devices are."""
    if re.fullmatch(rb"bench:p:[0-9a-f]{4}", word):
        return "bench:p:__rand_int__"
    if word[:1] == b"m" and len(word) <= 9:
        return "m__rand_int__"
    if all(32 <= byte < 127 for byte in word):
        return word.decode()
    return "x" * len(word)


# ---- report


def median_of(turns, name, key="per_second"):
    return statistics.median(turn[name][key] for turn in turns)


def results_of(turns, memory):
    results = {"bytes_per_idle_device": memory[-1]["idle"], "bytes_per_queued_message": memory[-1]["queued"]}
    for fsync, some in turns.items():
        ratios = [turn["store"]["per_second"] / turn["benchmark"]["per_second"] for turn in some]
        results[f"store_ratio_{fsync}"] = statistics.median(ratios)
        results[f"ratios_{fsync}"] = ratios
    return {**results, "turns": turns, "memory": memory}


def report(results):
    lines = []
    for fsync, turns in results["turns"].items():
        store = [turn["store"] for turn in turns]
        lines += [
            f"appendfsync {fsync}",
            f"  (r) the store            {median_of(turns, 'store'):10,.0f} messages/s, "
            f"{median_of(turns, 'store', 'puts_per_call'):.0f} in a command; "
            f"latency p50 {statistics.median(s['p50_ms'] for s in store):.2f} ms, "
            f"p99 {statistics.median(s['p99_ms'] for s in store):.2f} ms",
            f"      of a core            {statistics.median(s['own_cpu'] / s['seconds'] for s in store):.0%} here, "
            f"{statistics.median(s['watched_cpu'] / s['seconds'] for s in store):.0%} Redis; "
            f"strangers took {statistics.median(s['foreign_cpu'] / s['seconds'] / 2 for s in store):.0%} of both",
            f"  (b) redis-benchmark      {median_of(turns, 'benchmark'):10,.0f} messages/s",
            f"  (h) HSET by itself       {median_of(turns, 'hset'):10,.0f} /s",
            f"  (l) the embedded store   {median_of(turns, 'lmdb'):10,.0f} messages/s",
            "  ratio r/b of the turns:  " + ", ".join(f"{x:.2f}" for x in results[f"ratios_{fsync}"]),
        ]
    for m in results["memory"]:
        how = f"hash-max-listpack-value {m['hash_max_listpack_value']}" if m["hash_max_listpack_value"] else "as installed"
        lines.append(f"memory, {how}: {m['idle']:.0f} bytes an idle device, {m['queued']:.0f} a queued message")
    for key, (limit, more) in GOALS.items():
        met = results[key] >= limit if more else results[key] <= limit
        lines.append(f"{key:28} {results[key]:8.2f}   goal {'>=' if more else '<='} {limit:g}   {'yes' if met else 'NO'}")
    return "\n".join(lines)


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench --redis", description="The store in Redis beside redis-benchmark.")
    p.add_argument("--kind", choices=("redis", "valkey"), default="redis")
    p.add_argument("--seconds", type=float, default=2, help="of each measurement (default: 2)")
    p.add_argument("--rounds", type=int, default=5, help="turns; the median counts (default: 5)")
    p.add_argument("--directory", default="/var/tmp", help="on the disk to be measured (default: /var/tmp)")
    p.add_argument("--build", default="build/release", help="build directory whose programs are measured")
    p.add_argument("--out", default="build/bench_redis.json")
    o = p.parse_args()
    if o.seconds < 0.2 or o.rounds < 1:
        p.error("--seconds at least 0.2, --rounds at least 1")
    return o


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with contextlib.ExitStack() as stack:
            bench = Bench(options, stack)
            say(bench.cores.describe().replace("measured program", options.kind))
            results = results_of(bench.measure_rates(), [bench.measure_memory(n) for n in (0, COMPACT_BYTES)])
    except Failure as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    out = os.path.join(TOP, options.out)
    with open(out, "w") as f:
        json.dump(results, f, indent=2)
        f.write("\n")
    print(f"\n{report(results)}\n\nwritten to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
