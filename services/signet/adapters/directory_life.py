"""Another identity key, and the rows that are somebody's, in SQL: ports/account_life.

A table whose column `user_id` says whose a row is needs nothing here: its rows are part of what is
exported. Others are named in `WHOSE`, or in `NOBODYS` with the reason why they say nothing of
anybody; a test holds the tables to that.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_accounts import load_account
from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_keys import store_keys
from signet.adapters.directory_tables import (
    account,
    chat_group,
    contact,
    device,
    group_change,
    group_member,
    group_step,
    long_lived_key,
    metadata,
    one_time_key,
)
from signet.adapters.directory_telling import put_untold
from signet.core.ids import DeviceId, UserId
from signet.ports.account_life import NewIdentity, Rows, Value
from signet.ports.directory import Account, NoSuchAccount
from signet.ports.telling import Untold


def _of_their_groups(table: Table) -> "Whose":
    """What all members of a group know of it."""

    def whose_groups(user: UserId) -> ColumnElement[bool]:
        mine = select(group_member.c.group_id).where(group_member.c.user_id == user)
        return table.c.group_id.in_(mine)

    return whose_groups


Whose = Callable[[UserId], ColumnElement[bool]]
WHOSE: dict[str, Whose] = {
    # who wrote to them, too
    "contact": lambda user: (contact.c.user_id == user) | (contact.c.peer_id == user),
    **{table.name: _of_their_groups(table) for table in (chat_group, group_change, group_step)},
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
                if is_theirs := whose(table):
                    rows = await tx.execute(select(table).where(is_theirs(user)))
                    found[table.name] = [_told(table, row._mapping) for row in rows]
            return found

        return await self._read(work)


def whose(table: Table) -> Whose | None:
    """Which rows are somebody's; None: the table says nothing of anybody."""
    if table.name in WHOSE:
        return WHOSE[table.name]
    return (lambda user: table.c.user_id == user) if "user_id" in table.c else None


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
