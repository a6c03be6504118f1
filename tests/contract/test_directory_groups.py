"""What ports/groups.GroupStore says may be relied upon, in each directory."""

import asyncio
import os
from dataclasses import replace
from hashlib import sha256

import pytest

from signet.adapters.directory_sql import SqlDirectory
from signet.core import limits
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import (
    Add,
    Change,
    Create,
    Leave,
    Member,
    Membership,
    Remove,
    SetLink,
    What,
    apply,
)
from signet.ports.groups import GroupView, NewChange, Step, TooManyGroups, Untold
from tests.contract.directories import (
    directory,
    every_adapter,
    postgres_directory_url,
    sqlite_directory_url,
)
from tests.support.directories import registered

__all__ = ["directory", "postgres_directory_url", "sqlite_directory_url"]

IDENTITY = b"\x05" * 33


def a_group() -> Membership:
    """One that is not there yet."""
    return Membership(GroupId(os.urandom(16)))


def change(before: Membership, actor: UserId, what: What) -> NewChange:
    """The next one, with a record that says which it is."""
    version = before.version + 1
    record = b"record %d of %s" % (version, before.group.hex().encode())
    made = Change(
        before.group, version, before.hash, actor, IDENTITY, what, sha256(record).digest()
    )
    after = apply(before, made)
    return NewChange(after, record, tuple(sorted({*before.members, *after.members})))


async def created(directory: SqlDirectory, *others: UserId) -> tuple[Membership, UserId]:
    """A group by somebody new, with these."""
    actor = (await registered(directory)).user
    keys = tuple((user, IDENTITY) for user in others)
    new = change(a_group(), actor, Create(keys, b"a name"))
    assert await directory.put_change(new)
    return new.after, actor


@every_adapter
async def test_a_group_is_what_its_chain_has_made_of_it(directory: SqlDirectory) -> None:
    other = (await registered(directory)).user
    group, actor = await created(directory, other)
    linked = change(group, actor, SetLink(b"l" * 32))
    assert await directory.put_change(linked)
    assert await directory.group(group.group) == linked.after
    assert linked.after.members[actor] == Member(IDENTITY, administrator=True)
    records = await directory.changes(group.group, 0, 100)
    assert len(records) == 2
    assert await directory.changes(group.group, 0, 1) == records[:1]
    assert await directory.changes(group.group, 1, 100) == [linked.record]
    assert await directory.group(a_group().group) is None


@every_adapter
async def test_members_find_their_groups_and_those_who_went_do_not(
    directory: SqlDirectory,
) -> None:
    other = (await registered(directory)).user
    group, actor = await created(directory, other)
    assert await directory.groups_of(actor) == await directory.groups_of(other) == [group.group]
    assert await directory.put_change(change(group, actor, Remove((other,))))
    assert await directory.groups_of(other) == []
    assert await directory.groups_of(actor) == [group.group]


@every_adapter
async def test_of_two_changes_at_once_one_is_the_next(directory: SqlDirectory) -> None:
    group, actor = await created(directory)
    rivals = [change(group, actor, SetLink(bytes([n]) * 32)) for n in range(4)]
    stored = await asyncio.gather(*map(directory.put_change, rivals))
    assert sorted(stored) == [False, False, False, True]
    assert await directory.group(group.group) == rivals[stored.index(True)].after
    first = [replace(change(a_group(), actor, Create(())), record=b"x") for _ in range(1)] * 3
    assert sorted(await asyncio.gather(*map(directory.put_change, first))) == [False, False, True]


@every_adapter
async def test_owners_see_a_group_with_the_changes_that_are_not_told(
    directory: SqlDirectory,
) -> None:
    other = (await registered(directory)).user
    group, actor = await created(directory, other)
    removal = change(group, actor, Remove((other,)))
    await directory.put_change(removal)
    both = tuple(sorted((actor, other)))
    first = (await directory.changes(group.group, 0, 1))[0]
    view = GroupView(
        group.group, 2, 2, (actor,), (Step(1, first, both), Step(2, removal.record, both))
    )
    assert await directory.views([group.group, a_group().group]) == {group.group: view}
    assert await directory.untold_groups() == [Untold(group.group, 2)]
    await directory.told_group(Untold(group.group, 1))
    await directory.told_group(Untold(group.group, 1))
    assert (await directory.views([group.group]))[group.group].steps == view.steps[1:]
    await directory.told_group(Untold(group.group, 2))
    assert await directory.untold_groups() == []
    assert (await directory.views([group.group]))[group.group] == replace(view, steps=())


@every_adapter
async def test_a_group_that_all_have_left_is_gone_when_that_was_told(
    directory: SqlDirectory,
) -> None:
    group, actor = await created(directory)
    await directory.put_change(change(group, actor, Leave()))
    assert (await directory.views([group.group]))[group.group].members == ()
    await directory.told_group(Untold(group.group, 1))
    assert await directory.group(group.group) is not None
    await directory.told_group(Untold(group.group, 2))
    assert await directory.group(group.group) is None
    assert await directory.changes(group.group, 0, 100) == []
    await directory.told_group(Untold(group.group, 2))


@every_adapter
async def test_who_is_deleted_is_in_no_group_and_an_empty_one_goes(
    directory: SqlDirectory,
) -> None:
    other = (await registered(directory)).user
    group, actor = await created(directory, other)
    await directory.delete_account(actor)
    assert await directory.groups_of(actor) == []
    kept = await directory.group(group.group)
    assert kept is not None
    assert set(kept.members) == {actor, other}  # as the chain says: nobody has signed a removal
    await directory.delete_account(other)
    assert await directory.group(group.group) is None
    assert await directory.untold_groups() == []


@every_adapter
async def test_nobody_is_in_more_groups_than_they_may(
    directory: SqlDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signet.adapters.directory_groups.MAX_GROUPS", 2)
    assert limits.MAX_GROUPS > 2
    other = (await registered(directory)).user
    group, actor = await created(directory)
    for _ in range(2):
        await created(directory, other)
    with pytest.raises(TooManyGroups):
        await directory.put_change(change(group, actor, Add(((other, IDENTITY),))))
    assert await directory.group(group.group) == group
