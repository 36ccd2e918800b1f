"""What the kinds of store need around them."""

import asyncio
import os
from pathlib import Path

BIN = Path(os.environ.get("SCEF_CRASH_BIN") or Path(__file__).resolve().parents[2] / "build/crash/bin")


class Embedded:
    def __init__(self, world):
        self.path = world.directory / "store"
        self.dice = world.dice

    @staticmethod
    def passes(point):
        return not point.startswith("redis.")

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


STORES = {"embedded": Embedded}
