"""`signet run` with something broken on purpose, by name, in a process of its own.

    python -m tests.support.faulty_server FAULT --data … (the rest as `signet run`)

The product knows nothing of this: the store and the link are wrapped here, where it is started.
"""

import asyncio
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from signet import settings as table
from signet.adapters.inbox_sqlite import SqliteInbox, open_inbox
from signet.cli.run import serve
from signet.core.link import Push, ToGateway
from signet.ports.inbox import Batch
from signet.ports.links import Deliver, Link, Routers
from signet.standalone import Standalone
from signet.telemetry import logs

Append = Callable[[Sequence[Batch]], Awaitable[None]]


def die() -> None:
    """As kill -9: nothing after this is done, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def holds_items(batches: Sequence[Batch]) -> bool:
    return any(batch.entries for batch in batches)


class Faults:
    """What may be broken. Each is a method that wraps; its name is the fault's name."""

    def __init__(self, count: int) -> None:
        self._count = count  # the fault happens at the so-manieth append that holds items
        self._stalled = asyncio.Event()

    def dies_before_append(self, append: Append) -> Append:
        """Numbered, and gone before it was durable."""

        async def wrapped(batches: Sequence[Batch]) -> None:
            if self._counted(batches):
                die()
            await append(batches)

        return wrapped

    def dies_between_append_and_answer(self, append: Append) -> Append:
        """Durable, and gone before anybody was told."""

        async def wrapped(batches: Sequence[Batch]) -> None:
            await append(batches)
            if self._counted(batches):
                die()

        return wrapped

    def stalls_on_signal(self, append: Append) -> Append:
        """SIGUSR1: appends wait; SIGUSR2: they go on, in their order."""
        going = asyncio.Event()
        going.set()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, going.clear)
        loop.add_signal_handler(signal.SIGUSR2, going.set)

        async def wrapped(batches: Sequence[Batch]) -> None:
            await going.wait()
            await append(batches)

        return wrapped

    def none(self, append: Append) -> Append:
        return append

    # `delivers_nothing` breaks the link, not the store.
    delivers_nothing = none

    def _counted(self, batches: Sequence[Batch]) -> bool:
        self._count -= holds_items(batches)
        return self._count == 0 and holds_items(batches)


class WithoutItems:
    """Routers whose links carry everything but pushed frames: answered, and not delivered."""

    def __init__(self, inner: Routers) -> None:
        self._inner = inner

    async def open(
        self, address: str, gateway: str, deliver: Deliver, lost: Callable[[], None]
    ) -> Link:
        def without(frames: Sequence[ToGateway]) -> None:
            deliver([frame for frame in frames if not isinstance(frame, Push)])

        return await self._inner.open(address, gateway, without, lost)


def open_broken(fault: str, count: int) -> Callable[[Path], SqliteInbox]:
    def opened(path: Path) -> SqliteInbox:
        store = open_inbox(path)
        wrap = getattr(Faults(count), fault)
        store.append = wrap(store.append)  # type: ignore[method-assign]
        return store

    return opened


async def main(fault: str, flags: dict[str, Any]) -> None:
    name, _, count = fault.partition(":")
    settings = table.load(None, **flags)
    server = Standalone(
        settings,
        open_store=open_broken(name, int(count or 1)),
        wrap_routers=WithoutItems if name == "delivers_nothing" else lambda routers: routers,
    )
    await serve(server, settings, as_json=True)


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--data", type=Path)
    for port in ("websocket", "grpc", "rest", "admin"):
        parser.add_argument(f"--{port}-port", type=int)
    given = vars(parser.parse_args(sys.argv[1:]))
    given.pop("json")
    logs.configure("console")
    uvloop.run(main(given.pop("fault"), given))
