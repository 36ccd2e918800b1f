"""The container, without a container engine: docker/Dockerfile is carried out step by step in Debian 13 roots, and what
comes out is started as docker/compose.yaml says: as the image's user, with the image's configuration.

Takes about a minute the first time and half of that later: what does not depend on the checkout is kept in build/.
"""

import fnmatch
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parent.parent
WORK = TOP / "build" / "dockerfile-test"
BASE_TAR = Path("/var/cache/scef-adapter/debian13-base.tar")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="carrying out a Dockerfile by chroot needs root"),
    pytest.mark.timeout(900),
]


# --- reading -------------------------------------------------------------------------------------------------


def dockerfile_parse(text):
    """[(instruction, argument text)], continuation lines joined, comments dropped."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\[ \t]*\n", " ", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def flags_split(argument):
    """({"from": "build"}, rest) of `--from=build rest`."""
    flags = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", argument):
        flags[match[1]] = match[2]
        argument = argument[match.end() :]
    return flags, argument


def command_parse(argument):
    """A command in exec form (JSON) or shell form, as an argument vector."""
    return json.loads(argument) if argument.startswith("[") else ["/bin/sh", "-c", argument]


def words_parse(argument):
    return json.loads(argument) if argument.startswith("[") else shlex.split(argument)


def stages_split(instructions):
    """[{"name", "steps"}] in order; only the bases that Debian 13 stands for, or an earlier stage, are known."""
    stages = []
    for word, argument in instructions:
        if word == "FROM":
            base, _, name = argument.partition(" AS ")
            assert base in ("debian:13", "debian:13-slim"), f"FROM {base}: this test knows Debian 13 only"
            stages.append({"name": name.strip(), "steps": []})
        else:
            stages[-1]["steps"].append((word, argument))
    return stages


class Ignored:
    """.dockerignore: the last pattern that matches a path, or a folder above it, decides."""

    def __init__(self, text):
        lines = [line.strip() for line in text.splitlines()]
        self.patterns = [line for line in lines if line and not line.startswith("#")]

    def __call__(self, path):
        ignored = False
        for pattern in self.patterns:
            wanted = pattern.startswith("!")
            if any(self.matches(str(p), pattern.lstrip("!").strip("/")) for p in (path, *path.parents)):
                ignored = not wanted
        return ignored

    @staticmethod
    def matches(path, pattern):
        if pattern.startswith("**/"):
            return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in path.split("/"))
        return fnmatch.fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")


# --- roots ---------------------------------------------------------------------------------------------------


def run(argv):
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    result = subprocess.run(argv, **streams, text=True, check=False)
    assert result.returncode == 0, f"{shlex.join(map(str, argv))}: exit {result.returncode}\n{result.stdout[-6000:]}"
    return result.stdout


def base_unpack(root):
    root.mkdir(parents=True)
    if BASE_TAR.exists():
        run(["tar", "-C", root, "--numeric-owner", "-xf", BASE_TAR])
    else:
        run(["unshare", "--mount", "debootstrap", "--variant=minbase", "trixie", root])
    host_settings_copy(root)


def host_settings_copy(root):
    """What an engine gives to a build: name resolution; and what this network needs to reach the packages."""
    for name in ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).exists():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(Path("/", name), target)
    settings = run(["apt-config", "dump"]).splitlines()
    settings = [line for line in settings if re.match(r"Acquire::https?[: ]", line)]
    (root / "etc/apt/apt.conf.d/90host").write_text("\n".join(settings) + "\n")


def tree_copy(source, target):
    run(["cp", "-a", "--reflink=auto", source, target])


class Stage:
    """A stage being built: its root, and what the instructions have said so far."""

    def __init__(self, root, context, ignored, others):
        self.root, self.context, self.ignored, self.others = root, context, ignored, others
        self.workdir = "/"
        self.env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}
        self.user = "root"
        self.image = {"ENTRYPOINT": [], "CMD": [], "HEALTHCHECK": []}

    def carry_out(self, word, argument):
        getattr(self, "do_" + word.lower())(argument)

    def do_run(self, argument):
        assert self.user == "root", "RUN as another user than root: not known to this test"
        run(self.command(command_parse(argument)))

    def do_copy(self, argument):
        flags, argument = flags_split(argument)
        assert set(flags) <= {"from", "chmod"}, f"COPY {argument}: flags {flags} are not known to this test"
        *sources, target = words_parse(argument)
        origin = self.others[flags["from"]].root if "from" in flags else self.context
        target_path = self.inside(target)
        if target.endswith("/") or target == "." or len(sources) > 1:
            target_path.mkdir(parents=True, exist_ok=True)
        for source in sources:
            source_path = origin / source.lstrip("/")
            assert source_path.exists(), f"COPY {source}: there is no such file"
            if source_path.is_dir():
                self.copy_folder(source_path, target_path, "from" in flags)
            else:
                target_path.parent.mkdir(parents=True, exist_ok=True)
                copied = Path(shutil.copy2(source_path, target_path))
                os.chown(copied, 0, 0)
                if "chmod" in flags:
                    copied.chmod(int(flags["chmod"], 8))

    def copy_folder(self, source, target, everything):
        def names_ignored(folder, names):
            if everything:
                return []
            return [name for name in names if self.ignored((Path(folder) / name).relative_to(self.context))]

        shutil.copytree(source, target, symlinks=True, ignore=names_ignored, dirs_exist_ok=True)
        run(["chown", "-R", "0:0", target])

    def do_workdir(self, argument):
        self.workdir = os.path.join(self.workdir, argument)
        self.inside(".").mkdir(parents=True, exist_ok=True)

    def do_env(self, argument):
        self.env.update(word.split("=", 1) for word in shlex.split(argument))

    def do_user(self, argument):
        self.user = argument

    def do_entrypoint(self, argument):
        self.image["ENTRYPOINT"] = command_parse(argument)

    def do_cmd(self, argument):
        self.image["CMD"] = command_parse(argument)

    def do_healthcheck(self, argument):
        _, argument = flags_split(argument)
        assert argument.startswith("CMD ")
        self.image["HEALTHCHECK"] = command_parse(argument[4:])

    def do_volume(self, argument):
        for path in words_parse(argument):
            self.inside(path).mkdir(parents=True, exist_ok=True)

    def do_expose(self, argument):
        pass

    do_label = do_expose

    def inside(self, path):
        return self.root / os.path.join(self.workdir, path).lstrip("/")

    def ids(self):
        name, _, group = self.user.partition(":")
        for line in (self.root / "etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return f"{fields[2]}:{group or fields[3]}"
        raise AssertionError(f"USER {self.user}: no such user in the image")

    def command(self, argv, netns_of=None):
        """The argument vector that runs `argv` in the root as the image's user; mounts end with it. `netns_of`: None for
        the host's network, 0 for a new one, or a process whose network is shared."""
        inner = ["env", "-i", *(f"{name}={value}" for name, value in self.env.items()), "/bin/sh", "-c"]
        inner += ['cd "$0" && exec "$@"', self.workdir, *argv]
        root = shlex.quote(str(self.root))
        script = f"mount -t proc proc {root}/proc 2>/dev/null || mount --rbind /proc {root}/proc; "
        script += f"mount --rbind /dev {root}/dev; "
        if netns_of == 0:
            script += "ip link set lo up; "
        script += f"exec chroot --userspec={self.ids()} --groups= {root} {shlex.join(inner)}"
        netns = ["--net"] if netns_of == 0 else []
        enter = ["nsenter", f"--net=/proc/{netns_of}/ns/net"] if netns_of else []
        return [*enter, "unshare", "--mount", "--propagation", "private", *netns, "sh", "-ec", script]


def stage_build(name, steps, context, ignored, others):
    """A Stage, all steps carried out. The steps before the first COPY need no checkout: their root is kept."""
    head = next((i for i, (word, _) in enumerate(steps) if word == "COPY"), len(steps))
    head = max((i + 1 for i in range(head) if steps[i][0] == "RUN"), default=0)
    stat = BASE_TAR.stat() if BASE_TAR.exists() else None
    key = hashlib.sha256(repr((steps[:head], stat and (stat.st_size, stat.st_mtime))).encode()).hexdigest()[:16]
    kept = WORK / f"kept-{name or 'final'}-{key}"
    if not kept.exists():
        for old in WORK.glob(f"kept-{name or 'final'}-*"):
            shutil.rmtree(old)
        making = WORK / f"making-{name or 'final'}"
        shutil.rmtree(making, ignore_errors=True)
        base_unpack(making)
        stage = Stage(making, context, ignored, others)
        for step in steps[:head]:
            stage.carry_out(*step)
        making.rename(kept)

    root = WORK / f"root-{name or 'final'}"
    shutil.rmtree(root, ignore_errors=True)
    tree_copy(kept, root)
    stage = Stage(root, context, ignored, others)
    for i, (word, argument) in enumerate(steps):
        if i >= head or word != "RUN":
            stage.carry_out(word, argument)
    return stage


@pytest.fixture(scope="module")
def image():
    WORK.mkdir(parents=True, exist_ok=True)
    ignored = Ignored((TOP / ".dockerignore").read_text())
    built = {}
    stage = None
    for part in stages_split(dockerfile_parse((TOP / "docker/Dockerfile").read_text())):
        stage = built[part["name"]] = stage_build(part["name"], part["steps"], TOP, ignored, built)
    yield stage
    for done in built.values():
        shutil.rmtree(done.root, ignore_errors=True)


# --- running -------------------------------------------------------------------------------------------------


def compose_command(image, service):
    """What a service of compose.yaml runs."""
    services = yaml.safe_load((TOP / "docker/compose.yaml").read_text())["services"]
    entrypoint = services[service].get("entrypoint", image.image["ENTRYPOINT"])
    command = services[service].get("command", [] if "entrypoint" in services[service] else image.image["CMD"])
    return [*entrypoint, *command]


def admin_url():
    listen = yaml.safe_load((TOP / "docker/scef-adapter.yaml").read_text())["admin"]["listen"]
    return listen if "://" in listen else f"http://{listen}"


class Running:
    """The services of compose.yaml in a network of their own."""

    def __init__(self, image):
        self.image = image
        self.started = {}

    def start(self, service):
        netns_of = self.started["adapter"].pid if self.started else 0
        log = open(WORK / f"{service}.log", "wb")
        argv = self.image.command(compose_command(self.image, service), netns_of)
        self.started[service] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    def log(self, service):
        return (WORK / f"{service}.log").read_text(errors="replace")[-4000:]

    def assert_runs(self, service):
        assert self.started[service].poll() is None, f"{service} ended: {self.log(service)}"

    def curl(self, path):
        """HTTP status of the admin API, 0 when nobody answers."""
        network = f"--net=/proc/{self.started['adapter'].pid}/ns/net"
        options = ["-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}"]
        argv = ["nsenter", network, "curl", *options, admin_url() + path]
        return int(subprocess.run(argv, capture_output=True, text=True, check=False).stdout or 0)

    def health(self):
        argv = self.image.command(self.image.image["HEALTHCHECK"], self.started["adapter"].pid)
        return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)

    def stop(self, service):
        process = self.started[service]
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=10)

    def kill_all(self):
        for process in self.started.values():
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def running(image):
    services = Running(image)
    yield services
    services.kill_all()


def wait_until(condition, seconds, failure):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, failure()
        time.sleep(0.1)


def test_programs_are_there_and_build_tools_are_not(image):
    for name in ("scef-adapter", "scefctl", "scef-sim", "sim-lwm2m-server", "sim-lwm2m-client"):
        run(image.command([name, "--help"]))
    assert not (image.root / "usr/bin/gcc").exists()
    assert not (image.root / "src").exists()


def test_user_is_not_root_and_owns_the_data(image):
    assert image.ids().split(":")[0] != "0"
    run(image.command(["sh", "-c", "touch /var/lib/scef-adapter/x && rm /var/lib/scef-adapter/x"]))
    probe = image.command(["sh", "-c", "touch /usr/local/bin/x"])
    assert subprocess.run(probe, capture_output=True, check=False).returncode != 0


def test_adapter_starts_is_healthy_and_stops(running):
    running.start("adapter")
    wait_until(
        lambda: running.assert_runs("adapter") or running.curl("/livez") == 200,
        20,
        lambda: f"/livez did not answer 200: {running.log('adapter')}",
    )
    running.start("simulator")
    running.start("server")
    wait_until(
        lambda: running.health().returncode == 0,
        20,
        lambda: f"unhealthy: {running.health()} {running.log('adapter')}",
    )
    for service in ("simulator", "server", "adapter"):
        running.assert_runs(service)
    assert running.stop("adapter") == 0, running.log("adapter")


def test_health_check_fails_when_the_adapter_is_gone(running):
    running.start("simulator")
    running.started["adapter"] = running.started["simulator"]
    assert running.health().returncode != 0
