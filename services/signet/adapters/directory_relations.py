"""Blocks, contacts, and users as routers see them, in SQL: ports/directory.Relations."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Select,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import account, block, contact, device
from signet.core.ids import UserId
from signet.core.limits import MAX_BLOCKED
from signet.ports.directory import NoSuchAccount, TooManyBlocked
from signet.ports.users import Audience, User

Pairs = Sequence[tuple[UserId, UserId]]


class SqlRelations(SqlStore):
    """See the port for what each call promises."""

    async def set_blocked(self, user: UserId, other: UserId, blocked: bool) -> None:
        row = {"user_id": user, "blocked_id": other}

        async def work(tx: AsyncConnection) -> None:
            raised = (
                update(account)
                .where(account.c.user_id == user)
                .values(version=account.c.version + 1)
                .returning(account.c.user_id)
            )
            if (await tx.execute(raised)).first() is None:
                raise NoSuchAccount
            same = (block.c.user_id == user) & (block.c.blocked_id == other)
            await tx.execute(delete(block).where(same))
            if not blocked:
                return
            count = select(func.count()).select_from(block).where(block.c.user_id == user)
            if (await tx.execute(count)).scalar_one() >= MAX_BLOCKED:
                raise TooManyBlocked
            await tx.execute(insert(block).values(row))

        await self._write(work)

    async def blocked(self, user: UserId) -> Sequence[UserId]:
        wanted = select(block.c.blocked_id).where(block.c.user_id == user)

        async def work(tx: AsyncConnection) -> Sequence[UserId]:
            rows = await tx.execute(wanted.order_by(block.c.blocked_id))
            return [UserId(row.blocked_id) for row in rows]

        return await self._read(work)

    async def users(self, users: Sequence[UserId]) -> dict[UserId, User]:
        async def work(tx: AsyncConnection) -> dict[UserId, User]:
            generations: dict[bytes, dict[int, int]] = defaultdict(dict)
            devices: dict[bytes, dict[int, int]] = defaultdict(dict)
            blocked: dict[bytes, set[UserId]] = defaultdict(set)
            for row in await _of_users(tx, device, users):
                generations[row.user_id][row.device_id] = row.generation
                devices[row.user_id][row.device_id] = row.registration_id
            for row in await _of_users(tx, block, users):
                blocked[row.user_id].add(UserId(row.blocked_id))
            return {
                UserId(row.user_id): User(
                    UserId(row.user_id),
                    row.version,
                    generations[row.user_id],
                    devices[row.user_id],
                    frozenset(blocked[row.user_id]),
                    Audience(row.presence),
                    row.last_seen_ms or 0,
                )
                for row in await _of_users(tx, account, users)
            }

        return await self._read(work)

    async def note_written(self, pairs: Pairs) -> None:
        if not pairs:
            return
        both = [
            exists().where(account.c.user_id == bindparam(name)) for name in ("writer", "reader")
        ]
        known: Select[Any, Any] = select(bindparam("writer"), bindparam("reader")).where(*both)
        note = self._insert_new(contact).from_select(["user_id", "peer_id"], known)
        values = [{"writer": writer, "reader": reader} for writer, reader in pairs]

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(note, values)

        await self._write(work)

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        if not pairs:
            return
        later = or_(account.c.last_seen_ms.is_(None), account.c.last_seen_ms < bindparam("seen_ms"))
        note = (
            update(account)
            .where(account.c.user_id == bindparam("user"), later)
            .values(last_seen_ms=bindparam("seen_ms"))
        )
        # in one order, so that two who note the same users do not wait for each other
        values = [{"user": user, "seen_ms": seen_ms} for user, seen_ms in sorted(pairs)]

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(note, values)

        await self._write(work)

    async def have_written(self, pairs: Pairs) -> set[tuple[UserId, UserId]]:
        if not pairs:
            return set()
        wanted = select(contact).where(tuple_(contact.c.user_id, contact.c.peer_id).in_(pairs))

        async def work(tx: AsyncConnection) -> set[tuple[UserId, UserId]]:
            return {(UserId(r.user_id), UserId(r.peer_id)) for r in await tx.execute(wanted)}

        return await self._read(work)

    async def peers(self, user: UserId) -> Sequence[UserId]:
        to = select(contact.c.peer_id.label("peer")).where(contact.c.user_id == user)
        by = select(contact.c.user_id.label("peer")).where(contact.c.peer_id == user)

        async def work(tx: AsyncConnection) -> Sequence[UserId]:
            rows = await tx.execute(union(to, by))
            return sorted(UserId(row.peer) for row in rows if row.peer != user)

        return await self._read(work)


async def _of_users(tx: AsyncConnection, table: Table, users: Sequence[UserId]) -> Sequence[Any]:
    return (await tx.execute(select(table).where(table.c.user_id.in_(users)))).all()
