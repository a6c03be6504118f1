"""Three routers, and a group whose members come and go while routers die and links lose frames.

Real routers and gateways' hubs in virtual time. What the group's log has ever held is the truth to
compare with: its order is the same for all, each message is sent to those who are members there and
to nobody else, everything that was answered SENT is in it, and each member takes all of it once, in
that order (P1-P3, P6, G1-G7; G1 and G2 of docs/durability.md).
"""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from signet.core.errors import Code
from signet.core.groups import GroupCopy, log_of
from signet.core.ids import Position, UserId
from signet.internal.v1.stored_groups import Logged, read_entry
from signet.router.groups.fan_out import Parts, Take
from signet.v1 import messaging_pb2 as pb
from tests.property.test_handover import CALM, ROUTERS
from tests.property.test_handover import Story as Handovers
from tests.support import virtual_time
from tests.support.cluster_in_time import USERS, Cluster
from tests.support.group_phones import GROUP, TO, GroupKeys, GroupPhone


class Story:
    """What happens, by name; `amount` from 1 to 10 says whom it concerns, or how much of it."""

    def __init__(self, cluster: Cluster, phones: list[GroupPhone], keys: GroupKeys) -> None:
        self.cluster, self.phones, self.keys = cluster, phones, keys
        self._faults = Handovers(cluster, list(phones))

    async def somebody_writes(self, amount: int) -> None:
        for _ in range(amount):
            self.phones[amount % 3].write_to_group()

    async def all_write(self, amount: int) -> None:
        for phone in self.phones:
            phone.write_to_group()

    async def all_write_and_write_to_each_other(self, amount: int) -> None:
        await self.all_write(amount)
        await self._faults.all_write(amount)

    async def somebody_goes(self, amount: int) -> None:
        gone = USERS[amount % 3]
        self.keys.change(*(user for user in self.keys.members if user != gone))

    async def somebody_goes_while_all_write(self, amount: int) -> None:
        await self.all_write(amount)
        await self.somebody_goes(amount)
        await self.all_write(amount)

    async def somebody_joins(self, amount: int) -> None:
        self.keys.change(*dict.fromkeys((*self.keys.members, USERS[amount % 3])))

    async def all_join(self, amount: int) -> None:
        self.keys.change(*USERS)

    async def it_is_renamed(self, amount: int) -> None:
        self.keys.rename()

    async def its_owner_dies(self, amount: int) -> None:
        for name, life in self.cluster.routers.items():
            if not life.over and life.router.not_owner_of(TO) is None:
                self.cluster.kill(name)
                return

    async def its_owner_dies_while_all_write(self, amount: int) -> None:
        """Between a send and its answer, or while it is fanned out."""
        await self.somebody_writes(amount)
        await self.all_write(amount)
        await asyncio.sleep(amount * 0.003)
        await self.its_owner_dies(amount)

    async def its_owner_dies_when_it_has_answered(self, amount: int) -> None:
        """What it owes the members is in its log, and nobody asks for it again."""
        self.cluster.set_trouble(amount / 15)
        await self.somebody_writes(amount)
        for _ in range(3000):
            if not any(phone.waits_for_the_group for phone in self.phones):
                break
            await asyncio.sleep(0.001)
        await self.its_owner_dies(amount)

    async def time_passes(self, amount: int) -> None:
        await self._faults.time_passes(amount)

    async def a_router_dies(self, amount: int) -> None:
        await self._faults.a_router_dies(amount)

    async def a_router_drains(self, amount: int) -> None:
        await self._faults.a_router_drains(amount)

    async def a_drain_is_aborted(self, amount: int) -> None:
        await self._faults.a_drain_is_aborted(amount)

    async def a_link_is_cut(self, amount: int) -> None:
        await self._faults.a_link_is_cut(amount)

    async def a_link_stands_still(self, amount: int) -> None:
        await self._faults.a_link_stands_still(amount)

    async def frames_are_troubled(self, amount: int) -> None:
        await self._faults.frames_are_troubled(amount)

    async def a_gateway_dies(self, amount: int) -> None:
        await self._faults.a_gateway_dies(amount)

    async def a_phone_comes_again(self, amount: int) -> None:
        await self._faults.a_phone_comes_again(amount)

    async def a_phone_is_off(self, amount: int) -> None:
        await self._faults.a_phone_is_off(amount)

    async def there_is_trouble(self, amount: int) -> None:
        await self._faults.there_is_trouble(amount)


HAPPENINGS = [name for name in vars(Story) if not name.startswith("_")]
EVENTS = st.lists(
    st.tuples(st.sampled_from(HAPPENINGS), st.integers(1, 10)), min_size=3, max_size=25
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), events=EVENTS)
def test_a_group_has_one_order_and_all_of_it_reaches_those_who_are_members_there(
    seed: int, events: list[tuple[str, int]]
) -> None:
    with capture_logs() as logs:
        virtual_time.run(talk(seed, events))
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def talk(seed: int, events: list[tuple[str, int]]) -> None:
    cluster = Cluster(random.Random(seed))
    await cluster.up(ROUTERS, gateways=2)
    phones = [GroupPhone(cluster, user) for user in USERS]
    keys = GroupKeys(cluster, *USERS)
    story = Story(cluster, phones, keys)
    for phone in phones:
        phone.connect()
    for name, amount in events:
        await getattr(story, name)(amount)
        await asyncio.sleep(0.1)
    await calms_down(cluster, phones)
    log = ordered(cluster)
    changes_take_effect_in_their_order(log, cluster)
    everything_sent_is_in_the_order(log, phones)
    for phone in phones:
        it_took_what_was_for_it_once_and_in_order(phone, log)
        it_was_told_of_every_copy(phone, log)
    assert cluster.rows.db.execute("SELECT count(*) FROM item WHERE device = 0").fetchone() == (0,)
    cluster.down()


async def calms_down(cluster: Cluster, phones: list[GroupPhone]) -> None:
    cluster.set_trouble(0.0)
    for name in ROUTERS:
        await cluster.undrain(name)
    await asyncio.sleep(3.0)
    for phone in phones:
        phone.connect()
    deadline = cluster.loop.time() + CALM
    while cluster.loop.time() < deadline and not is_calm(cluster, phones):
        await asyncio.sleep(1.0)
    assert sum(len(outbox) for phone in phones for outbox in phone.outboxes.values()) == 0
    assert cluster.groups.views_of[GROUP].steps == ()
    await asyncio.sleep(15.0)  # what was fanned out is brought, told, and trimmed


def is_calm(cluster: Cluster, phones: list[GroupPhone]) -> bool:
    waiting = sum(len(outbox) for phone in phones for outbox in phone.outboxes.values())
    told = not cluster.groups.views_of[GROUP].steps
    return not waiting and told and set(cluster.epochs_held.values()) == {1}


def ordered(cluster: Cluster) -> list[Logged]:
    """All that the group's log has ever held, in its order."""
    written = cluster.rows.written[log_of(GROUP)]
    return [read_entry(GROUP, at, 0, written[at]) for at in sorted(written)]


def message_of(copy: GroupCopy) -> pb.GroupMessage:
    return pb.Item.FromString(copy.item).group_message


def record_of(copy: GroupCopy) -> bytes:
    return pb.Item.FromString(copy.item).group_changed.record


def changes_take_effect_in_their_order(log: list[Logged], cluster: Cluster) -> None:
    """G2: what is behind a change goes to those who are members after it, and to nobody else."""
    members: tuple[UserId, ...] = ()
    version = membership = 0
    history = cluster.groups.history[GROUP]
    for copy, origin in log:
        if origin is not None:
            assert set(copy.to) == set(members)
            assert origin.sender.device.user in members
            assert message_of(copy).membership == membership  # G3
            continue
        kind, number = record_of(copy).split()
        change = int(number)
        assert set(copy.to) == set(history[change - 1]) | set(history[change])
        if change <= version:
            continue  # told again, after a crash
        assert change == version + 1
        version, members = change, history[change]
        membership = version if kind == b"change" else membership
    assert version == len(history) - 1


def everything_sent_is_in_the_order(log: list[Logged], phones: list[GroupPhone]) -> None:
    there = {origin.message_id for _, origin in log if origin is not None}
    for phone in phones:
        assert phone.sent <= there  # P1
        assert set(phone.refused.values()) <= {Code.NOT_A_MEMBER}
        mine = [i for (to, _), i in phone.written.items() if to == TO and i in phone.sent]
        first = list(
            dict.fromkeys(
                origin.message_id
                for _, origin in log
                if origin is not None and origin.sender.device.user == phone.user
            )
        )
        assert [i for i in first if i in phone.sent] == mine  # P3


def what(copy: GroupCopy) -> bytes:
    parsed = pb.Item.FromString(copy.item)
    return parsed.group_message.message_id or parsed.group_changed.record


def it_took_what_was_for_it_once_and_in_order(phone: GroupPhone, log: list[Logged]) -> None:
    for_it: dict[bytes, Position] = {}
    before: dict[Position, Position | None] = {}
    last: Position | None = None
    for copy, _ in log:
        before[copy.at], last = last, copy.at
        if phone.user in copy.to:
            for_it.setdefault(what(copy), copy.at)
    assert [(taken.what, taken.at) for taken in phone.took] == list(for_it.items())
    assert [taken.follows for taken in phone.took] == [before[taken.at] for taken in phone.took]


def it_was_told_of_every_copy(phone: GroupPhone, log: list[Logged]) -> None:
    """J5 of docs/durability.md, G7."""
    expected = {
        (origin.message_id, user)
        for copy, origin in log
        if origin is not None and origin.sender.device.user == phone.user
        for user in copy.to
        if user != phone.user
    }
    others = set(phone.written.values())
    told = {(message, by) for message, by in phone.delivered if message in others}
    assert {one for one in told if one[0] not in direct(phone)} == expected


def direct(phone: GroupPhone) -> set[bytes]:
    """Messages to one person."""
    return {message for (to, _), message in phone.written.items() if to != TO}


@pytest.mark.parametrize("left_out", [USERS, USERS[:1], USERS[1:]], ids=["all", "one", "two"])
def test_what_a_dead_owner_had_answered_and_not_brought_comes_from_the_next_one(
    left_out: list[UserId],
) -> None:
    """Nobody asks for it again: the next owner finds it by itself (G1)."""
    virtual_time.run(dies_with_debts(frozenset(left_out)))


async def dies_with_debts(left_out: frozenset[UserId]) -> None:
    cluster = Cluster(random.Random(3))
    await cluster.up(ROUTERS, gateways=1)
    phones = [GroupPhone(cluster, user) for user in USERS]
    GroupKeys(cluster, *USERS)
    for phone in phones:
        phone.connect()
    await asyncio.sleep(20.0)
    owner = next(life for life in cluster.routers.values() if life.router.not_owner_of(TO) is None)
    fan_out = owner.router._groups._fan_out
    bring = fan_out._try

    async def brings_nothing_to_them(parts: Parts, take: Take) -> bool:
        if any(part.users & left_out for those in parts.values() for part in those):
            return False
        return await bring(parts, take)

    fan_out._try = brings_nothing_to_them  # type: ignore[method-assign]
    for _ in range(3):
        phones[0].write_to_group()
    await asyncio.sleep(5.0)
    assert not phones[0].waits_for_the_group
    debtors = [phone for phone in phones if len(phone.took) == 1]  # the change that made the group
    assert left_out <= {phone.user for phone in debtors}
    cluster.kill(owner.router._steward.name)
    await asyncio.sleep(20.0)
    assert all(len(phone.took) == 4 for phone in phones)
    for phone in phones:
        it_took_what_was_for_it_once_and_in_order(phone, ordered(cluster))
    cluster.down()
