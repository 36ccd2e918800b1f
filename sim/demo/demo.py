#!/usr/bin/env python3
"""A network of four non-IP devices, the adapter, and an LwM2M server that works on them, also while they sleep.

    dev1  is always awake                            dev3  loses a fifth of its radio messages
    dev2  sleeps (PSM), awake 1 s after a message    dev4  is a real client, sim-lwm2m-client, on the air interface

Prints every message on every hop, and at the end what each exchange cost. Exit status 0: every exchange was answered,
without loss none cost more NAS messages than it needs, and nothing was executed twice.
"""

import argparse
import collections
import shutil
import signal
import socket
import sys
import tempfile
import textwrap
import time
import urllib.request
from pathlib import Path

import table
from exchanges import JsonLines
from ladder import Ladder, heading
from processes import TOP, Children, DemoError, free_ports, ports_check

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
DOMAIN = "example.org"
SOCKET_PATH_MAX = 107  # bytes, unix(7)
LAG_MS = 400  # what is older than this has reached both traces
TIME_MAX_S = 55

# With --keep; otherwise free ones are taken.
PORTS = {
    "scef": (TCP, 8080),
    "callback": (TCP, 8081),
    "admin": (TCP, 8090),
    "server": (UDP, 5683),
    "own_server": (UDP, 5693),
    "leg": (UDP, 56830),
    "air4": (UDP, 7004),
    "air5": (UDP, 7005),
    "air6": (UDP, 7006),
}

DESCRIPTIONS = {
    f"dev1@{DOMAIN}": "always awake, NON notifications",
    f"dev2@{DOMAIN}": "asleep (PSM) 1 s after a message",
    f"dev3@{DOMAIN}": "loses 20 % of its radio messages",
    f"dev4@{DOMAIN}": "sim-lwm2m-client at its air port",
}
LOSSY = [f"dev3@{DOMAIN}"]

# The pauses give dev2 time to fall asleep again.
SCRIPT = """\
sleep 1.5
read /3/0
sleep 1.5
observe /3/0/9
sleep 1.5
write /3/0/13 1893456000
sleep 1.5
execute /3/0/4
wait-notify /3/0/9 2
"""
EXECUTIONS = 1  # in the script

# Radio and repetition are quicker than in life, where a message takes seconds and nidd_ack_timeout_ms is 10000.
SIM = """\
listen: 127.0.0.1:{scef}
seed: {seed}
ues:
  - external_id: dev1@{domain}
    psm: false
    delay_ms: [20, 60]
    start_delay_ms: 1500
    notify_period_s: 3
    notify_confirmable: false
    send_period_s: 7
  - external_id: dev2@{domain}
    psm: true
    active_time_s: 1
    delay_ms: [20, 60]
    start_delay_ms: 1700
    update_period_s: 4
    notify_period_s: 5
  - external_id: dev3@{domain}
    psm: false
    loss: 0.2
    delay_ms: [20, 60]
    start_delay_ms: 1900
    ack_timeout_ms: 1000
    notify_period_s: 3
  - external_id: dev4@{domain}
    psm: false
    client: air
    air: 127.0.0.1:{air4}
    delay_ms: [20, 60]
"""
SIM_KEEP = """\
  - external_id: dev5@{domain}
    psm: false
    client: air
    air: 127.0.0.1:{air5}
    delay_ms: [20, 60]
  - external_id: dev6@{domain}
    psm: false
    client: air
    air: 127.0.0.1:{air6}
    delay_ms: [20, 60]
"""

ADAPTER = """\
scef: {{api_root: "http://127.0.0.1:{scef}", scs_as_id: demo}}
callback: {{listen: "127.0.0.1:{callback}"}}
admin: {{listen: "127.0.0.1:{admin}"}}
store: {{{store}}}
server_leg: {{mode: prefix, prefix: 127.64.0.0/10, port: {leg}}}
servers:
  - {{name: main, uri: "coap://127.0.0.1:{server}"}}
  - {{name: yours, uri: "coap://127.0.0.1:{own_server}"}}
relay: {{nidd_ack_timeout_ms: 1000, retry_min_s: 2, retry_max_s: 10}}
devices:
  - {{external_id: "dev1@{domain}"}}
  - {{external_id: "dev2@{domain}"}}
  - {{external_id: "dev3@{domain}"}}
  - {{external_id: "dev4@{domain}"}}
"""
ADAPTER_KEEP = """\
  - {{external_id: "dev5@{domain}"}}
  - {{external_id: "dev6@{domain}", server: yours}}
"""

INTRODUCTION = """\
Four devices that have no IP address, the SCEF of their network (scef-sim), scef-adapter, and an LwM2M server that
reads, observes, writes and executes on all of them:

{devices}

One line per message on each hop. T8: HTTP status of its POST. NAS: how many NAS messages its exchange has cost so far.
X: it did not get through. Token, code and content pass unchanged; type and Message ID are each side's own.
"""

STORES = {
    "embedded": 'kind: embedded, path: "{directory}/store"',
    "redis": 'kind: redis, uri: "unix:{directory}/redis.sock", durability: fsync',
}
# What fsync promises needs appendfsync always; nobody else can connect.
REDIS = """\
dir "{directory}"
port 0
unixsocket "{directory}/redis.sock"
unixsocketperm 700
appendonly yes
appendfsync always
save ""
logfile redis-server.log
"""

KEEP_TEXT = """\
All of it keeps running, and every message will be shown here. Ctrl-C ends it. From another terminal, in this directory:

  Your own client    Tell it that its LwM2M server is coap://127.0.0.1:{air5} (UDP, no security), and that its endpoint
                     name is urn:nai:dev5@{domain}. It is dev5 then, and known to this demonstration's server. Or, to
                     see it work:

    ./dev shell -- build/release/bin/sim-lwm2m-client --server 127.0.0.1:{air5} --endpoint urn:nai:dev5@{domain}

  Your own server    Let it listen at UDP 127.0.0.1:{own_server} and accept endpoint urn:nai:dev6@{domain}. That is
                     dev6, whose client, any, is told coap://127.0.0.1:{air6}:

    ./dev shell -- build/release/bin/sim-lwm2m-server --listen 127.0.0.1:{own_server} --op "read /3/0"
    ./dev shell -- build/release/bin/sim-lwm2m-client --server 127.0.0.1:{air6} --endpoint urn:nai:dev6@{domain}

  The adapter        ./dev shell -- build/release/bin/scefctl device ls
                     curl http://127.0.0.1:{admin}/metrics
  The network        curl http://127.0.0.1:{scef}/sim/v1/ues
                     curl -X POST "http://127.0.0.1:{scef}/sim/v1/scef/restart?forget=1"
"""


def now_ms():
    return int(time.time() * 1000)


def http_get(url):
    """Body, or None when there is nobody or the status is not 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.read()
    except OSError:
        return None


class Demo:
    def __init__(self, directory, keep, seed, store):
        self.keep = keep
        self.store = store
        if keep:
            ports_check(PORTS)
            self.ports = {name: port for name, (_, port) in PORTS.items()}
        else:
            self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.directory = directory
        self.values = dict(self.ports, seed=seed, domain=DOMAIN, directory=directory)
        self.values["store"] = STORES[store].format(directory=directory)
        self.children = Children(directory)
        self.ladder = Ladder()
        self.downlinks = table.Downlinks()
        self.executed = collections.Counter()
        self.registered, self.done = set(), {}  # endpoint names; {endpoint name: all went well}
        self.client = None
        self.start_ms = now_ms()
        self.sources = {
            name: JsonLines(directory / file)
            for name, file in {
                "adapter": "adapter-trace.jsonl",
                "sim": "sim-trace.jsonl",
                "server": "sim-lwm2m-server.jsonl",
                "client": "sim-lwm2m-client.jsonl",
            }.items()
        }

    # --- the programs

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text.format(**self.values))
        return path

    def start(self):
        sim = self.write("sim.yaml", SIM + (SIM_KEEP if self.keep else ""))
        adapter = self.write("adapter.yaml", ADAPTER + (ADAPTER_KEEP if self.keep else ""))
        script = self.write("script", SCRIPT)
        start, ports, traces = self.children.start, self.ports, self.sources
        if self.store == "redis":
            self.start_redis()
        listen = f"127.0.0.1:{ports['server']}"
        start("sim-lwm2m-server", "--listen", listen, "--script", script, "--expect", 4, "--json")
        start("scef-sim", "--config", sim, "--trace", traces["sim"].path)
        self.children.wait_until(self.sim_answers, 10, "scef-sim answers HTTP")
        start("scef-adapter", "--config", adapter, "--trace", traces["adapter"].path)
        self.children.wait_until(self.adapter_ready, 10, "the adapter says at /readyz that it is ready")
        self.client = start(
            "sim-lwm2m-client",
            *("--server", f"127.0.0.1:{ports['air4']}", "--endpoint", f"urn:nai:dev4@{DOMAIN}"),
            *("--notify-period", 3, "--json"),
        )

    def start_redis(self):
        path = self.directory / "redis.sock"
        if len(str(path)) > SOCKET_PATH_MAX:
            raise DemoError(f"{path} is too long for a socket: take another --trace-dir")
        self.children.start("redis-server", self.write("redis.conf", REDIS))
        self.children.wait_until(path.is_socket, 10, "redis-server listens")

    def sim_answers(self):
        return http_get(f"http://127.0.0.1:{self.ports['scef']}/sim/v1/scef")

    def adapter_ready(self):
        return http_get(f"http://127.0.0.1:{self.ports['admin']}/readyz")

    # --- what they tell

    def read(self):
        for source in ("adapter", "sim"):
            events = self.sources[source].read()
            self.ladder.add(events, source)
            for event in events:
                if source == "adapter":
                    self.downlinks.feed(event)
                elif event["event"] == "client" and event["what"] == "executed":
                    self.executed[event["ext_id"]] += 1
        for event in self.sources["server"].read():
            self.ladder.operations.feed(event)
            if event["event"] == "registered":
                self.registered.add(event["ep"])
            elif event["event"] == "done":
                self.done[event["ep"]] = event["ok"]
        for event in self.sources["client"].read():
            if event["event"] == "executed":
                self.executed[f"dev4@{DOMAIN}"] += 1

    def step(self):
        """Reads and prints what there is, and sees that all are well."""
        asked_ms = now_ms()
        self.read()
        self.children.check()
        self.ladder.proceed(asked_ms - LAG_MS)
        for text in self.ladder.printable(asked_ms - LAG_MS, self.start_ms):
            print(text, flush=True)
        time.sleep(0.05)

    def run_until(self, condition, until_s, what):
        while not condition():
            self.step()
            if time.monotonic() > until_s:
                raise DemoError(f"not within {TIME_MAX_S} s: {what}")

    # --- the course of events

    def run(self):
        """Returns what is not as it should be, one line each."""
        until_s = time.monotonic() + TIME_MAX_S
        self.start()
        devices = "\n".join(f"  {name.split('@')[0]}  {what}" for name, what in DESCRIPTIONS.items())
        print(INTRODUCTION.format(devices=devices))
        print(heading(), flush=True)
        self.run_until(lambda: len(self.done) == 4, until_s, f"all scripts end; done: {', '.join(self.done) or 'none'}")
        if not self.keep:
            self.client_leaves(until_s)
        end_ms = now_ms()
        self.run_until(lambda: now_ms() > end_ms + 2 * LAG_MS and not self.open(end_ms), until_s, "the last answers")
        return self.report(end_ms)

    def client_leaves(self, until_s):
        """It deregisters, which is an exchange too."""
        self.children.forget(self.client)
        self.client.terminate()
        self.run_until(lambda: not self.client.running(), until_s, "sim-lwm2m-client deregisters")
        if self.client.wait(0) != 0:
            raise DemoError(f"sim-lwm2m-client ended with status {self.client.wait(0)}: {self.client.last_words()}")

    def until(self, end_ms):
        """Exchanges that began until then: what begins later may be cut off by the end."""
        return [exchange for exchange in self.ladder.exchanges.all if exchange.start_ms <= end_ms]

    def open(self, end_ms):
        answers = any(not e.answered() for e in self.until(end_ms) if e.confirmable)
        return answers or any(not m["state"] for m in self.downlinks.accepted.values())

    def report(self, end_ms):
        exchanges, operations = self.until(end_ms), self.ladder.operations
        print()
        print("\n".join(table.exchange_table(exchanges, operations, DESCRIPTIONS)))
        print()
        print("\n".join(table.downlink_table(self.downlinks, operations, self.start_ms)))
        executions = {device: self.executed[device] for device in DESCRIPTIONS}
        faults = [f"the script of {name} did not go well" for name, ok in self.done.items() if not ok]
        faults += table.verdict(exchanges, operations, self.downlinks, LOSSY, executions, EXECUTIONS)
        print()
        if faults:
            print("FAILED")
            print("\n".join(f"  {fault}" for fault in faults))
        else:
            nas = sum(exchange.nas for exchange in exchanges)
            lossless = sum(exchange.device not in LOSSY for exchange in exchanges)
            print(
                f"PASSED: {len(exchanges)} exchanges with {nas} NAS messages "
                f"in {(end_ms - self.start_ms) / 1000:.1f} s. All are answered; the {lossless} without loss cost no\n"
                f"message more than they need; every device executed once what it was told once."
            )
        return faults


def arguments_read():
    fixed = ", ".join(f"{name} {'TCP' if kind == TCP else 'UDP'} {port}" for name, (kind, port) in PORTS.items())
    parser = argparse.ArgumentParser(
        prog="./dev demo",
        description=__doc__,
        epilog=textwrap.fill(f"Ports, all on 127.0.0.1, are free ones; with --keep: {fixed}.", 100),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--keep", action="store_true", help="leave all running and tell how to plug in one's own")
    parser.add_argument("--trace-dir", type=Path, help="keep traces, logs and configurations there")
    parser.add_argument(
        "--store", choices=STORES, default="embedded",
        help="where the adapter keeps messages; redis: starts a redis-server of its own (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=7, help="of the radio's dice (default: %(default)s)")
    return parser.parse_args()


def directory_make(trace_dir):
    if trace_dir is None:
        parent = TOP / "build/demo"
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="run.", dir=parent))
    if trace_dir.exists() and any(trace_dir.iterdir()):
        raise DemoError(f"--trace-dir {trace_dir} is not empty")
    trace_dir.mkdir(parents=True, exist_ok=True)
    return trace_dir.resolve()


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def keep_running(demo):
    print()
    print(KEEP_TEXT.format(**demo.values), flush=True)
    while True:
        demo.step()


def demonstrate(arguments, directory):
    """Returns the exit status."""
    demo = Demo(directory, arguments.keep, arguments.seed, arguments.store)
    faults, status = [], 1
    try:
        faults = demo.run()
        status = 1 if faults else 0
        if arguments.keep:
            keep_running(demo)
    except KeyboardInterrupt:
        print("\nended on request", file=sys.stderr)
        status = 130 if not arguments.keep else status
    finally:
        # A second Ctrl-C must not leave programs behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for fault in demo.children.stop():
            print(f"demo: {fault}", file=sys.stderr)
            status = status or 1
    return status


def main():
    arguments = arguments_read()
    signal.signal(signal.SIGTERM, interrupt)
    directory, status = None, 1
    try:
        directory = directory_make(arguments.trace_dir)
        status = demonstrate(arguments, directory)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    if directory and not arguments.trace_dir and (status in (0, 130) or not any(directory.iterdir())):
        shutil.rmtree(directory)
    elif directory:
        print(f"Traces and logs are in {directory}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
