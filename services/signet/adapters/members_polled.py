"""Members in a store that is asked again and again: what Redis and SQLite have in common.

Own records are written again every `refresh_s`, the list is looked at every `poll_s`, once for
all who watch. Writes go out one at a time, in the order in which they were asked for. A store
that takes no writes is away, also where it still answers: others cannot write either, and their
records run out though they are there (L6).
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence

from signet.adapters.members_view import Key, View, is_urgent, key_of
from signet.ports.members import Member


class PolledMembers(ABC):
    """ports/members.Members, given how a record is written and how all are read."""

    def __init__(self, *, refresh_s: float, poll_s: float, settle_s: float) -> None:
        self._refresh_s, self._poll_s = refresh_s, poll_s
        self._view = View(settle_s)
        self._own: dict[Key, Member] = {}
        self._writing, self._looking = asyncio.Lock(), asyncio.Lock()
        self._refused = False  # the last write
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @abstractmethod
    async def _write(self, member: Member, *, left: bool = False) -> None:
        """Write a record, or a goodbye, that runs out by itself. Raises ConnectionError."""

    @abstractmethod
    async def _read(self) -> Sequence[tuple[Member, bool]]:
        """All records, each with whether it has left. Raises ConnectionError."""

    @abstractmethod
    async def _end(self) -> None:
        """Give back what is held."""

    async def put(self, member: Member) -> None:
        """See Members.

        Raises:
            ConnectionError: the store is away. The record is written as soon as it is back.
        """
        key = key_of(member)
        urgent = is_urgent(self._own.get(key), member)
        self._own[key] = member
        self._run_tasks()
        if urgent:
            await self._write_own(key)

    async def remove(self, member: Member) -> None:
        """See Members. While the store is away the record just runs out."""
        self._own.pop(key_of(member), None)
        with contextlib.suppress(ConnectionError):
            async with self._writing:
                await self._write(member, left=True)

    async def list(self) -> Sequence[Member]:
        """See Members."""
        await self._look()
        return self._view.members()

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        """See Members."""
        await self._look()
        self._run_tasks()
        async for members in self._view.watch():
            yield members

    async def close(self) -> None:
        """End watches; own records run out unless they were removed."""
        self._closed = True  # a call of the store may swallow the cancellation below
        self._view.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()

    async def _write_own(self, key: Key) -> None:
        async with self._writing:
            if (member := self._own.get(key)) is not None:  # else it was removed meanwhile
                try:
                    await self._write(member)
                except ConnectionError:
                    self._refused = True
                    raise
                self._refused = False

    async def _look(self) -> None:
        """One look at a time: answers are taken in the order in which the store gave them."""
        async with self._looking:
            try:
                records = await self._read()
            except ConnectionError:
                self._view.away()
                return
            if self._refused and self._own:
                self._view.away()
            else:
                self._view.see(records)  # unchanged too: a loss is believed by its lasting

    def _run_tasks(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._keep_alive()),
                asyncio.create_task(self._poll()),
            ]

    async def _keep_alive(self) -> None:
        while not self._closed:
            await asyncio.sleep(self._refresh_s)
            for key in tuple(self._own):
                with contextlib.suppress(ConnectionError):
                    await self._write_own(key)

    async def _poll(self) -> None:
        while not self._closed:
            await asyncio.sleep(self._poll_s)
            await self._look()
