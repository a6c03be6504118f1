"""Groups in SQL: ports/groups.GroupStore. A group's row is locked while its chain grows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import (
    account,
    chat_group,
    group_change,
    group_member,
    group_step,
)
from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, UserId
from signet.core.limits import MAX_GROUPS
from signet.core.membership import Member, Membership
from signet.internal.v1 import group_pb2 as pb
from signet.ports.groups import GroupView, NewChange, Step, TooManyGroups, Untold


class SqlGroups(SqlStore):
    """See the port for what each call promises."""

    async def views(self, groups: Sequence[GroupId]) -> dict[GroupId, GroupView]:
        wanted = select(chat_group).where(chat_group.c.group_id.in_(groups))
        same = (group_change.c.group_id == group_step.c.group_id) & (
            group_change.c.version == group_step.c.version
        )
        waiting = (
            select(group_step, group_change.c.record)
            .join(group_change, same)
            .where(group_step.c.group_id.in_(groups))
            .order_by(group_step.c.version)
        )

        async def work(tx: AsyncConnection) -> dict[GroupId, GroupView]:
            steps: dict[bytes, list[Step]] = defaultdict(list)
            for row in await tx.execute(waiting):
                steps[row.group_id].append(Step(row.version, row.record, _users(row.members)))
            return {
                found.group: GroupView(
                    found.group,
                    found.version,
                    found.membership,
                    tuple(sorted(found.members)),
                    tuple(steps[found.group]),
                )
                for row in await tx.execute(wanted)
                for found in [_group(row.group_id, row.state)]
            }

        return await self._read(work)

    async def group(self, group: GroupId) -> Membership | None:
        wanted = select(chat_group.c.state).where(chat_group.c.group_id == group)

        async def work(tx: AsyncConnection) -> Membership | None:
            state: bytes | None = (await tx.execute(wanted)).scalar_one_or_none()
            return None if state is None else _group(group, state)

        return await self._read(work)

    async def put_change(self, change: NewChange) -> bool:
        after, group = change.after, change.after.group
        at = {"group_id": group, "version": after.version}

        async def work(tx: AsyncConnection) -> bool:
            if not await _put_state(tx, after):
                return False
            await self._put_members(tx, after)
            await tx.execute(insert(group_change).values(**at, record=change.record))
            await tx.execute(insert(group_step).values(**at, members=b"".join(change.to)))
            return True

        return await self._write(work)

    async def _put_members(self, tx: AsyncConnection, after: Membership) -> None:
        """The index follows the group. Raises TooManyGroups."""
        mine = group_member.c.group_id == after.group
        known = {row.user_id for row in await tx.execute(select(group_member).where(mine))}
        gone, new = known - after.members.keys(), after.members.keys() - known
        await tx.execute(delete(group_member).where(mine, group_member.c.user_id.in_(gone)))
        if not new:
            return
        full = (
            select(group_member.c.user_id)
            .where(group_member.c.user_id.in_(new))
            .group_by(group_member.c.user_id)
            .having(func.count() >= MAX_GROUPS)
        )
        if (await tx.execute(full)).first() is not None:
            raise TooManyGroups
        there = select(account.c.user_id, literal(after.group)).where(account.c.user_id.in_(new))
        await tx.execute(self._insert_new(group_member).from_select(["user_id", "group_id"], there))

    async def changes(self, group: GroupId, after: int, most: int) -> Sequence[bytes]:
        wanted = (
            select(group_change.c.record)
            .where(group_change.c.group_id == group, group_change.c.version > after)
            .order_by(group_change.c.version)
            .limit(most)
        )

        async def work(tx: AsyncConnection) -> Sequence[bytes]:
            return [row.record for row in await tx.execute(wanted)]

        return await self._read(work)

    async def groups_of(self, user: UserId) -> Sequence[GroupId]:
        return await self._read(lambda tx: groups_of(tx, user))

    async def untold_groups(self) -> Sequence[Untold]:
        last = func.max(group_step.c.version).label("last")
        wanted = select(group_step.c.group_id, last).group_by(group_step.c.group_id)

        async def work(tx: AsyncConnection) -> Sequence[Untold]:
            return [Untold(GroupId(row.group_id), row.last) for row in await tx.execute(wanted)]

        return await self._read(work)

    async def told_group(self, told: Untold) -> None:
        mine = group_step.c.group_id == told.group

        async def work(tx: AsyncConnection) -> None:
            state = (await tx.execute(_locked(told.group))).scalar_one_or_none()
            await tx.execute(delete(group_step).where(mine, group_step.c.version <= told.version))
            if state is None or _group(told.group, state).members:
                return
            if (await tx.execute(select(group_step).where(mine))).first() is None:
                await tx.execute(delete(chat_group).where(chat_group.c.group_id == told.group))

        await self._write(work)


def _locked(group: GroupId) -> Select[Any]:
    return select(chat_group.c.state).where(chat_group.c.group_id == group).with_for_update()


async def _put_state(tx: AsyncConnection, after: Membership) -> bool:
    """Whether it is the next: the row is there in the version before, or not for the first."""
    values = {"version": after.version, "state": _state(after)}
    if after.version == 1:
        known = select(chat_group.c.version).where(chat_group.c.group_id == after.group)
        if (await tx.execute(known)).first() is not None:
            return False
        await tx.execute(insert(chat_group).values(group_id=after.group, **values))
        return True
    next_of = (
        update(chat_group)
        .where(chat_group.c.group_id == after.group, chat_group.c.version == after.version - 1)
        .values(values)
        .returning(chat_group.c.version)
    )
    return (await tx.execute(next_of)).first() is not None


async def groups_of(tx: AsyncConnection, user: UserId) -> Sequence[GroupId]:
    """Of which somebody is a member, in the order of their ids."""
    mine = group_member.c.user_id == user
    wanted = select(group_member.c.group_id).where(mine).order_by(group_member.c.group_id)
    return [GroupId(row.group_id) for row in await tx.execute(wanted)]


async def forget_empty_groups(tx: AsyncConnection, groups: Sequence[GroupId]) -> None:
    """Groups of somebody who is deleted: those in which nobody is left go."""
    left = select(group_member.c.group_id).where(group_member.c.group_id.in_(groups))
    empty = chat_group.c.group_id.in_(groups) & chat_group.c.group_id.not_in(left)
    await tx.execute(delete(chat_group).where(empty))


def _state(group: Membership) -> bytes:
    members = [
        pb.StoredMember(
            user=user, identity_key=member.identity_key, administrator=member.administrator
        )
        for user, member in group.members.items()
    ]
    return pb.StoredGroup(
        version=group.version,
        membership=group.membership,
        hash=group.hash,
        members=members,
        link=group.link,
        profile=group.profile,
    ).SerializeToString()


def _group(group: bytes, state: bytes) -> Membership:
    stored = pb.StoredGroup.FromString(state)
    members = {
        UserId(each.user): Member(each.identity_key, each.administrator) for each in stored.members
    }
    return Membership(
        GroupId(group),
        stored.version,
        stored.membership,
        stored.hash,
        members,
        stored.link,
        stored.profile,
    )


def _users(joined: bytes) -> tuple[UserId, ...]:
    return tuple(UserId(joined[at : at + ID_BYTES]) for at in range(0, len(joined), ID_BYTES))
