"""Random valid CoAP messages over every real leg, both ways: token, code, options and payload come out as they went in.

The modes of the server legs (an IPv4 prefix, an IPv6 prefix, ports) times the transports (UDP, DTLS, TCP, TLS), each
with devices of its own. The fast adapter carries SCEF_LEG_MESSAGES (default: 9000) messages each way on each of the
twelve legs, which makes more than 100,000 each way; the sanitized one a tenth. SCEF_SEED=n for other messages.
"""

import contextlib
import ctypes
import json
import os
import subprocess

import pytest
import stream_wire
from stack import TOP, external_id, free_ports

MESSAGES = int(os.environ.get("SCEF_LEG_MESSAGES", 9000))
SEED = int(os.environ.get("SCEF_SEED", 1))
DEVICES = 16  # on each leg
SCHEMES = ("coap", "coaps", "coap+tcp", "coaps+tcp")
PREFIX6 = "fd77::/64"
CLONE_NEWNET = 0x40000000


def leg_modes(leg_port):
    """{mode: (where the servers are, the configuration's server_leg)}"""
    first = free_ports(2 * DEVICES * len(SCHEMES))
    ports = f"{first}-{first + 2 * DEVICES * len(SCHEMES) - 1}"
    return {
        "prefix4": ("127.0.0.1", {"mode": "prefix", "prefix": "127.77.0.0/16", "port": leg_port}),
        "prefix6": ("::1", {"mode": "prefix", "prefix": PREFIX6, "port": leg_port}),
        "ports": ("127.0.0.1", {"mode": "ports", "address": "127.0.0.1", "port_range": ports}),
    }


@contextlib.contextmanager
def network_with_a_prefix():
    """A network of this thread's own, in which the IPv6 prefix is routed to the host; programs started in it stay."""
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


def binary(build, name):
    return TOP / "build" / build / "bin" / name


@pytest.mark.timeout(3600 if MESSAGES > 10000 else 400)
@pytest.mark.parametrize("build", ("release", "asan"))
@pytest.mark.parametrize("mode", ("prefix4", "prefix6", "ports"))
def test_messages_pass_unchanged(stack, tmp_path, mode, build):
    with network_with_a_prefix() if mode == "prefix6" else contextlib.nullcontext():
        messages_pass(stack, tmp_path, mode, build, MESSAGES if build == "release" else MESSAGES // 10)
        stack.finish()


def messages_pass(stack, directory, mode, build, messages):
    host, server_leg = leg_modes(stack.leg_port)[mode]
    authority = stream_wire.Authority(directory, "ca")
    certificate, key = authority.issue(host)
    first = free_ports(len(SCHEMES))
    at = f"[{host}]" if ":" in host else host
    servers, legs = [], []
    for number, scheme in enumerate(SCHEMES):
        secure = {"ca_file": str(authority.path)} if scheme.startswith("coaps") else {}
        name = scheme.replace("+", "-")
        servers.append({"name": name, "uri": f"{scheme}://{at}:{first + number}", **secure})
        legs.append(f"{name} {scheme} {host} {first + number}")
    devices = [
        {"external_id": external_id(n), "server": servers[(n - 1) // DEVICES]["name"]}
        for n in range(1, DEVICES * len(SCHEMES) + 1)
    ]
    ends = stack.start(
        "leg_transparency",
        argv=[
            *(binary("release", "leg_transparency"), "--scef-port", str(stack.scef_port)),
            *("--callback-port", str(stack.callback_port), "--certificate", certificate, "--key", key),
            *("--legs", ",".join(legs), "--devices", str(DEVICES), "--messages", str(messages), "--seed", str(SEED)),
        ],
    )
    stack.wait(lambda: ends.named("listening"), "both ends are there")
    path = directory / "adapter.yaml"
    path.write_text(json.dumps(stack.adapter_config(devices, servers=servers, server_leg=server_leg)))
    stack.adapter = stack.start("scef-adapter", argv=[binary(build, "scef-adapter"), "--config", path])
    done = stack.wait(lambda: len(ends.named("done")) == len(SCHEMES) and ends.named("done"), "all has passed", 3500)
    for leg in done:
        assert leg["up"] >= messages and leg["down"] >= messages
        print(f"{mode} {leg['leg']}, {build}: {leg['up']} up, {leg['down']} down, {leg['repeated']} repeated")

    # Nothing is left, and nothing was lost on the way.
    stack.wait(lambda: not any(stack.queue(device["external_id"]) for device in devices), "all queues are empty")
    metrics = stack.admin("/metrics").body.decode().splitlines()
    dropped = [line for line in metrics if "dropped_total" in line and not line.endswith(" 0") and line[0] != "#"]
    assert not dropped
