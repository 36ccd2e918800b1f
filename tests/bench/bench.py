#!/usr/bin/env python3
"""`./dev bench`: what the adapter does in a second on one core, beside the bare libraries doing the same HTTP.

  (a) bench_mhd            libmicrohttpd alone, POST answered 204
  (c) adapter uplink       T8 notifications in, CoAP datagrams out to a server that counts them      uplink_ratio = c/a
  (b) bench_curl           libcurl alone, a downlink POSTed and answered 200
  (d) adapter downlink     request in, stored durably, acknowledged, POSTed, 200; the device's answer in as a
                           notification and out as a separate response                              downlink_ratio = d/b
  (e) bench_idle_devices   the engine with a million devices that have nothing to say
  (f) latency              uplink at half the load of (c); from a device's wake-up to the first queued downlink, of 10:
                           its message or the network's report of it, a FETCH or a POST, which is marked before it goes

The rates are measured in turns, a c b d, a c b d, ..., since machines are noisy: a ratio is that of two neighbours in
one turn, and the median of the turns counts. Many short turns see both paces of a machine that changes its pace.
System calls and allocations per message are counted in runs of their own. Nothing is asserted on time: the exit status
is 1 only when something could not be measured or an answer was wrong. Figures go to build/bench.json.
"""

import argparse
import contextlib
import datetime
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

from processes import Adapter, Cores, Failure, MallocCount, Program, Strace, free_port, udp_port

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Design goals; each is (key of the result, limit, whether more is better).
GOALS = {
    "uplink_ratio": (0.5, True),
    "downlink_ratio": (0.5, True),
    "bytes_per_idle_device": (512, False),
    "uplink_latency_p99_ms": (5, False),
    "wakeup_p99_ms": (20, False),
    "wakeup_report_p99_ms": (20, False),
    "wakeup_post_p99_ms": (20, False),
}

# How a device wakes up, and what waits for it. A POST is marked in the store before it leaves.
WAKE_UPS = {"wakeup": ("message", "fetch"), "wakeup_report": ("report", "fetch"), "wakeup_post": ("message", "post")}


CONNECTION_CALLS = {"accept4", "close", "connect", "getpeername", "getsockname", "getsockopt", "setsockopt", "shutdown",
                    "socket"}


class Bench:
    def __init__(self, options, stack):
        self.stack = stack
        self.build = os.path.join(TOP, options.build)
        self.directory = os.path.join(self.build, "bench")
        self.cores = Cores()
        self.spin = ["--spin-us", 0 if self.cores.load == self.cores.measured else 1000]
        self.seconds = options.seconds
        self.warmup = min(0.5, options.seconds / 4)
        self.devices = options.devices
        self.connections = options.connections
        self.window = options.window
        self.runs = {"bare_mhd": [], "uplink": [], "bare_curl": [], "downlink": []}
        self.next_uplink = 0
        self.versions = {}
        self.logs = 0
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)

    def binary(self, name):
        path = os.path.join(self.build, "bin", name)
        if not os.path.exists(path):
            raise Failure(f"{path} is missing: build first")
        return path

    def log(self, name):
        """A new file for each process."""
        self.logs += 1
        return os.path.join(self.directory, f"{self.logs:02}-{name}.log")

    def start(self, name, *args, core=None, env=None, stdin=None):
        core = self.cores.load if core is None else core
        program = Program([self.binary(name), *args], core, self.log(name), env, stdin)
        self.stack.callback(program.kill)
        return program

    # ---- the four rates

    def set_up(self):
        """Everything that lives through the turns. What is not being measured waits for a socket and costs nothing."""
        self.mhd_port, self.sink_port = free_port(), free_port()
        self.mhd = self.start("bench_mhd", "--port", self.mhd_port, core=self.cores.measured)
        self.sink = self.start("bench_t8_sink", "--port", self.sink_port, *self.spin)
        self.server_port = udp_port()
        self.uplink_adapter = Adapter(self, f"{self.directory}/uplink", self.sink_port, self.server_port)
        self.downlink_load, self.downlink_adapter = self.downlink_pair("downlink")

    def downlink_pair(self, name, env=None):
        scef_port, server_port = free_port(), udp_port()
        load = self.start(
            "bench_downlink_load", "--scef-port", scef_port, "--udp", server_port, "--devices", self.devices,
            "--connections", self.connections, *self.spin, stdin=subprocess.PIPE,
        )
        adapter = Adapter(self, f"{self.directory}/{name}", scef_port, server_port, env)
        load.command(f"target {adapter.callback_port} {adapter.leg_port} {adapter.pid}")
        return load, adapter

    def t8_load(self, port, seconds, watched, udp=None, rate=None):
        args = [
            "--port", port, "--scef-port", self.sink_port, "--connections", self.connections, "--devices", self.devices,
            "--first", self.next_uplink, "--seconds", seconds, "--warmup", self.warmup, "--watch", watched, *self.spin,
        ]
        if udp:
            args += ["--udp", udp]
        if rate:
            args += ["--rate", rate]
        result = self.start("bench_t8_load", *args).result(seconds + 30)
        self.next_uplink += result["total"]
        return result

    def run_bare_mhd(self, seconds):
        return self.t8_load(self.mhd_port, seconds, self.mhd.pid)

    def run_uplink(self, seconds, adapter=None, udp=None, rate=None):
        adapter = adapter or self.uplink_adapter
        before = adapter.metrics()
        r = self.t8_load(adapter.callback_port, seconds, adapter.pid, udp or self.server_port, rate)
        after = adapter.metrics()
        taken = delta(before, after, 'uplinks_total{scef="scef",result="taken"}')
        sent = delta(before, after, "leg_datagrams_out_total")
        r["lost"] = r["total"] - r["total_delivered"]
        check(taken == r["total"], f"{r['total']} notifications were answered 204, the adapter counted {taken}")
        check(sent == r["total"], f"{r['total']} notifications were answered 204, {sent} datagrams left")
        check(r["wrong"] == 0, f"{r['wrong']} datagrams were not what their device sent")
        check(r["repeated"] == 0, f"{r['repeated']} datagrams came twice")
        check(r["total_delivered"] > 0, "no datagram came")
        return r

    def sink_work(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.sink_port}/work", timeout=10) as r:
            return json.load(r)

    def run_bare_curl(self, seconds, env=None, wrap=list):
        argv = [
            self.binary("bench_curl"), "--port", self.sink_port, "--connections", self.connections,
            "--devices", self.devices, "--seconds", seconds, "--warmup", self.warmup, "--watch", self.sink.pid,
        ]
        program = Program(wrap(argv), self.cores.measured, self.log("bench_curl"), env)
        self.stack.callback(program.kill)
        before = self.sink_work()
        r = program.result(seconds + 30)
        after = self.sink_work()
        busy_ns = (after["now_ns"] - before["now_ns"]) - (after["idle_ns"] - before["idle_ns"])
        r["load_busy"] = busy_ns / 1e9 * r["count"] / (after["deliveries"] - before["deliveries"])
        self.versions["libcurl"] = r.pop("version")
        return r

    def run_downlink(self, seconds, load=None, adapter=None):
        load, adapter = load or self.downlink_load, adapter or self.downlink_adapter
        before = adapter.metrics()
        r = load.command(f"run {seconds} {self.warmup} {self.window}")
        after = adapter.metrics()
        answered = delta(before, after, 'downlink_final_total{state="answered"}')
        accepted = delta(before, after, "downlink_accepted_total")
        check(r["wrong"] == 0, f"{r['wrong']} messages did not match; see {load.log}")
        check(r["lost"] == 0, f"{r['lost']} requests were never answered")
        check(accepted == r["total"], f"{r['total']} exchanges were completed, {accepted} requests accepted")
        check(answered == r["total"], f"{r['total']} exchanges were completed, {answered} ended as answered")
        return r

    def measure_rates(self, rounds):
        for number in range(rounds):
            for name, run in (
                ("bare_mhd", self.run_bare_mhd),
                ("uplink", self.run_uplink),
                ("bare_curl", self.run_bare_curl),
                ("downlink", self.run_downlink),
            ):
                say(f"turn {number + 1} of {rounds}: {name}")
                r = run(self.seconds)
                if r["count"] == 0:
                    raise Failure(f"{name}: nothing was done in {self.seconds} s")
                r["done"] = r["delivered"] if name == "uplink" else r["count"]
                r["per_second"] = r["done"] / r["seconds"]
                r["cpu_us_each"] = r["cpu"] / r["done"] * 1e6
                self.runs[name].append(r)

    def figure(self, name, key):
        return statistics.median(r[key] for r in self.runs[name])

    def ratios(self, above, below, key):
        """Of each turn."""
        return [a[key] / b[key] for a, b in zip(self.runs[above], self.runs[below])]

    # ---- the others

    def measure_latency(self):
        rate = self.figure("uplink", "per_second") / 2
        say(f"latency: uplink at {rate:,.0f} a second")
        uplink = self.run_uplink(self.seconds, rate=round(rate))
        say("latency: wake-up")
        return {"rate": rate, "uplink": uplink, **{name: self.measure_wake(*how) for name, how in WAKE_UPS.items()}}

    def measure_wake(self, how, method):
        wake = self.downlink_load.command(f"wake {min(300, int(100 * self.seconds))} 10 {how} {method}")
        check(wake["wrong"] == 0 and wake["lost"] == 0, f"after a wake-up {wake} exchanges were wrong or lost")
        check(wake["total"] == wake["devices"] * wake["queued"], f"after {wake['devices']} wake-ups: {wake}")
        return wake

    def measure_idle(self):
        say("a million idle devices")
        return self.start("bench_idle_devices", core=self.cores.measured).result(120)

    def measure_costs(self):
        """Allocations and system calls per message, in processes of their own, since counting costs time."""
        return {
            "bare_mhd": self.cost_of("mhd", self.counted_mhd),
            "uplink": self.cost_of("uplink", self.counted_uplink),
            "bare_curl": self.cost_of_curl(),
            "downlink": self.cost_of("downlink", self.counted_downlink),
        }

    # Each starts its program with the environment; what to run, how to end it, and the process to look at.

    def counted_mhd(self, env):
        port = free_port()
        program = self.start("bench_mhd", "--port", port, core=self.cores.measured, env=env)
        return lambda seconds: self.t8_load(port, seconds, program.pid), program.stop, program.pid

    def counted_uplink(self, env):
        udp = udp_port()
        adapter = Adapter(self, f"{self.directory}/uplink-counted", self.sink_port, udp, env)
        return lambda seconds: self.run_uplink(seconds, adapter, udp), adapter.program.stop, adapter.pid

    def counted_downlink(self, env):
        load, adapter = self.downlink_pair("downlink-counted", env)

        def stop():
            adapter.program.stop()
            load.kill()

        return lambda seconds: self.run_downlink(seconds, load, adapter), stop, adapter.pid

    def cost_of(self, name, start):
        say(f"counting: {name}")
        seconds = max(1.0, self.seconds)
        counter = MallocCount(self.binary("bench_malloc_count.so"), f"{self.directory}/malloc.{name}")
        run, stop, pid = start(counter.env)
        run(seconds)  # connections and buffers are made
        before = counter.read()
        r = run(seconds)
        cost = {"allocations": (counter.read() - before) / r["total"], "system_calls": None}
        strace = Strace(f"{self.directory}/strace.{name}", self.cores.load)
        try:
            strace.attach(pid)
            r = run(seconds)
            strace.detach()
            self.add_calls(cost, strace, r["total"])
        except (Failure, OSError) as e:
            say(f"system calls of {name} are not counted: {e}")
        stop()
        return cost

    def cost_of_curl(self):
        say("counting: curl")
        seconds = max(1.0, self.seconds)
        counter = MallocCount(self.binary("bench_malloc_count.so"), f"{self.directory}/malloc.curl")
        total = self.run_bare_curl(seconds, counter.env)["total"]
        cost = {"allocations": counter.read() / total, "system_calls": None}
        strace = Strace(f"{self.directory}/strace.curl", self.cores.load)
        try:
            self.add_calls(cost, strace, self.run_bare_curl(seconds, wrap=strace.wrap)["total"])
        except (Failure, OSError) as e:
            say(f"system calls of curl are not counted: {e}")
        return cost

    def add_calls(self, cost, strace, messages):
        """What opens and closes connections is no cost of a message."""
        calls = {name: n for name, n in strace.calls().items() if name not in CONNECTION_CALLS}
        cost["system_calls"] = sum(calls.values()) / messages
        cost["system_calls_by_name"] = {name: round(n / messages, 4) for name, n in list(calls.items())[:10]}

    def finish(self):
        mhd = self.mhd.stop()
        self.versions["libmicrohttpd"] = mhd["version"]
        answered = sum(r["total"] for r in self.runs["bare_mhd"])
        check(mhd["requests"] == answered, f"libmicrohttpd answered {mhd['requests']}, the load counted {answered}")
        counters = self.downlink_load.command("counters")
        for adapter in (self.uplink_adapter, self.downlink_adapter):
            adapter.program.stop()
        sink = self.sink.stop()
        check(sink["wrong"] == 0, f"the SCEF could not understand {sink['wrong']} requests")
        check(counters["wrong"] == 0, f"the SCEF could not understand {counters['wrong']} requests of the adapter")
        return counters


# ---- checks: all of a run are told

faults = []


def check(ok, what):
    if not ok and what not in faults:
        faults.append(what)
        print(f"bench: WRONG: {what}", file=sys.stderr)


def delta(before, after, name):
    return after.get(name, 0) - before.get(name, 0)


def say(what):
    print(f"bench: {what}", file=sys.stderr, flush=True)


# ---- report


def command_output(*argv):
    try:
        return subprocess.run(argv, cwd=TOP, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def machine():
    model = None
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), None)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "load_average_before": os.getloadavg()[0],
    }


def library_versions():
    packages = ("libmicrohttpd12t64", "libcurl4t64", "libuv1t64", "liblmdb0", "libjansson4", "gcc")
    lines = command_output("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages) or ""
    return dict(line.split(" ", 1) for line in lines.splitlines() if " " in line)


def results_of(bench, latency, idle, costs, counters):
    cores = len({bench.cores.measured, bench.cores.load})
    runs = {
        name: {
            "per_second": bench.figure(name, "per_second"),
            "cpu_us_each": bench.figure(name, "cpu_us_each"),
            "core_share": statistics.median(r["cpu"] / r["seconds"] for r in rs),
            "load_busy_share": statistics.median(r["load_busy"] / r["seconds"] for r in rs),
            "foreign_share": statistics.median(r["foreign_cpu"] / r["seconds"] / cores for r in rs),
            "runs": rs,
        }
        for name, rs in bench.runs.items()
    }
    uplink = bench.runs["uplink"]
    ratios = {
        "uplink_ratio": bench.ratios("uplink", "bare_mhd", "per_second"),
        "downlink_ratio": bench.ratios("downlink", "bare_curl", "per_second"),
        # By the measured program's CPU time: what is left when the machine is busy, or the load too slow.
        "uplink_cpu_ratio": bench.ratios("bare_mhd", "uplink", "cpu_us_each"),
        "downlink_cpu_ratio": bench.ratios("bare_curl", "downlink", "cpu_us_each"),
    }
    return {
        **{name: statistics.median(values) for name, values in ratios.items()},
        "ratios_of_turns": ratios,
        "uplink_loss": sum(r["lost"] for r in uplink) / sum(r["total"] for r in uplink),
        "bytes_per_idle_device": idle["resident_per_device"],
        "uplink_latency_p50_ms": latency["uplink"]["p50_ms"],
        "uplink_latency_p99_ms": latency["uplink"]["p99_ms"],
        "uplink_latency_at_per_second": latency["rate"],
        **{f"{name}_{key}": latency[name][key] for name in WAKE_UPS for key in ("p50_ms", "p99_ms")},
        "adapter_start_seconds": bench.uplink_adapter.start_seconds,
        "measurements": runs,
        "idle_devices": idle,
        "wakeups": {name: latency[name] for name in WAKE_UPS},
        "per_message": costs,
        "bodies": {
            "uplink_bytes": uplink[0]["body"],
            "downlink_bytes": counters["body"],
            "bare_curl_bytes": bench.runs["bare_curl"][0]["body"],
        },
        "faults": faults,
    }


def table(results):
    m = results["measurements"]
    rows = [("what", "per second", "CPU us each", "by CPU", "ratio", "goal", "met?")]

    def rate(title, name, direction=None):
        row = [title, f"{m[name]['per_second']:,.0f}", f"{m[name]['cpu_us_each']:.1f}"]
        if direction:
            key = f"{direction}_ratio"
            rows.append((*row, f"{results[f'{direction}_cpu_ratio']:.3f}", *goal(key, f"{results[key]:.3f}")))
        else:
            rows.append((*row, "", "", "", ""))

    def goal(key, text):
        limit, more = GOALS[key]
        met = results[key] >= limit if more else results[key] <= limit
        return text, f"{'>=' if more else '<='} {limit:g}", "yes" if met else "NO"

    def value(title, key, text):
        rows.append((title, "", "", "", *goal(key, text)))

    rate("(a) bare libmicrohttpd, POST 204", "bare_mhd")
    rate("(c) adapter uplink, delivered", "uplink", "uplink")
    rate("(b) bare libcurl, POST 200", "bare_curl")
    rate("(d) adapter downlink, whole exchanges", "downlink", "downlink")
    value("(e) idle device, bytes", "bytes_per_idle_device", f"{results['bytes_per_idle_device']:.0f}")
    value("(f) uplink latency p99 at half load, ms", "uplink_latency_p99_ms", f"{results['uplink_latency_p99_ms']:.2f}")
    value("(f) wake-up to first downlink p99, ms", "wakeup_p99_ms", f"{results['wakeup_p99_ms']:.2f}")
    value("(f) report to first downlink p99, ms", "wakeup_report_p99_ms", f"{results['wakeup_report_p99_ms']:.2f}")
    value("(f) wake-up to first POST p99, ms", "wakeup_post_p99_ms", f"{results['wakeup_post_p99_ms']:.2f}")
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = []
    for r in rows:
        cells = [r[0].ljust(widths[0])] + [r[i].rjust(widths[i]) for i in range(1, len(r))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def doubt(r, cores):
    """Is this a figure of the measured program at all?"""
    if r["core_share"] > 0.93 or cores.load == cores.measured:
        return ""
    if r["foreign_share"] > 0.1:
        return "  <- the machine is busy: only the ratio by CPU means something"
    if r["load_busy_share"] > 0.93:
        return "  <- the load is too slow: only the ratio by CPU means something"
    return "  <- it waits: for the disk, or for messages under way"


def notes(results, bench):
    m, idle = results["measurements"], results["idle_devices"]
    lines = [bench.cores.describe()]
    for name, title in (("bare_mhd", "(a)"), ("uplink", "(c)"), ("bare_curl", "(b)"), ("downlink", "(d)")):
        r = m[name]
        line = (
            f"{title} took {r['core_share']:.0%} of its core, its load was busy for {r['load_busy_share']:.0%}, "
            f"strangers took {r['foreign_share']:.0%} of both cores"
        )
        lines.append(line + doubt(r, bench.cores))
    for name in ("uplink_ratio", "downlink_ratio"):
        turns = results["ratios_of_turns"]
        by_cpu = turns[name.replace("_ratio", "_cpu_ratio")]
        lines.append(
            f"{name} of the turns: " + ", ".join(f"{x:.2f}" for x in turns[name])
            + "; by CPU: " + ", ".join(f"{x:.2f}" for x in by_cpu)
        )
    lines.append(f"uplink datagrams lost: {results['uplink_loss']:.4%}")
    lines.append(
        f"latency p50: uplink {results['uplink_latency_p50_ms']:.2f} ms "
        f"at {results['uplink_latency_at_per_second']:,.0f}/s, "
        f"wake-up {results['wakeup_p50_ms']:.2f} ms; exchange under full load "
        f"{m['downlink']['runs'][-1]['p50_ms']:.1f} ms"
    )
    lines.append(
        f"{idle['devices']:,} idle devices: {idle['heap_per_device']:.0f} bytes of heap, "
        f"{idle['resident_per_device']:.0f} resident each; added in {idle['add_seconds']:.2f} s, "
        f"all active after {idle['start_seconds']:.2f} s more"
    )
    for name, cost in results["per_message"].items():
        line = f"{name}: {cost['allocations']:.2f} allocations each"
        if cost["system_calls"] is not None:
            calls = ", ".join(f"{n} {v:.2f}" for n, v in list(cost["system_calls_by_name"].items())[:6])
            line += f", {cost['system_calls']:.2f} system calls ({calls})"
        lines.append(line)
    return "\n".join(lines)


def measure(options, stack):
    bench = Bench(options, stack)
    about = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": command_output("git", "describe", "--always", "--dirty"),
        "machine": machine(),
        "cores_used": bench.cores.describe(),
        "options": {k: v for k, v in vars(options).items() if k != "out"},
    }
    say(bench.cores.describe())
    bench.set_up()
    bench.measure_rates(options.rounds)
    latency = bench.measure_latency()
    idle = bench.measure_idle()
    costs = bench.measure_costs()
    counters = bench.finish()
    versions = {
        "scef-adapter": command_output(bench.binary("scef-adapter"), "--version"),
        **bench.versions,
        **library_versions(),
    }
    results = results_of(bench, latency, idle, costs, counters)
    return bench, {**about, "versions": versions, **results}


def arguments():
    p = argparse.ArgumentParser(prog="./dev bench", description="Measures the adapter against the bare libraries.")
    p.add_argument("--quick", action="store_true", help="one turn instead of nine: shows that it works")
    p.add_argument("--seconds", type=float, help="of each measurement (default: 1)")
    p.add_argument("--rounds", type=int, help="turns; the median counts (default: 9)")
    p.add_argument("--devices", type=int, default=10000)
    p.add_argument("--connections", type=int, default=64, help="HTTP connections of each load")
    p.add_argument("--window", type=int, default=512, help="downlink exchanges under way at once")
    p.add_argument("--build", default="build/release", help="build directory whose programs are measured")
    p.add_argument("--out", default="build/bench.json")
    o = p.parse_args()
    o.seconds = o.seconds or 1
    o.rounds = o.rounds or (1 if o.quick else 9)
    if o.seconds < 0.2 or o.rounds < 1 or o.devices < 2 * o.window:
        p.error("--seconds at least 0.2, --rounds at least 1, --devices at least twice --window")
    return o


def main():
    options = arguments()
    # The children have sessions of their own: nobody else ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    started = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            bench, results = measure(options, stack)
    except Failure as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    results["took_seconds"] = round(time.monotonic() - started, 1)
    out = os.path.join(TOP, options.out)
    with open(out, "w") as f:
        json.dump(results, f, indent=2)
        f.write("\n")
    print(f"\n{table(results)}\n\n{notes(results, bench)}\n\nwritten to {out}, after {results['took_seconds']:.0f} s")
    if faults:
        print(f"bench: {len(faults)} answers were wrong, see above", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
