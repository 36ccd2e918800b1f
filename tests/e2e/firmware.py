"""Both ends of a block-wise transfer (RFC 7959) over aiocoap, each block in sight: what takes the blocks counts them, and
what sends them follows the sizes that it is answered. With a security context both are protected by OSCORE (RFC 8613)."""

import json
from collections import Counter

import aiocoap
import aiocoap.resource
import wire
from aiocoap import BAD_REQUEST, CHANGED, CONTENT, CONTINUE, PUT, REQUEST_ENTITY_INCOMPLETE, Message
from aiocoap.numbers.constants import TransportTuning
from aiocoap.oscore import FilesystemSecurityContext

SIZE_EXPONENT_MAX = 6  # 16 << 6 = 1,024 bytes
BLOCK2, SIZE2 = 23, 28


class Patient(TransportTuning):
    """Repeats early and often: with loss, nothing is given up for bad luck."""

    ACK_TIMEOUT = 0.3
    MAX_RETRANSMIT = 9


def image(size):
    """No two blocks of it are the same, and none looks like another's neighbour."""
    return b"".join((number * 2654435761 % (1 << 32)).to_bytes(4, "big") for number in range(size // 4))


def security_context(directory, name, sender, recipient):
    path = directory / name
    path.mkdir()
    settings = {"sender-id_hex": sender, "recipient-id_hex": recipient, "secret_hex": "c0ffee" * 8, "salt_hex": "5a17"}
    (path / "settings.json").write_text(json.dumps(settings))
    return FilesystemSecurityContext(str(path), sequence_number_chunksize_start=1000)


# --- the device --------------------------------------------------------------------------------------------------


class Package(aiocoap.resource.Resource):
    """Object 5's Package: puts the blocks together itself, so that it knows how often it was told each of them."""

    def __init__(self):
        super().__init__()
        self.content, self.complete = bytearray(), False
        self.executed = Counter()  # by (where it begins, its size)

    async def needs_blockwise_assembly(self, request):
        return False

    async def render_put(self, request):
        return self.write(request)

    def write(self, request):
        block = request.opt.block1
        if block is None or (block.more and len(request.payload) != block.size):
            return Message(code=BAD_REQUEST)
        if block.block_number == 0:
            self.content.clear()
        if block.start != len(self.content):
            return Message(code=REQUEST_ENTITY_INCOMPLETE)
        self.executed[block.start, len(request.payload)] += 1
        self.content += request.payload
        self.complete = not block.more
        return Message(code=CONTINUE if block.more else CHANGED, block1=block)


class Site(aiocoap.resource.Site):
    """A device's. With a security context the package is written by protected messages only."""

    def __init__(self, security=None):
        super().__init__()
        self.package, self.security = Package(), security
        self.seen = []  # protected messages as they came and went
        if not security:
            self.add_resource(["5", "0", "0"], self.package)

    async def render_to_pipe(self, pipe):
        if pipe.request.opt.oscore is None or not self.security:
            return await super().render_to_pipe(pipe)
        request, request_id = self.security.unprotect(pipe.request)
        assert request.code == PUT and request.opt.uri_path == ("5", "0", "0")
        answer, _ = self.security.protect(self.package.write(request), request_id)
        self.seen += [protected_part(pipe.request), protected_part(answer)]
        pipe.add_response(answer, is_last=True)


def protected_part(message):
    return message.code, message.opt.oscore, message.payload


# --- the server --------------------------------------------------------------------------------------------------


class Writer:
    """A server that writes in blocks, and takes a smaller size when it is told one (RFC 7959 clauses 2.3 and 2.9.3)."""

    def __init__(self, context, base, security=None):
        self.context, self.uri, self.security = context, f"{base}/5/0/0", security
        self.codes = Counter()
        self.seen = []

    async def write(self, content, exponent=SIZE_EXPONENT_MAX):
        at = 0
        while True:
            size = 16 << exponent
            more = at + size < len(content)
            block = (at // size, more, exponent)
            answer = await self._ask(
                Message(
                    code=PUT,
                    uri=self.uri,
                    payload=content[at : at + size],
                    block1=block,
                    size1=None if at else len(content),
                )
            )
            self.codes[str(answer.code)] += 1
            told = answer.opt.block1
            if not answer.code.is_successful():
                smaller = told is not None and told.block_number == 0 and told.size_exponent < exponent
                if answer.code != aiocoap.REQUEST_ENTITY_TOO_LARGE or not smaller:
                    return answer
                at, exponent = 0, told.size_exponent
                continue
            assert told.block_number == block[0]
            if not more:
                return answer
            at, exponent = at + size, min(exponent, told.size_exponent)

    async def _ask(self, request):
        if not self.security:
            return await self.context.request(request, handle_blockwise=False).response
        protected, request_id = self.security.protect(request)
        protected.remote = request.remote
        protected.set_request_uri(self.uri.removesuffix("/5/0/0"))
        answer = await self.context.request(protected, handle_blockwise=False).response
        self.seen += [protected_part(protected), protected_part(answer)]
        return self.security.unprotect(answer, request_id)[0]


class Whole(aiocoap.resource.Resource):
    """The package, for the device to fetch; aiocoap gives it in blocks of 1,024 bytes, or of the size asked for."""

    def __init__(self, content):
        super().__init__()
        self.content = content

    async def render_get(self, request):
        return Message(code=CONTENT, payload=self.content)


class RawServer:
    """Answers each GET at once, to be run in a thread of its own until `stop`. With `blocks` it gives the block asked for;
    without, it has never heard of Block2 and always gives all."""

    def __init__(self, port, content, blocks):
        self.peer = wire.Peer(at=("127.0.0.1", port))
        self.content, self.blocks = content, blocks
        self.message_ids = Counter()  # of GETs
        self.asked = Counter()  # by where the block begins
        self.stopped = False

    def stop(self):
        self.stopped = True

    def run(self):
        with self.peer:
            while not self.stopped:
                request = self.peer.receive(timeout=0.2)
                if request is not None and request.code == wire.GET:
                    self.peer.send(self._answer(request), request.source)

    def _answer(self, request):
        value = int.from_bytes((request.option(BLOCK2) or [b"\x06"])[0])
        number, exponent = value >> 4, value & 7
        start = number * (16 << exponent)
        self.message_ids[request.mid] += 1
        self.asked[start] += 1
        options, payload = [], self.content
        if self.blocks:
            payload = self.content[start : start + (16 << exponent)]
            more = start + len(payload) < len(self.content)
            value = number << 4 | more << 3 | exponent
            options = [(BLOCK2, value.to_bytes((value.bit_length() + 7) // 8))]
        return wire.Message(wire.ACK, wire.code("2.05"), request.mid, request.token, options, payload)
