"""What the kinds of store need around them."""

import asyncio
import os
from pathlib import Path

BIN = Path(os.environ.get("SCEF_CRASH_BIN") or Path(__file__).resolve().parents[2] / "build/crash/bin")


class Embedded:
    slowness = 1  # how much longer a life is
    never_passed = passed_here = ()  # points, as the store is set up; the latter in few stores only

    def __init__(self, world):
        self.path = world.directory / "store"
        self.dice = world.dice

    @staticmethod
    def passes(point):
        return not point.startswith("redis.")

    async def disturb(self):
        """While the adapter lives; nothing to do."""

    def config(self):
        return {"kind": "embedded", "path": str(self.path), "max_size_mib": 64}

    async def start(self):
        pass

    async def damage(self):
        """While nobody has it open: a message of which nothing can be read."""
        device = b"dev1@example.org"
        key = b"m" + device + b"\0" + (1 << 40 | self.dice.randrange(1 << 30)).to_bytes(8, "big")
        process = await asyncio.create_subprocess_exec(BIN / "store-put", self.path, key.hex(), "00112233445566778899")
        assert await process.wait() == 0

    async def stop(self):
        pass


class Redis:
    """A server of its own. The adapter's connection is cut now and then."""

    slowness = 1
    never_passed = passed_here = ()

    def __init__(self, world):
        self.dice, self.directory = world.dice, world.directory
        self.socket = world.directory / "redis.sock"
        self.process = None

    @staticmethod
    def passes(point):
        return not point.startswith("lmdb.")

    def config(self):
        return {"kind": "redis", "uri": f"unix:{self.socket}", "prefix": "crash", "timeout_ms": 3000}

    async def start(self):
        sync, self.never_passed = "always", ("redis.disk_answered",)
        if self.dice.random() < 0.1:  # then the adapter asks for each sync, which may take a second
            sync, self.slowness, self.never_passed = "everysec", 4, ()
            self.passed_here = ("redis.disk_answered",)
        words = ["--port", "0", "--unixsocket", self.socket, "--dir", self.directory, "--save", "", "--appendonly", "yes"]
        with open(self.directory / "redis.log", "wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                "redis-server", *words, "--appendfsync", sync, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        while not self.socket.exists():
            assert self.process.returncode is None, (self.directory / "redis.log").read_text()
            await asyncio.sleep(0.01)

    async def command(self, *words):
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(d), d) for d in data))
        answer = await reader.readline()
        writer.close()
        assert not answer.startswith(b"-"), (words, answer)

    async def damage(self):
        sequence = (1 << 40 | self.dice.randrange(1 << 30)).to_bytes(6, "big")
        await self.command("HSET", "crash:{dev1@example.org}", b"m" + sequence, b"nothing that can be read")

    async def disturb(self):
        await asyncio.sleep(self.dice.uniform(0, 0.15))
        await self.command("CLIENT", "KILL", "TYPE", "normal")

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


STORES = {"embedded": Embedded, "redis": Redis}
