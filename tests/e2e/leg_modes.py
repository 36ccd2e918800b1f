"""The modes of the server legs (an IPv4 prefix, an IPv6 prefix, ports), as tests need them: with nothing set up before."""

import contextlib
import ctypes
import os
import subprocess

import pytest
from stack import free_ports

MODES = ("prefix4", "prefix6", "ports")
PREFIX6 = "fd77::/64"
CLONE_NEWNET = 0x40000000


def leg_mode(mode, leg_port, devices):
    """Where the servers are, and the configuration's `server_leg`."""
    if mode == "ports":
        first = free_ports(devices)
        ports = f"{first}-{first + devices - 1}"
        return "127.0.0.1", {"mode": "ports", "address": "127.0.0.1", "port_range": ports}
    if mode == "prefix6":
        return "::1", {"mode": "prefix", "prefix": PREFIX6, "port": leg_port}
    return "127.0.0.1", {"mode": "prefix", "prefix": "127.77.0.0/16", "port": leg_port}


def uri(scheme, host, port):
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@contextlib.contextmanager
def network(mode):
    """For an IPv6 prefix a network of this thread's own, in which the prefix is routed to the host. What is started in it,
    programs and threads, stays in it."""
    if mode != "prefix6":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as before:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            subprocess.run(["ip", "-6", "route", "add", "local", PREFIX6, "dev", "lo"], check=True)
            yield
        finally:
            assert libc.setns(before.fileno(), CLONE_NEWNET) == 0
