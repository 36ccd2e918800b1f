"""Starting, watching and stopping the programs of the demonstration."""

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """What went wrong, in one line."""


def program(name):
    """Path of one of our programs, or of redis-server."""
    if name == "redis-server":
        if found := shutil.which(name):
            return found
        raise DemoError("redis-server is not installed (apt-get install redis-server)")
    directory = Path(os.environ.get("SCEF_BIN") or TOP / "build/release/bin")
    path = directory / name
    if not path.exists():
        raise DemoError(f"{path} is missing: build it with ./dev build")
    return path


# --- addresses -----------------------------------------------------------------------------------------------


def port_is_free(kind, port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count):
    """Ports that are free for UDP and TCP, below those that the system gives out by itself."""
    found = []
    for port in random.sample(range(10000, 32000), 2000):
        if port_is_free(socket.SOCK_DGRAM, port, "0.0.0.0") and port_is_free(socket.SOCK_STREAM, port, "0.0.0.0"):
            found.append(port)
        if len(found) == count:
            return found
    raise DemoError(f"there are no {count} free ports from 10000 to 32000")


def ports_check(ports):
    """Of {meaning: (kind, port)}: complains about all that are taken."""
    taken = [
        f"{meaning} {'TCP' if kind == socket.SOCK_STREAM else 'UDP'} {port}"
        for meaning, (kind, port) in ports.items()
        if not port_is_free(kind, port)
    ]
    if taken:
        raise DemoError(f"in use by another program: {', '.join(taken)}; end that one (ss -lntup shows it)")


# --- processes -----------------------------------------------------------------------------------------------


def die_with_parent():
    """In the child: should we be killed outright, it ends too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A program that runs. Standard output and standard error go to files in `directory`."""

    def __init__(self, name, arguments, directory):
        self.name = name
        self.output_path = directory / f"{name}.jsonl"
        self.errors_path = directory / f"{name}.log"
        with open(self.output_path, "wb") as output, open(self.errors_path, "wb") as errors:
            # Its own session: Ctrl-C at the terminal is for us, who stop the children in order.
            self.process = subprocess.Popen(
                [program(name), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def running(self):
        return self.process.poll() is None

    def last_words(self, count=3):
        lines = self.errors_path.read_text(errors="replace").splitlines()
        return " | ".join(lines[-count:]) or "it said nothing"

    def check(self):
        """Raises when it has ended: nobody asked it to."""
        if self.running():
            return
        status = self.process.returncode
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise DemoError(f"{self.name} {how}: {self.last_words()}")

    def terminate(self):
        if self.running():
            self.process.terminate()

    def wait(self, timeout_s):
        """Its exit status; killed when it does not end in time."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Children:
    """All that run; stopped in the order opposite to their start."""

    def __init__(self, directory):
        self.directory = directory
        self.all = []

    def start(self, name, *arguments):
        self.all.append(Child(name, arguments, self.directory))
        return self.all[-1]

    def check(self):
        for child in self.all:
            child.check()

    def forget(self, child):
        """It has ended, and was to."""
        self.all.remove(child)

    def wait_until(self, condition, timeout_s, what):
        end = time.monotonic() + timeout_s
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise DemoError(f"waited {timeout_s} s in vain: {what}")
            time.sleep(0.02)

    def stop(self):
        """Returns what went wrong on the way, as texts."""
        faults = []
        for child in reversed(self.all):
            asked = child.running()
            child.terminate()
            status = child.wait(5)
            if asked and status != 0:
                faults.append(f"{child.name} did not end well (status {status}): {child.last_words()}")
        self.all = []
        return faults
