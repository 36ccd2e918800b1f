#!/usr/bin/env python3
"""The adapter between a SCEF that has gone mad and a server and devices that just do their work.

    soak.py [--minutes 10] [--seed N] [--keep DIRECTORY]

For the time asked for, the SCEF (fuzzed_scef.py) answers badly, more or less so by turns of some seconds, and damaged
notifications come in beside the good ones (callback_noise.py). Then it comes to its senses, and what must be true is judged:

- nothing crashed, nothing leaked, no sanitizer complained; the admin port answered all the time; never 500 to a notification;
- no foreign host that a redirect or a link names was ever contacted;
- the adapter recovers by itself, and every device is served again both ways;
- each request that was acknowledged to the server is answered to it, and each message that was accepted has come to exactly
  one final state, or is still queued;
- each uplink that was answered 2xx is at the server;
- memory and file descriptors are bounded.

Ends with 1 and what was broken; the directory with all logs and traces is then kept. The same seed makes the same dice, but
not the same run: programs and threads are on the clock.
"""

import argparse
import base64
import collections
import json
import random
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/e2e"), str(Path(__file__).resolve().parent)]
import stack as stack_module  # noqa: E402
import wire  # noqa: E402
from callback_noise import AdminNoise, CallbackNoise  # noqa: E402
from fuzzed_scef import FuzzedScef  # noqa: E402
from traffic import Clockwork, Device, Network, Server  # noqa: E402

DEVICES = [f"dev{n}@example.org" for n in range(1, 17)]
NOISY = [f"noise{n}@example.org" for n in range(1, 4)]
INTENSITIES = [0.2, 0.5, 0.8, 0.95, 1.0]
RSS_GROWTH_MAX_MIB = 256  # under ASan; the largest body it takes is 64 MiB
CONNECTIONS_MAX = 16  # to the SCEF
DESCRIPTORS_MAX = 1100  # so many connections may come in
EXCHANGE_LIFETIME_MS = 247000  # RFC 7252 clause 4.8.2

# Freed memory is reused soon, so that RSS tells what is held. Everything else as in all tests.
stack_module.ENVIRONMENT["ASAN_OPTIONS"] += ":quarantine_size_mb=4:malloc_context_size=10"


class Broken(Exception):
    pass


class Soak:
    def __init__(self, directory, seed):
        self.seed = seed
        self.dice = random.Random(seed)
        self.stack = stack_module.Stack(directory)
        self.clockwork = Clockwork()
        self.network = Network(self.stack.callback_port, seed, self.clockwork)
        self.scef = FuzzedScef(self.stack.scef_port, seed, self.delivered, self.network.notify)
        self.network.scef = self.scef
        self.server = Server(self.stack.server_port, seed)
        self.devices = {name: Device(name, seed, self.clockwork, self.network.say) for name in DEVICES}
        self.noise = CallbackNoise(self.stack.callback_port, seed, NOISY, self.scef)
        self.admin_noise = AdminNoise(self.stack.admin_port, seed, [*DEVICES, *NOISY])
        self.spoken = 0
        self.rss, self.descriptors = [], []
        self.talking = True

    def delivered(self, device, data):
        if device in self.devices:
            self.clockwork.at(0.02, self.devices[device].take, base64.b64decode(data))

    # ---- the programs

    def start(self):
        self.clockwork.start()
        self.stack.start_adapter(
            [*DEVICES, *NOISY],
            scef={
                "request_timeout_ms": 1500, "connect_timeout_ms": 1000, "breaker_pause_max_ms": 2000,
                "breaker_pause_min_ms": 200, "configuration_duration_s": 86400, "max_connections": CONNECTIONS_MAX,
            },
            relay={
                "nidd_ack_timeout_ms": 1000, "retry_min_s": 1, "retry_max_s": 4, "downlink_lifetime_s": 36000,
                "answer_lifetime_s": 36000, "spool_max_messages": 1000,
            },
            store={"max_size_mib": 256},
        )  # fmt: skip
        self.server.addresses = {d: (f"127.77.0.{self.stack.device(d)['leg'] + 1}", self.stack.leg_port) for d in DEVICES}
        self.server.asking = True
        self.server.start()
        for device in self.devices.values():
            self.clockwork.at(self.dice.random(), self.speak, device)
        self.wait(lambda: all(self.ends_of(d) for d in DEVICES), "every device is served both ways", 60)
        self.measure()

    def speak(self, device):
        if self.talking:
            self.spoken += 1
            device.speak(self.spoken)
            self.clockwork.at(0.5 + self.dice.random(), self.speak, device)

    def ends_of(self, device, since=0):
        """Have its requests since, and an uplink of it since, come through?"""
        asked = any(r.answers for r in list(self.server.requests.values())[since:] if r.device == device)
        return asked and self.server.addresses[device] in list(self.server.heard.values())[since and -200 :]

    def wait(self, condition, what, timeout, missing=list):
        def watched():
            if self.server.fault:
                raise Broken(f"the server of this soak: {self.server.fault!r}")
            return condition()

        try:
            return self.stack.wait(watched, what, timeout)
        except AssertionError as error:
            raise Broken(f"{error} {missing()[:3]}") from None

    def measure(self):
        pid = self.stack.adapter.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        self.rss.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
        self.descriptors.append(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        if self.stack.admin("/livez").status != 200:
            raise Broken("the admin port does not say that it is alive")

    # ---- the mad part

    def rage(self, seconds):
        self.noise.start()
        self.admin_noise.start()
        end = time.monotonic() + seconds
        next_turn = next_word = 0
        next_server = time.monotonic() + self.dice.uniform(1, 5)
        while (now := time.monotonic()) < end:
            if now >= next_turn:
                self.scef.intensity = self.dice.choice(INTENSITIES)
                self.measure()
                next_turn = now + self.dice.uniform(2, 8)
            if now >= next_server:
                # Short outages, and far apart: repetitions by RFC 7252 are to get through.
                self.server.deaf = not self.server.deaf and self.dice.random() < 0.3
                if not self.server.deaf and self.dice.random() < 0.3:
                    self.server.gone_for = self.dice.uniform(0.5, 4)
                next_server = now + (self.dice.uniform(3, 8) if self.server.deaf else self.dice.uniform(30, 40))
            if now >= next_word:
                self.word_of_the_scef()
                next_word = now + self.dice.uniform(1, 6)
            self.wait(lambda: True, "nothing", 1)
            time.sleep(0.1)

    def word_of_the_scef(self):
        """A notification that is true, and hard."""
        device = self.dice.choice(DEVICES)
        link = self.scef.link_of(device)
        if not link:
            return
        how = self.dice.random()
        if how < 0.5:
            status = "TERMINATED" if how < 0.3 else "TERMINATED_UE_NOT_AUTHORIZED"
            self.scef.forget(device)
            self.network.notify({"niddConfiguration": link, "externalId": device, "status": status}, 0)
        elif how < 0.75:
            self.scef.forget(device)  # and says nothing
        else:
            body = {"niddDownlinkDataTransfer": f"{link}/downlink-data-deliveries/d{self.dice.randrange(self.scef.number + 1)}"}
            self.network.notify({**body, "deliveryStatus": self.dice.choice(["SUCCESS", "FAILURE", "SENDING"])}, 0)

    # ---- the sane part

    def recover(self):
        """Returns how many seconds it took until every device was served again both ways."""
        self.noise.running = self.admin_noise.running = False
        self.noise.join()
        self.admin_noise.join()
        self.server.deaf = False
        self.scef.intensity = 0.0
        self.scef.sane.set()
        start, since = time.monotonic(), len(self.server.requests)
        everyone = [*DEVICES, *NOISY]
        active = lambda: all(self.stack.device(d)["configuration"] == "active" for d in everyone)  # noqa: E731
        self.wait(active, "all configurations are active again", 120)
        self.wait(lambda: all(self.ends_of(d, since) for d in DEVICES), "every device is served again", 120)
        return time.monotonic() - start

    def drain(self):
        def queued():
            found = [m for d in [*DEVICES, *NOISY] for m in self.stack.queue(d)]
            return [m for m in found if (m["type"], m["state"]) != ("NON", "sent")]  # nobody owes those an answer

        unanswered, lost = self.server.unanswered, self.lost_uplinks
        self.server.asking = False
        self.wait(lambda: not self.server.waiting, "each request is acknowledged or refused", 120)
        self.wait(lambda: not unanswered(), "each acknowledged request is answered", 180, unanswered)
        self.talking = False
        self.wait(lambda: not lost(), "each accepted uplink is at the server", 120, lost)
        self.wait(lambda: not queued(), "all queues are empty", 300, queued)
        self.measure()
        # A half-closed connection to the callback port is noticed when it has been idle for a minute.
        if self.long:
            self.wait(self.descriptors_are_few, "file descriptors are given back", 150)

    def descriptors_are_few(self):
        self.measure()
        return self.descriptors[-1] <= self.descriptors[0] + CONNECTIONS_MAX + self.network.WORKERS

    def lost_uplinks(self):
        """A NON that met no listener is nobody's fault."""
        heard, gone = self.server.heard, self.server.was_gone
        return [n for n, (con, when) in list(self.network.accepted.items()) if n not in heard and (con or not gone(when))]

    def finish(self):
        self.server.ending = True
        self.server.join()
        self.network.stop()
        self.stack.finish()
        self.clockwork.running = False

    # ---- the verdict

    def judge(self):
        """What was broken; and the figures."""
        accepted, finals = {}, collections.defaultdict(list)
        events = [json.loads(line) for line in Path(self.stack.adapter_trace.path).read_text().splitlines()]
        for event in events:
            if event["event"] == "accepted":
                accepted[event["seq"]] = event
            elif event["event"] == "final":
                finals[event["seq"]].append(event["state"])
        broken = []
        recent = events[-1]["ts_ms"] - EXCHANGE_LIFETIME_MS  # a NON that was delivered waits so long for an answer
        none = [s for s, e in accepted.items() if not finals[s] and (e["type"] == "CON" or e["ts_ms"] < recent)]
        many = {seq: states for seq, states in finals.items() if len(states) > 1}
        if none:
            broken.append(f"{len(none)} accepted messages have no final state: {[accepted[seq] for seq in none[:3]]}")
        if many:
            broken.append(f"{len(many)} messages have several final states: {dict(list(many.items())[:3])}")
        if self.scef.trapped:
            broken.append(f"a foreign host was contacted {self.scef.trapped} times")
        if self.noise.answers[500]:
            broken.append(f"{self.noise.answers[500]} notifications were answered 500")
        if self.admin_noise.wrong:
            broken.append(f"the admin port answered 5xx: {self.admin_noise.wrong[:3]}")
        if self.rss[-1] - self.rss[0] > RSS_GROWTH_MAX_MIB:
            broken.append(f"RSS grew from {self.rss[0]:.0f} to {self.rss[-1]:.0f} MiB")
        if max(self.descriptors) > DESCRIPTORS_MAX:
            broken.append(f"{max(self.descriptors)} file descriptors")
        states = collections.Counter(state for one in finals.values() for state in one)
        return broken, self.figures(accepted, states)

    def figures(self, accepted, states):
        requests = list(self.server.requests.values())
        middle = self.rss[len(self.rss) // 4 : -1] or self.rss
        return {
            "seed": self.seed,
            "requests to the SCEF": self.scef.requests,
            "of them answered well": self.scef.counts.pop("well", 0),
            "and badly": dict(sorted(self.scef.counts.items())),
            "damaged notifications": self.noise.sent,
            "and their answers": dict(sorted(self.noise.answers.items())),
            "requests to the admin port": self.admin_noise.sent,
            "uplinks accepted": len(self.network.accepted),
            "uplinks at the server": len(self.server.heard),
            "while the server was gone": len(self.server.absences),
            "requests of the server acknowledged": sum(r.acknowledged for r in requests),
            "refused": sum(bool(r.refused) for r in requests),
            "answered": sum(bool(r.answers) for r in requests),
            "messages accepted": len(accepted),
            "final states": dict(sorted(states.items())),
            "RSS MiB at start, after a quarter, at most, at the end": [
                round(one) for one in (self.rss[0], middle[0], max(self.rss), self.rss[-1])
            ],
            "file descriptors at start, at most, at the end": [
                self.descriptors[0], max(self.descriptors), self.descriptors[-1],
            ],
        }  # fmt: skip


def run(directory, seed, seconds):
    """(what was broken, figures)"""
    soak = Soak(directory, seed)
    soak.long = seconds >= 60
    try:
        soak.start()
        soak.rage(seconds)
        recovered = soak.recover()
        soak.drain()
        soak.finish()
        broken, figures = soak.judge()
        figures["seconds until all were served again"] = round(recovered, 1)
        return broken, figures
    except (Broken, AssertionError) as error:
        return [str(error)], {"seed": seed}
    finally:
        soak.talking = soak.clockwork.running = soak.noise.running = soak.admin_noise.running = False
        soak.server.ending = True
        soak.scef.stop()
        soak.stack.kill_all()


def main():
    parser = argparse.ArgumentParser(prog="soak", description="scef-adapter against a SCEF that has gone mad")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--keep", type=Path, help="logs and traces go there, and stay")
    arguments = parser.parse_args()
    seed = random.randrange(1 << 32) if arguments.seed is None else arguments.seed
    directory = arguments.keep or Path(tempfile.mkdtemp(prefix="soak."))
    directory.mkdir(parents=True, exist_ok=True)
    print(f"soak: {arguments.minutes:g} minutes, seed {seed}, logs in {directory}", flush=True)
    broken, figures = run(directory, seed, arguments.minutes * 60)
    for name, value in figures.items():
        print(f"{name}: {value}")
    for one in broken:
        print(f"BROKEN: {one}")
    if not broken and not arguments.keep:
        shutil.rmtree(directory)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
