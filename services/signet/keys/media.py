"""Media: leave to put encrypted blobs and to get them. No byte of them passes here.

A blob is some parts and, written when it is complete, a mark under its own name: that it is there
says that all parts have the lengths which the ticket has signed. Nothing else is stored, and
nothing says whose a blob is. Names are unguessable, and begin with the day on which they were made:
so the sweep finds what is over without looking at the rest.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from signet.core.errors import Code, SignetError
from signet.core.limits import (
    BLOB_PART,
    MEDIA_OVERHEAD,
    MEDIA_SWEEP_PERIOD,
    MEDIA_TICKET_TTL,
    MEDIA_TTL,
    MEDIA_URL_TTL,
    STORE_RETRY_AFTER,
)
from signet.keys.media_tickets import Ticket, Tickets
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.blobs import BlobExists, BlobNotFound, Blobs
from signet.telemetry.metrics import MEDIA_COMPLETED, MEDIA_EXPIRED, MEDIA_TICKETS

_DAY = 24 * HOUR
_PREFIX = "m"  # of all names; what else lies in the bucket is left alone
_NAME = re.compile(rf"{_PREFIX}[0-9]{{5}}-[0-9a-f]{{48}}")
_RANDOM = 24  # bytes of a name that nobody can guess

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """`url` says where to put or get it; '' where it is put already."""

    size: int
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a client needs for putting a blob. `expires_at`: Unix time in seconds."""

    ticket: str = field(repr=False)
    name: str = field(repr=False)
    size: int
    expires_at: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob that is complete."""

    name: str = field(repr=False)
    size: int
    parts: tuple[Part, ...] = ()


class Media:
    """`blobs` None: this server keeps no media, and says UNSUPPORTED_FRAME."""

    def __init__(self, parts: Parts, blobs: Blobs | None) -> None:
        self.parts, self.blobs = parts, blobs
        self._tickets = Tickets(parts.tokens, parts.clock)

    @refuses()
    async def create(self, caller: Caller, size: int) -> Upload:
        """A ticket for a new blob of `size` bytes.

        Raises:
            SignetError: INVALID_ARGUMENT, MEDIA_TOO_LARGE, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        if size < 1:
            raise SignetError(Code.INVALID_ARGUMENT, "size is at least 1")
        config, limit = self.parts.config, self.parts.limit
        if size > config.media_bytes + MEDIA_OVERHEAD:
            raise SignetError(
                Code.MEDIA_TOO_LARGE, f"a file has at most {config.media_bytes} bytes"
            )
        user, count = caller.user.hex(), len(_sizes(size, BLOB_PART))
        await limit("media", user, config.media_an_hour, HOUR)
        await limit("media-parts", user, max(config.media_parts_a_day, count), _DAY, count)
        day = int(self.parts.clock()) // _DAY
        name = f"{_PREFIX}{day:05}-{self.parts.randomness(_RANDOM).hex()}"
        ticket = Ticket(name, size, BLOB_PART, int(self.parts.clock()) + MEDIA_TICKET_TTL)
        text = await self._tickets.signed(ticket, caller.user)
        MEDIA_TICKETS.inc()
        return await self._upload(text, ticket, [False] * count)

    @refuses()
    async def upload(self, caller: Caller, text: str) -> Upload:
        """The same ticket again: what is there already, and where to put the rest.

        Raises:
            SignetError: MEDIA_TICKET_REFUSED, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        ticket = await self._tickets.read(text, caller.user)
        config, user = self.parts.config, caller.user.hex()
        await self.parts.limit("media-read", user, config.media_reads_an_hour, HOUR)
        found = await self._lengths(ticket)
        return await self._upload(text, ticket, [length is not None for length in found])

    @refuses()
    async def complete(self, caller: Caller, text: str) -> Stored:
        """Mark a blob as whole. A part of another length is deleted. Again: the same answer.

        Raises:
            SignetError: MEDIA_TICKET_REFUSED, MEDIA_INCOMPLETE, MEDIA_WRONG_LENGTH,
                STORE_UNAVAILABLE.
        """
        ticket = await self._tickets.read(text, caller.user)
        found, sizes = await self._lengths(ticket), _sizes(ticket.size, ticket.part)
        if missing := found.count(None):
            raise SignetError(Code.MEDIA_INCOMPLETE, f"{missing} of {len(found)} are missing")
        wrong = [i for i, length in enumerate(found) if length != sizes[i]]
        with _answering():
            for index in wrong:
                await self._blobs.delete(_part(ticket.name, index))
            if wrong:
                raise SignetError(Code.MEDIA_WRONG_LENGTH, f"{len(wrong)} of {len(found)}")
            await self._mark(ticket)
        return Stored(ticket.name, ticket.size)

    @refuses()
    async def fetch(self, caller: Caller, name: str) -> Stored:
        """Where to get a blob. Whoever knows its name may.

        Raises:
            SignetError: NOT_FOUND (also what is over, or was not completed), RATE_LIMITED,
                STORE_UNAVAILABLE.
        """
        config, user = self.parts.config, caller.user.hex()
        await self.parts.limit("media-read", user, config.media_reads_an_hour, HOUR)
        if not _NAME.fullmatch(name):
            raise SignetError(Code.NOT_FOUND)
        with _answering():
            size, part = await self._marked(name)
            parts = [
                Part(length, await self._blobs.sign("GET", _part(name, index), MEDIA_URL_TTL))
                for index, length in enumerate(_sizes(size, part))
            ]
        return Stored(name, size, tuple(parts))

    async def run(self) -> None:
        """Sweep, again and again. Several processes may."""
        while self.blobs is not None:
            try:
                await self.sweep()
            except SignetError as error:
                log.warning("media that is over stays for now", why=error.code.name)
            await asyncio.sleep(MEDIA_SWEEP_PERIOD)

    async def sweep(self) -> int:
        """Delete what was put more than MEDIA_TTL ago; how many objects went.

        Raises:
            SignetError: STORE_UNAVAILABLE.
        """
        oldest = int(self.parts.clock() - MEDIA_TTL - MEDIA_TICKET_TTL) // _DAY
        with _answering():
            gone = await self._blobs.delete_between(_PREFIX, f"{_PREFIX}{max(oldest, 0):05}")
        MEDIA_EXPIRED.inc(gone)
        return gone

    @property
    def _blobs(self) -> Blobs:
        if self.blobs is None:
            raise SignetError(Code.UNSUPPORTED_FRAME, "this server keeps no media")
        return self.blobs

    async def _upload(self, text: str, ticket: Ticket, there: list[bool]) -> Upload:
        parts = []
        for index, size in enumerate(_sizes(ticket.size, ticket.part)):
            url = ""
            if not there[index]:
                name = _part(ticket.name, index)
                url = await self._blobs.sign("PUT", name, MEDIA_URL_TTL, size)
            parts.append(Part(size, url))
        return Upload(text, ticket.name, ticket.size, ticket.expires_at, tuple(parts))

    async def _lengths(self, ticket: Ticket) -> list[int | None]:
        """Of the parts, as they lie in the store; None for one that is not there."""

        async def length(index: int) -> int | None:
            try:
                return (await self._blobs.info(_part(ticket.name, index))).size
            except BlobNotFound:
                return None

        with _answering():
            count = len(_sizes(ticket.size, ticket.part))
            return list(await asyncio.gather(*map(length, range(count))))

    async def _mark(self, ticket: Ticket) -> None:
        mark = f"{ticket.size} {ticket.part}".encode()
        try:
            await self._blobs.put(ticket.name, _once(mark), len(mark))
        except BlobExists:
            return  # the answer was lost, and the client asks again
        MEDIA_COMPLETED.inc(ticket.size)

    async def _marked(self, name: str) -> tuple[int, int]:
        """Size of a blob, and of its parts. Raises SignetError: NOT_FOUND."""
        try:
            mark = b"".join([piece async for piece in self._blobs.get(name)])
        except BlobNotFound:
            raise SignetError(Code.NOT_FOUND) from None
        size, part = map(int, mark.split())
        return size, part


def _sizes(size: int, part: int) -> list[int]:
    """Of all parts; `part` is that of all but the last."""
    return [min(part, size - start) for start in range(0, size, part)]


def _part(name: str, index: int) -> str:
    return f"{name}-{index:04}"


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


@contextmanager
def _answering() -> Iterator[None]:
    """What the store of blobs raises, as the protocol's code."""
    try:
        yield
    except OSError as error:
        raise SignetError(Code.STORE_UNAVAILABLE, retry_after_s=STORE_RETRY_AFTER) from error
