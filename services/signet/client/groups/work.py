"""What a running client does for its groups besides taking items: missing chains, held answers."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import NotFound, ServerUnreachable, StoreFailed
from signet.client.groups import receiving
from signet.client.groups.directory import GroupDirectory
from signet.client.outcome import Outcome
from signet.client.reading import show_held
from signet.client.sealing import Self
from signet.core.backoff import Backoff
from signet.core.errors import SignetError
from signet.core.groups import GroupId

log = structlog.get_logger()

_LISTED = "groups_listed"


class GroupWork:
    """Runs tasks from `online` on to `close`. `give_out` performs what is durable."""

    def __init__(
        self,
        store: DeviceStore,
        me: Self,
        keys: Keys,
        kept: Callable[[Tx, Outcome], Outcome],
        give_out: Callable[[Outcome], None],
    ) -> None:
        self._store, self._me, self._kept, self._give_out = store, me, kept, give_out
        self.directory = GroupDirectory(keys)
        self._catching_up: dict[GroupId, asyncio.Task[None]] = {}
        self._holding: asyncio.Task[None] | None = None
        self._listing: asyncio.Task[None] | None = None

    def online(self) -> None:
        """A stream is there: a good time for what could not be fetched."""
        if self._listing is None or self._listing.done():
            self._listing = asyncio.create_task(self._look_about())

    def do(self, outcome: Outcome) -> None:
        """What a transaction asks for."""
        for group in outcome.behind:
            self.catch_up(group)
        if outcome.held:
            self._hold()

    def catch_up(self, group: GroupId) -> None:
        """Fetch the part of a group's chain that is missing here; again and again if need be."""
        if group not in self._catching_up:
            task = asyncio.create_task(self._catch_up(group))
            self._catching_up[group] = task
            task.add_done_callback(lambda _: self._catching_up.pop(group, None))

    async def close(self) -> None:
        tasks = [*self._catching_up.values(), self._holding, self._listing]
        running = [task for task in tasks if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _look_about(self) -> None:
        """Groups whose items wait; on a new device also those that it knows nothing of yet."""
        try:
            groups = await self._store.run(lambda tx: tx.groups.behind())
            if not await self._store.run(lambda tx: tx.settings.number(_LISTED)):
                groups += await self.directory.all()
                await self._store.run(lambda tx: tx.settings.put_number(_LISTED, 1))
            self._hold()
        except (SignetError, ServerUnreachable, StoreFailed) as error:
            log.info("groups are looked for later", why=type(error).__name__)
            return
        for group in groups:
            self.catch_up(group)

    async def _catch_up(self, group: GroupId) -> None:
        backoff = Backoff(0)
        while True:
            try:
                if not await self._fetch(group):
                    return
                failed_after = 0.0
            except NotFound:  # no member any more; what waits is not for us
                await self._store.run(lambda tx: receiving.give_up_waiting(tx, group))
                return
            except SignetError as error:
                failed_after = error.retry_after_s
            except (ServerUnreachable, StoreFailed):
                failed_after = 0.0
            now, chance = self._me.environment.monotonic(), self._me.environment.chance()
            wait, backoff = backoff.failed(now, chance, failed_after)
            await asyncio.sleep(wait)

    async def _fetch(self, group: GroupId) -> bool:
        """One look; whether something is still missing."""
        known = await self._store.run(lambda tx: tx.groups.get(group))
        records = await self.directory.changes(group, known.version if known else 0)

        def follow(tx: Tx) -> tuple[Outcome, bool]:
            outcome = Outcome()
            receiving.follow_records(tx, self._me, group, records, outcome)
            return self._kept(tx, outcome), tx.groups.waits(group)

        outcome, behind = await self._store.run(follow)
        outcome.behind.clear()
        self._give_out(outcome)
        return behind

    def _hold(self) -> None:
        if self._holding is None or self._holding.done():
            self._holding = asyncio.create_task(self._show_in_time())

    async def _show_in_time(self) -> None:
        """Show what is held when its time is over, if it was not shown before."""
        with suppress(StoreFailed):  # looked for again when a stream is there
            while (until := await self._store.run(_next_release)) is not None:
                await asyncio.sleep(max(0.0, until - self._me.environment.now()))
                self._give_out(await self._store.run(self._release))

    def _release(self, tx: Tx) -> Outcome:
        outcome = Outcome()
        show_held(tx, self._me, outcome)
        return self._kept(tx, outcome)


def _next_release(tx: Tx) -> float | None:
    return tx.group_lines.next_release()
