"""redis-server, valkey-server and their sentinels as programs of one test, each in a directory of its own, on a free port
of the loopback or on a private socket. They are stopped by their pid, and nothing else is.

The few lines of RESP are the tests' own: nothing is shared with what is tested.
"""

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from stack import free_ports

KINDS = ("redis", "valkey")
MASTER_NAME = "scef"


class ReplyError(Exception):
    """An error that the server answered."""


class Connection:
    """One client; commands in, replies out: str, int, None, list. Bytes that are no UTF-8 stay bytes."""

    def __init__(self, address, timeout=10):
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(str(address))
        self.stream = self.socket.makefile("rb")

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self._reply()

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the connection has ended")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        data = self.stream.read(int(rest) + 2)[:-2]
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data

    def close(self):
        self.stream.close()
        self.socket.close()


class Server:
    """A redis-server or valkey-server, or with `sentinel` one that watches others. Its configuration file is made once,
    so that it comes back as it was, with what it has written into that file itself (replicaof, the sentinels' state)."""

    def __init__(self, directory, kind="redis", fsync="always", tcp=True, sentinel=False, **options):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        self.name = f"{kind}-sentinel" if sentinel else f"{kind}-server"
        self.executable = shutil.which(f"{kind}-server")
        assert self.executable, f"{kind}-server is not installed"
        self.sentinel = sentinel
        self.port = free_ports() if tcp else 0
        self.socket_path = None if tcp else self.directory / "redis.sock"
        self.process = None
        self.starts = 0
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}", "daemonize no"]
        if not tcp:
            lines += [f"unixsocket {self.socket_path}", "unixsocketperm 700"]
        if not sentinel:
            lines += ['save ""', "repl-diskless-sync-delay 0", "enable-debug-command local"]
            lines += ["appendonly no"] if fsync is None else ["appendonly yes", f"appendfsync {fsync}"]
        lines += [f"{key.replace('_', '-')} {value}" for key, value in options.items()]
        self.configuration = self.directory / "server.conf"
        self.configuration.write_text("\n".join(lines) + "\n")

    @property
    def address(self):
        return self.socket_path or ("127.0.0.1", self.port)

    @property
    def uri(self):
        """As the adapter's store.uri wants it."""
        return f"unix:{self.socket_path}" if self.socket_path else f"redis://127.0.0.1:{self.port}"

    # --- its life

    def start(self, wait=True):
        self.starts += 1
        with open(self.directory / f"log.{self.starts}", "wb") as log:
            self.process = subprocess.Popen(
                [self.executable, self.configuration, *(["--sentinel"] if self.sentinel else [])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if wait:
            self.wait(self.answers, "it answers PING")
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return (self.directory / f"log.{self.starts}").read_text(errors="replace")

    def answers(self):
        with contextlib.suppress(OSError, ReplyError):
            return self.call("PING") == "PONG"
        return False

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def proceed(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """In order; whatever happened to it before."""
        if not self.running():
            return
        self.proceed()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    # --- asking it

    def connect(self, timeout=10):
        return Connection(self.address, timeout)

    def call(self, *words, timeout=10):
        connection = self.connect(timeout)
        try:
            return connection.call(*words)
        finally:
            connection.close()

    def info(self, section):
        lines = self.call("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def role(self):
        """master or slave; None when it does not answer."""
        with contextlib.suppress(OSError, ReplyError):
            return self.call("ROLE")[0]
        return None

    def replicas_online(self):
        """How many of its replicas are in step."""
        return sum("state=online" in value for key, value in self.info("replication").items() if key.startswith("slave"))

    def keys(self, pattern="*"):
        connection = self.connect()
        try:
            found, cursor = [], "0"
            while True:
                cursor, some = connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
                found += some
                if cursor == "0":
                    return sorted(set(found), key=str)
        finally:
            connection.close()

    def wait(self, condition, what, timeout=60):
        end = time.monotonic() + timeout
        while not condition():
            assert self.running(), f"{self.name} ended with {self.process.returncode}:\n{self.log()[-3000:]}"
            assert time.monotonic() < end, f"{self.name}, not within {timeout} s: {what}\n{self.log()[-3000:]}"
            time.sleep(0.02)


class Group:
    """A master, its replicas, and three sentinels that replace it when it is gone for a second."""

    def __init__(self, directory, kind="redis", replicas=2, fsync="always"):
        self.directory, self.kind = Path(directory), kind
        self.servers = [Server(self.directory / f"server{n}", kind, fsync) for n in range(replicas + 1)]
        self.sentinels = []

    def start(self):
        first, *others = self.servers
        first.start()
        for server in others:
            server.start()
            server.call("REPLICAOF", "127.0.0.1", first.port)
            server.call("CONFIG", "REWRITE")
        first.wait(lambda: first.replicas_online() == len(others), "its replicas are in step")
        for n in range(3):
            sentinel = Server(self.directory / f"sentinel{n}", self.kind, sentinel=True)
            with sentinel.configuration.open("a") as file:
                file.write(
                    f"sentinel monitor {MASTER_NAME} 127.0.0.1 {first.port} 2\n"
                    f"sentinel down-after-milliseconds {MASTER_NAME} 1000\n"
                    f"sentinel failover-timeout {MASTER_NAME} 6000\n"
                    f"sentinel parallel-syncs {MASTER_NAME} {len(others)}\n"
                )
            self.sentinels.append(sentinel.start())
        for sentinel in self.sentinels:
            sentinel.wait(lambda: self._knows_all(sentinel), "it knows the others")  # noqa: B023
        return self

    def _knows_all(self, sentinel):
        words = sentinel.call("SENTINEL", "MASTER", MASTER_NAME)
        fields = dict(zip(words[::2], words[1::2]))
        return (int(fields["num-other-sentinels"]), int(fields["num-slaves"])) == (2, len(self.servers) - 1)

    @property
    def sentinel_addresses(self):
        """As the adapter's store.sentinels wants them."""
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    def master(self):
        """Who the first sentinel says it is, if that one agrees; else None."""
        with contextlib.suppress(OSError, ReplyError):
            _, port = self.sentinels[0].call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
            for server in self.servers:
                if server.port == int(port) and server.role() == "master":
                    return server
        return None

    def wait_master(self, other_than=None, replicas=0):
        """The master, once there is one that is another, with so many replicas in step."""
        found = []

        def there():
            server = self.master()
            found[:] = [server]
            return server not in (None, other_than) and server.replicas_online() >= replicas

        self.sentinels[0].wait(there, "there is a master")
        return found[0]

    def stop(self):
        for server in [*self.sentinels, *self.servers]:
            server.stop()
