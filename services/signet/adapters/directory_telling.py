"""What the owners of shards are to be told, in SQL: ports/telling.Telling."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import untold
from signet.core.ids import UserId
from signet.ports.telling import Untold


class SqlTelling(SqlStore):
    """See the port for what each call promises."""

    async def untold(self, user: UserId | None = None) -> Sequence[Untold]:
        wanted = select(untold).order_by(untold.c.user_id, untold.c.version)
        if user is not None:
            wanted = wanted.where(untold.c.user_id == user)

        async def work(tx: AsyncConnection) -> Sequence[Untold]:
            return [
                Untold(UserId(row.user_id), row.version, row.replaced, tuple(row.dropped))
                for row in await tx.execute(wanted)
            ]

        return await self._read(work)

    async def told(self, change: Untold) -> None:
        same = (untold.c.user_id == change.user) & (untold.c.version == change.version)

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(delete(untold).where(same))

        await self._write(work)


async def put_untold(tx: AsyncConnection, change: Untold) -> None:
    """In the transaction of the change itself."""
    values = {
        "user_id": change.user,
        "version": change.version,
        "replaced": change.replaced,
        "dropped": bytes(change.dropped),
    }
    await tx.execute(insert(untold).values(values))
