#!/usr/bin/env python3
"""scef-sim between SCS/ASs that have gone mad (noisy_as.py) and UEs with a client of random bytes.

    sim_soak.py [--minutes 1] [--seed N]

Judged: nothing crashed or leaked, no sanitizer complained, no answer that no SCEF may give; and when the noise is over, it
does its work as if nothing had been."""

import argparse
import base64
import collections
import json
import random
import re
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(Path(__file__).resolve().parent)]
import stack as stack_module  # noqa: E402
from noisy_as import NIDD, BadDestination, NoisyAs  # noqa: E402

UES = [f"dev{n}@example.org" for n in range(1, 9)]
CLIENTS = 3
RSS_GROWTH_MAX_MIB = 256


def rss_mib(program):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{program.process.pid}/status").read_text())[1]) / 1024


def rattle(air, seed, running):
    """UEs that say anything."""
    dice = random.Random(f"{seed} air")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        while running.is_set():
            peer.sendto(dice.randbytes(dice.choice([0, 1, 4, 50, 1358, 1359])), ("127.0.0.1", air + dice.randrange(4)))
            time.sleep(0.02)


def start(chain, air):
    half = {"active_time_s": 1, "rds": True, "groups": ["group@example.org"], "delay_ms": [0, 30]}
    chain.start_scef(
        [
            {"external_id": "dev%d@example.org", "count": 4, "client": "air", "air": f"127.0.0.1:{air}", **half},
            *({"external_id": name, "tau_period_s": 2, "loss": 0.1, "duplicate": 0.1, "start_delay_ms": 100, **half} for name in UES[4:]),
        ],
        notification_retry_ms=100, notification_timeout_ms=500, notification_retries=2, rds_timeout_ms=200, trigger_retry_ms=200,
        tell_retransmission_time=True, buffer_messages=20,
    )  # fmt: skip


def works(chain, destination):
    """A delivery to each UE comes to its end."""
    for name in UES:
        chain.control("POST", f"/ues/{name}/authorisation?authorised=1")
        chain.control("POST", f"/ues/{name}/coverage?covered=1")
        chain.control("POST", f"/ues/{name}/pdn?connected=1")
        chain.control("POST", f"/ues/{name}/wake")
        body = {"externalId": name, "notificationDestination": destination.url}
        created = stack_module.http_request(chain.scef_port, "POST", f"{NIDD}/sane/configurations", body)
        assert created.status == 201, (created.status, created.body)
        link = "/" + created.json()["self"].split("/", 3)[3]
        chain.control("POST", f"/ues/{name}/wake")
        body = {"externalId": name, "data": base64.b64encode(b"\x40\x01\x00\x01").decode()}
        reply = stack_module.http_request(chain.scef_port, "POST", link + "/downlink-data-deliveries", body)
        assert reply.status in (200, 201) or b"cause" in reply.body, (reply.status, reply.body)
        assert stack_module.http_request(chain.scef_port, "DELETE", link).status == 204


def run(directory, seed, seconds):
    """(what was broken, figures)"""
    stack_module.ENVIRONMENT["ASAN_OPTIONS"] += ":quarantine_size_mb=4"
    chain = stack_module.Stack(directory)
    destination = BadDestination(seed)
    running = threading.Event()
    running.set()
    try:
        air = stack_module.free_ports(4)
        start(chain, air)
        before = rss_mib(chain.scef)
        clients = [NoisyAs(chain.scef_port, seed, [*UES, "group@example.org"], destination, n) for n in range(CLIENTS)]
        threads = [*clients, threading.Thread(target=rattle, args=[air, seed, running], daemon=True)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            chain.wait(lambda: True, "nothing", 1)
            time.sleep(0.2)
        for client in clients:
            client.running = False
        running.clear()
        for thread in threads:
            thread.join()
        destination.sane = True
        works(chain, destination)
        after = rss_mib(chain.scef)
        totals = chain.control("GET", "/scef")
        chain.finish()
    except AssertionError as error:
        return [str(error)], {"seed": seed}
    finally:
        running.clear()
        destination.socket.close()
        chain.kill_all()
    answers = sum((client.answers for client in clients), collections.Counter())
    broken = [f"no SCEF may answer so: {one}" for client in clients for one in client.wrong][:5]
    if after - before > RSS_GROWTH_MAX_MIB:
        broken.append(f"RSS grew from {before:.0f} to {after:.0f} MiB")
    return broken, {
        "seed": seed,
        "requests": sum(client.sent for client in clients),
        "answers": {str(k): v for k, v in sorted(answers.items(), key=str)},
        "notifications": destination.count,
        "RSS MiB at start and end": [round(before), round(after)],
        "totals of the simulator": json.dumps(totals),
    }


def main():
    parser = argparse.ArgumentParser(prog="sim_soak", description="scef-sim against application servers gone mad")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="sim_soak."))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"sim_soak: {arguments.minutes:g} minutes, seed {seed}, logs in {directory}", flush=True)
    broken, figures = run(directory, seed, arguments.minutes * 60)
    for name, value in figures.items():
        print(f"{name}: {value}")
    for one in broken:
        print(f"BROKEN: {one}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
