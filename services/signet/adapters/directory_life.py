"""Another identity key, and the rows that are somebody's, in SQL: ports/account_life.

A table whose column `user_id` says whose a row is needs nothing here: its rows are part of what is
exported. Others are named in `WHOSE`, or in `NOBODYS` with the reason why they say nothing of
anybody; a test holds the tables to that.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_accounts import load_account
from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_keys import store_keys
from signet.adapters.directory_tables import (
    account,
    contact,
    device,
    long_lived_key,
    metadata,
    one_time_key,
)
from signet.adapters.directory_telling import put_untold
from signet.core.ids import DeviceId, UserId
from signet.ports.account_life import NewIdentity, Rows, Value
from signet.ports.directory import Account, NoSuchAccount
from signet.ports.telling import Untold

WHOSE: dict[str, Sequence[ColumnElement[bytes]]] = {
    "contact": (contact.c.user_id, contact.c.peer_id),  # who wrote to them, too
}
NOBODYS = {
    "deleted_user": "hashes of ids that are nobody's any more",
    "signing_key": "keys of the service",
    "invitation": "a code's hash; nobody has used it, or it is gone",
    "spent_token": "a hash of an identity provider's token",
}
_HASH = "withheld: a hash, against which the secret could be guessed"
WITHHELD = {
    ("account", "recovery_hash"): _HASH,
    ("account", "former_recovery_hash"): _HASH,
    ("account", "lock_hash"): _HASH,
}


class SqlAccountLife(SqlStore):
    """See the port for what each call promises."""

    async def change_identity(
        self, at: DeviceId, new: NewIdentity
    ) -> tuple[Account, Sequence[int]]:
        async def work(tx: AsyncConnection) -> tuple[Account, Sequence[int]]:
            found = await load_account(tx, at.user, lock=True)
            if found.device(at.device) is None or found.generation != new.generation:
                raise NoSuchAccount
            dropped = tuple(one.id for one in found.devices if one.id != at.device)
            await _keep_only(tx, at, generation=found.generation + 1)
            values = {
                "identity_key": new.identity_key,
                "generation": found.generation + 1,
                "version": found.version + 1,
            }
            await tx.execute(update(account).where(account.c.user_id == at.user).values(values))
            await store_keys(tx, at, new.keys)
            await put_untold(tx, Untold(at.user, found.version + 1, True, dropped))
            return await load_account(tx, at.user), dropped

        return await self._write(work)

    async def rows_of(self, user: UserId) -> Rows:
        async def work(tx: AsyncConnection) -> Rows:
            found: dict[str, list[dict[str, Value]]] = {}
            for table in metadata.tables.values():
                if columns := whose(table):
                    rows = await tx.execute(select(table).where(or_(*(c == user for c in columns))))
                    found[table.name] = [_told(table, row._mapping) for row in rows]
            return found

        return await self._read(work)


def whose(table: Table) -> Sequence[ColumnElement[Any]]:
    """The columns by which a row is somebody's; none: it says nothing of anybody."""
    if table.name in WHOSE:
        return WHOSE[table.name]
    return (table.c.user_id,) if "user_id" in table.c else ()


def _told(table: Table, row: Any) -> dict[str, Value]:
    return {
        name: WITHHELD[table.name, name] if value and (table.name, name) in WITHHELD else value
        for name, value in row.items()
    }


async def _keep_only(tx: AsyncConnection, at: DeviceId, *, generation: int) -> None:
    """The other devices go, and the pre-keys that the identity key before has signed."""
    of_user, here = device.c.user_id == at.user, device.c.device_id == at.device
    await tx.execute(delete(device).where(of_user, ~here))
    await tx.execute(update(device).where(of_user, here).values(generation=generation))
    for table in (long_lived_key, one_time_key):
        await tx.execute(delete(table).where(table.c.user_id == at.user))
