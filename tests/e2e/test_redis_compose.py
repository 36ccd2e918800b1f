"""docker/compose.redis.yaml over compose.yaml: its services as programs, each with an address of its own in a network of
the test's, found by their names as Docker would have them found. The programs are those installed and built here.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from stack import BIN, ENVIRONMENT, SANITIZED, TOP

DOCKER = TOP / "docker"
BRIDGE_NET = "10.213.7"


def overlaid(below, above):
    """As compose puts one file over another: mappings are merged, lists are joined, volumes by their target."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {key: overlaid(below[key], above[key]) for key in below.keys() & above.keys()}
        return {**below, **above, **both}
    if isinstance(below, list) and isinstance(above, list):
        by_target = {volume_target(one): one for one in [*below, *above]}
        return list(by_target.values())
    return above


def volume_target(volume):
    return volume.split(":")[1] if ":" in volume else volume


def compose():
    files = ("compose.yaml", "compose.redis.yaml")
    below, above = (yaml.safe_load((DOCKER / name).read_text()) for name in files)
    return overlaid(below, above)


def test_every_container_has_few_rights():
    everything = compose()
    services = everything["services"]
    assert {"adapter", "redis-1", "redis-2", "sentinel-1", "sentinel-2", "sentinel-3"} < set(services)
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "ports" not in service, name
        depends = service.get("depends_on", {})
        assert set(depends) <= set(services), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in everything["volumes"], volume


# --- a network ---------------------------------------------------------------------------------------------------


def run(*argv, check=True):
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, (argv, done.stderr)
    return done


def can_make_networks():
    bridge = ["unshare", "--net", "ip", "link", "add", "name", "b", "type", "bridge"]
    return os.geteuid() == 0 and run(*bridge, check=False).returncode == 0


class Network:
    """Network namespaces on a bridge, each held by a process that sleeps; names in a file in /etc/hosts' place."""

    def __init__(self, directory, names):
        self.holders = {}
        self.directory = directory
        self.addresses = {name: f"{BRIDGE_NET}.{n}" for n, name in enumerate(names, 2)}
        hosts = "".join(f"{address} {name}\n" for name, address in self.addresses.items())
        (directory / "hosts").write_text("127.0.0.1 localhost\n" + hosts)
        self._hold("bridge")
        self.inside("bridge", "ip", "link", "add", "name", "br0", "type", "bridge")
        self.inside("bridge", "ip", "addr", "add", f"{BRIDGE_NET}.1/24", "dev", "br0")
        self.inside("bridge", "ip", "link", "set", "br0", "up")
        for number, (name, address) in enumerate(self.addresses.items()):
            self._hold(name)
            end = f"v{number}"
            peer = ["peer", "name", "eth0", "netns", self.holders[name].pid]
            self.inside("bridge", "ip", "link", "add", "name", end, "type", "veth", *peer)
            self.inside("bridge", "ip", "link", "set", end, "master", "br0", "up")
            self.inside(name, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
            self.inside(name, "ip", "link", "set", "eth0", "up")

    def _hold(self, name):
        self.holders[name] = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        own = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + 10
        while os.readlink(f"/proc/{self.holders[name].pid}/ns/net") == own:
            assert time.monotonic() < end
            time.sleep(0.01)
        self.inside(name, "ip", "link", "set", "lo", "up")

    def enter(self, name):
        """To stand before a command."""
        return ["nsenter", f"--net=/proc/{self.holders[name].pid}/ns/net"]

    def inside(self, name, *argv, check=True):
        return run(*self.enter(name), *argv, check=check)

    def command(self, name, argv):
        hosts = f"mount --bind {self.directory}/hosts /etc/hosts && exec \"$@\""
        return [*self.enter(name), "unshare", "--mount", "--propagation", "private", "sh", "-ec", hosts, "sh", *argv]

    def stop(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()


class Services:
    def __init__(self, directory):
        self.directory = directory
        self.services = compose()["services"]
        own_network = [name for name, service in self.services.items() if "network_mode" not in service]
        self.network = Network(directory, own_network)
        self.running, self.starts = {}, 0

    def home(self, name):
        """Whose network it is in."""
        return self.services[name].get("network_mode", name).removeprefix("service:")

    def argv(self, name):
        """With this host's paths for those of the container."""
        service = self.services[name]
        words = [*service.get("entrypoint", []), *service.get("command", [])]
        if not words or name == "adapter":
            words = ["scef-adapter", "--config", "/etc/scef-adapter/scef-adapter.yaml"]
        for volume in service.get("volumes", []):
            source, target = volume.split(":")[:2]
            if source.startswith("."):
                words = [word.replace(target, str(DOCKER / source)) for word in words]
        return [str(BIN / words[0]) if (BIN / words[0]).exists() else words[0], *words[1:]]

    def start(self, name):
        self.starts += 1
        data = self.directory / "volumes" / name
        data.mkdir(parents=True, exist_ok=True)
        log = open(self.directory / f"{name}.{self.starts}.log", "wb")
        argv = self.network.command(self.home(name), self.argv(name))
        environment = {**ENVIRONMENT, "REDIS_DATA": str(data)}
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        log.close()
        self.running[name] = process
        return process

    def log(self, name):
        newest = max(self.directory.glob(f"{name}.*.log"), key=lambda path: path.stat().st_mtime)
        return newest.read_text(errors="replace")[-3000:]

    def wait(self, condition, what, timeout=60):
        end = time.monotonic() + timeout
        while not (value := condition()):
            for name, process in self.running.items():
                assert process.poll() is None, f"{name} ended with {process.returncode}:\n{self.log(name)}"
            assert time.monotonic() < end, f"not within {timeout} s: {what}"
            time.sleep(0.1)
        return value

    def redis(self, name, *words):
        """redis-cli's answer; empty when there is none."""
        port = 26379 if name.startswith("sentinel") else 6379
        return self.network.inside(name, "redis-cli", "-h", "127.0.0.1", "-p", port, *words, check=False).stdout.strip()

    def admin(self, path):
        """(status, body)"""
        argv = ["curl", "-s", "-m", "5", "-w", "\n%{http_code}", f"http://127.0.0.1:8090{path}"]
        body, _, status = self.network.inside("adapter", *argv, check=False).stdout.rpartition("\n")
        return int(status or 0), body

    def registrations(self, number):
        return json.loads(self.admin(f"/v1/devices/dev{number}@example.org")[1]).get("registrations")

    def master(self):
        """Its name."""
        return self.redis("sentinel-2", "sentinel", "get-master-addr-by-name", "scef").split("\n")[0]

    def kill(self, name):
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def stop(self):
        for process in reversed(self.running.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.network.stop()


@pytest.fixture
def services(tmp_path):
    if not can_make_networks():
        pytest.skip("network namespaces need root")
    assert shutil.which("redis-server")
    everything = Services(tmp_path)
    try:
        yield everything
    finally:
        everything.stop()


@pytest.mark.timeout(300)
def test_the_services_work_together_and_survive_the_masters_death(services, tmp_path):
    for n in (1, 2):
        services.start(f"redis-{n}")
        services.wait(lambda: services.redis(f"redis-{n}", "ping") == "PONG", "redis answers")  # noqa: B023
    services.wait(lambda: "state=online" in services.redis("redis-1", "info", "replication"), "the replica is there")
    for n in (1, 2, 3):
        services.start(f"sentinel-{n}")
    knows = lambda: "slaves=1,sentinels=3" in services.redis("sentinel-1", "info", "sentinel")  # noqa: E731
    services.wait(knows, "the sentinels know all")

    for name in ("simulator", "server", "adapter"):
        services.start(name)
    services.wait(lambda: services.admin("/readyz")[0] == 200, "the adapter is ready")
    services.wait(lambda: all(services.registrations(n) for n in (1, 2)), "both devices are registered")

    services.kill("redis-1")
    services.wait(lambda: services.master() == "redis-2", "the replica is the master")
    services.wait(lambda: services.admin("/readyz")[0] == 503, "the adapter says that it cannot accept anything")
    # Who was killed comes back as a replica: the sentinels change its configuration, which is in its volume.
    services.start("redis-1")
    services.wait(lambda: "role:slave" in services.redis("redis-1", "info", "replication"), "it is a replica now", 90)
    services.wait(lambda: services.admin("/readyz")[0] == 200, "the adapter is ready again")
    # And who was promoted stays the master over a restart of its own.
    services.kill("redis-2")
    services.wait(lambda: services.admin("/readyz")[0] == 503, "the adapter tells")
    services.start("redis-2")
    services.wait(lambda: services.redis("redis-2", "ping") == "PONG", "it is back")
    assert "role:master" in services.redis("redis-2", "info", "replication")
    services.wait(lambda: services.admin("/readyz")[0] == 200, "the adapter is ready once more")
    services.stop()
    for log in Path(tmp_path).glob("adapter.*.log"):
        assert not SANITIZED.search(log.read_text(errors="replace")), log.read_text()[-4000:]
