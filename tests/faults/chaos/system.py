"""What chaos breaks, as chaos sees it."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from tests.faults.chaos.faults import Fault, Kind, Part, Way

# Registers and logs in many people from one address, and lets them write as fast as they are told.
LIMITS_OFF = {
    "SIGNET_REGISTRATIONS_AN_HOUR": "1000000",
    "SIGNET_LOGINS_A_MINUTE": "1000000",
    "SIGNET_SEND_BURST": "100000",
    "SIGNET_SEND_RATE": "1000",
}
LINES = {
    Kind.CUT: Way(1, 0.0, 0.0, 1.0),
    Kind.STALL: Way(1, 0.5, 4.0, 1.0),
    Kind.SLOW: Way(1, 1.0, 4.0, 1.0),
}
"""How lines between clients and servers break."""

FILE = {Kind.LOCK: Way(1, 0.5, 6.0, 2.0)}
"""How a file breaks that processes share."""

LATE = 0.2  # seconds that a slow line adds


class Line(Protocol):
    """A door or a link's proxy."""

    def cut(self) -> None: ...

    def stall(self) -> None: ...

    def slow(self, seconds: float) -> None: ...

    def flow(self) -> None: ...


async def break_lines(lines: Sequence[Line], fault: Fault) -> None:
    """CUT, STALL or SLOW all of them; whole again when it returns."""
    for line in lines:
        match fault.kind:
            case Kind.CUT:
                line.cut()
            case Kind.STALL:
                line.stall()
            case _:
                line.slow(LATE)
    await asyncio.sleep(fault.lasts)
    for line in lines:
        line.flow()


class System(Protocol):
    """Started whole; each of `parts` can be broken in its ways."""

    @property
    def parts(self) -> Sequence[Part]: ...

    @property
    def server(self) -> str:
        """The REST address that people are told."""
        ...

    async def start(self) -> None: ...

    async def suffer(self, fault: Fault) -> float:
        """Break it, and heal it after its time; whole again when this returns.

        The time (`time.monotonic`) at which the fault ended: of a kill, the kill.
        """
        ...

    def notes(self) -> Sequence[str]:
        """What a reader of the result must know about how it was broken."""
        ...

    async def stop(self) -> None: ...


@contextlib.asynccontextmanager
async def locked(database: Path) -> AsyncIterator[None]:
    """Another connection's transaction has the file: writes wait, and time out.

    It waits for its turn without holding up the other faults: a process that is stopped in the
    middle of a transaction has the file until it goes on.
    """
    connection = sqlite3.connect(database, isolation_level=None, timeout=0)
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError:
                await asyncio.sleep(0.02)
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    finally:
        connection.close()
