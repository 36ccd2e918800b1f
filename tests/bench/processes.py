"""Starting, pinning, watching and ending the programs of the benchmark."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
import urllib.request


class Failure(Exception):
    """A measurement could not be made, or answers were wrong."""


class Cores:
    """The measured program has a core of its own where there are two; all that loads it shares the other."""

    def __init__(self):
        self.allowed = sorted(os.sched_getaffinity(0))
        self.measured = self.allowed[0]
        self.load = self.allowed[1] if len(self.allowed) > 1 else self.allowed[0]

    def describe(self):
        if self.load == self.measured:
            return f"ONE core ({self.measured}) for the measured program and its load: far too low rates, rough ratios"
        return f"measured program on core {self.measured}, all load on core {self.load}"


def free_port(kind=socket.SOCK_STREAM, address="127.0.0.1"):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def udp_port(address="127.0.0.1"):
    return free_port(socket.SOCK_DGRAM, address)


def settle(core):
    """In the child: on its core, and before whatever else runs on this machine, where that is allowed."""
    os.sched_setaffinity(0, {core})
    os.setsid()  # a scheduling group of its own, where the kernel groups by session
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -19)
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as f:
        f.write("-19")


class Program:
    """One child process; its standard error goes to a file that a Failure quotes."""

    def __init__(self, argv, core, log, env=None, stdin=None):
        self.argv = [str(a) for a in argv]
        self.name = os.path.basename(self.argv[0])
        self.log = log
        with open(log, "wb") as errors:
            self.process = subprocess.Popen(
                self.argv,
                stdin=stdin or subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **(env or {})},
                preexec_fn=lambda: settle(core),
                text=True,
            )

    @property
    def pid(self):
        return self.process.pid

    def fail(self, what):
        with open(self.log, errors="replace") as f:
            tail = f.read()[-2000:].strip()
        return Failure(f"{self.name}: {what}" + (f"; it said:\n{tail}" if tail else ""))

    def result(self, timeout):
        """Waits for the end; the JSON that it printed."""
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.fail(f"not ready after {timeout:.0f} s") from None
        if self.process.returncode != 0:
            raise self.fail(f"exit status {self.process.returncode}")
        return json.loads(out)

    def command(self, line):
        """Says a line to its standard input; the JSON that it answers."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self.fail(f"ended before '{line}'") from None
        answer = self.process.stdout.readline()
        if not answer:
            raise self.fail(f"ended at '{line}'")
        return json.loads(answer)

    def stop(self, timeout=10):
        """SIGTERM; the JSON that it prints, if any."""
        self.process.send_signal(signal.SIGTERM)
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise self.fail(f"still there {timeout} s after SIGTERM") from None
        return json.loads(out) if out.strip() else None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Adapter:
    """scef-adapter with its embedded store and a list of devices."""

    def __init__(self, bench, directory, scef_port, server_port, env=None):
        os.makedirs(directory)
        self.callback_port, self.admin_port = free_port(), free_port()
        self.leg_port = udp_port("0.0.0.0")
        self.devices = bench.devices
        with open(f"{directory}/devices.jsonl", "w") as f:
            for i in range(bench.devices):
                f.write('{"external_id": "%s"}\n' % device_id(i))
        with open(f"{directory}/config.yaml", "w") as f:
            f.write(
                f"scef:\n  api_root: http://127.0.0.1:{scef_port}\n  scs_as_id: as1\n"
                f"callback:\n  listen: 127.0.0.1:{self.callback_port}\n"
                f"admin:\n  listen: 127.0.0.1:{self.admin_port}\n"
                f"store:\n  kind: embedded\n  path: {directory}/store\n"
                f"server_leg:\n  prefix: 127.64.0.0/10\n  port: {self.leg_port}\n"
                f"servers:\n  - name: main\n    uri: coap://127.0.0.1:{server_port}\n"
                f"devices_file: devices.jsonl\n"
            )
        started = time.monotonic()
        self.program = Program(
            [bench.binary("scef-adapter"), "--config", f"{directory}/config.yaml"],
            bench.cores.measured,
            f"{directory}/adapter.log",
            env,
        )
        bench.stack.callback(self.program.kill)
        self.wait_ready()
        self.start_seconds = time.monotonic() - started

    @property
    def pid(self):
        return self.program.pid

    def metrics(self):
        """{'uplinks_total{scef="scef",result="taken"}': 12, ...}, without the common prefix."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=10) as r:
            text = r.read().decode()
        return {m[1]: int(m[2]) for m in re.finditer(r"^scef_adapter_(\S+) (\d+)$", text, re.M)}

    def wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        active = 0
        while time.monotonic() < end:
            if self.program.process.poll() is not None:
                raise self.program.fail(f"exit status {self.program.process.returncode}")
            with contextlib.suppress(OSError):
                active = self.metrics().get("configurations_active{scef=\"scef\"}", 0)
                if active == self.devices:
                    return
            time.sleep(0.05)
        raise self.program.fail(f"{active} of {self.devices} configurations are active after {timeout} s")


def device_id(number):
    return f"device-{number:07}@nbiot.example.org"


class MallocCount:
    """What bench_malloc_count.so has counted in a process."""

    def __init__(self, library, path):
        self.path = path
        self.env = {"LD_PRELOAD": library, "BENCH_MALLOC_COUNT": path}

    def read(self):
        with open(self.path, "rb") as f:
            return struct.unpack("<QQ", f.read(16))[0]


class Strace:
    """Counts system calls: of a running process while the context lasts, or of a program from its start (wrap)."""

    ARGV = ("strace", "-f", "-c", "-U", "name,calls", "-o")

    def __init__(self, out, core):
        self.out, self.core = out, core

    def wrap(self, argv):
        return [*self.ARGV, self.out, *argv]

    def attach(self, pid):
        self.program = Program([*self.ARGV, self.out, "-p", pid], self.core, f"{self.out}.log")
        end = time.monotonic() + 5
        while time.monotonic() < end and self.program.process.poll() is None:
            with open(self.program.log) as f:
                if "attached" in f.read():
                    return
            time.sleep(0.02)
        self.program.kill()
        raise self.program.fail("cannot attach")

    def detach(self):
        self.program.process.send_signal(signal.SIGINT)
        self.program.process.wait(10)

    def calls(self):
        """{name: count}, most frequent first."""
        with open(self.out) as f:
            rows = [line.split() for line in f]
        counts = {r[0]: int(r[1]) for r in rows if len(r) == 2 and r[1].isdigit() and r[0] != "total"}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
