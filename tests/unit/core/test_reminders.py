"""Who stays away is hinted again, more and more rarely (design.md §5)."""

from signet.core import limits
from signet.core.ids import DeviceId, ShardId, UserId
from signet.core.reminders import Reminders

ALICE, BOB = (DeviceId(UserId(name.ljust(16, b"_")), 1) for name in (b"alice", b"bob"))


def shard(device: DeviceId) -> ShardId:
    return ShardId(device.user[0])


def hints(reminders: Reminders, until: float, step: float = 600.0) -> list[float]:
    """When somebody who never comes is hinted again."""
    found, now = [], 0.0
    while now < until:
        now += step
        found += [now for _ in reminders.due(now, lambda _: True)]
    return found


def test_each_wait_is_twice_the_one_before_and_there_is_an_end() -> None:
    reminders = Reminders(shard)
    reminders.hinted(ALICE, 0.0)
    hour = limits.REMIND_AFTER
    at = hints(reminders, 60 * 24 * hour)
    waits = [after - before for before, after in zip([0.0, *at], at, strict=False)]
    assert waits == [hour * 2**n for n in range(len(waits))]
    assert limits.REMIND_AT_MOST / 2 < waits[-1] <= limits.REMIND_AT_MOST


def test_further_messages_do_not_put_it_off() -> None:
    reminders = Reminders(shard)
    for minute in range(120):
        reminders.hinted(ALICE, minute * 60.0)
        if reminders.due(minute * 60.0, lambda _: True):
            assert minute == 60
            return
    raise AssertionError("never hinted again")


def test_who_has_come_is_not_hinted_and_begins_anew() -> None:
    reminders = Reminders(shard)
    reminders.hinted(ALICE, 0.0)
    assert reminders.due(limits.REMIND_AFTER, lambda _: False) == []
    assert hints(reminders, 30 * limits.REMIND_AFTER) == []
    reminders.hinted(ALICE, 0.0)
    assert reminders.due(limits.REMIND_AFTER, lambda _: True) == [ALICE]


def test_those_of_another_owner_are_forgotten_and_memory_is_bounded() -> None:
    reminders = Reminders(shard, most=1)
    reminders.hinted(ALICE, 0.0)
    reminders.hinted(BOB, 0.0)
    reminders.forget([shard(ALICE)])
    assert reminders.due(limits.REMIND_AFTER, lambda _: True) == []


def test_it_is_said_once_that_a_device_came_back_and_again_after_the_next_hint() -> None:
    reminders = Reminders(shard)
    assert not reminders.came_back(ALICE)
    reminders.hinted(ALICE, 0.0)
    assert not reminders.came_back(BOB)
    assert [reminders.came_back(ALICE) for _ in range(2)] == [True, False]
    reminders.hinted(ALICE, 1.0)
    assert reminders.came_back(ALICE)
    assert reminders.due(limits.REMIND_AFTER, lambda _: True) == [ALICE]
    assert reminders.came_back(ALICE)
    assert reminders.due(2 * limits.REMIND_AFTER, lambda _: False) == []
    assert not reminders.came_back(ALICE)
