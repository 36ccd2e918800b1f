"""Random valid CoAP messages over every real leg, both ways: token, code, options and payload come out as they went in.

The modes of the server legs (an IPv4 prefix, an IPv6 prefix, ports) times the transports (UDP, DTLS, TCP, TLS), each
with devices of its own. The fast adapter carries SCEF_LEG_MESSAGES (default: 9000) messages each way on each of the
twelve legs, which makes more than 100,000 each way; the sanitized one a tenth. SCEF_SEED=n for other messages.
"""

import json
import os

import leg_modes
import pytest
import stream_wire
from legs import SCHEMES
from stack import TOP, external_id, free_ports

MESSAGES = int(os.environ.get("SCEF_LEG_MESSAGES", 9000))
SEED = int(os.environ.get("SCEF_SEED", 1))
DEVICES = 16  # on each leg


def binary(build, name):
    return TOP / "build" / build / "bin" / name


@pytest.mark.timeout(3600 if MESSAGES > 10000 else 400)
@pytest.mark.parametrize("build", ("release", "asan"))
@pytest.mark.parametrize("mode", leg_modes.MODES)
def test_messages_pass_unchanged(stack, tmp_path, mode, build):
    with leg_modes.network(mode):
        messages_pass(stack, tmp_path, mode, build, MESSAGES if build == "release" else MESSAGES // 10)
        stack.finish()


def messages_pass(stack, directory, mode, build, messages):
    host, server_leg = leg_modes.leg_mode(mode, stack.leg_port, DEVICES * len(SCHEMES))
    authority = stream_wire.Authority(directory, "ca")
    certificate, key = authority.issue(host)
    first = free_ports(len(SCHEMES))
    servers, legs = [], []
    for number, scheme in enumerate(SCHEMES):
        secure = {"ca_file": str(authority.path)} if scheme.startswith("coaps") else {}
        name = scheme.replace("+", "-")
        servers.append({"name": name, "uri": leg_modes.uri(scheme, host, first + number), **secure})
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
