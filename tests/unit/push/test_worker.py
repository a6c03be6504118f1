"""The worker between events in memory and a provider that answers as it is told."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from signet.adapters.events_memory import MemoryEvents
from signet.core import limits
from signet.core.ids import UserId
from signet.core.push_hints import token_of
from signet.ports.events import NEW_MESSAGE, Event, Events, Topic
from signet.ports.push import Delivered, Gone, Outcome, RetryAfter, UserToken, WakeUp
from signet.push.worker import Worker
from tests.support.push_providers import RememberingPush, by_user, never
from tests.support.virtual_time import in_virtual_time

KEY = os.urandom(32)
ANN, BOB = UserId(b"a" * 16), UserId(b"b" * 16)
NOTHING: list[Event] = []
BEGAN = 1_764_000_000.0  # Unix time when the loop's is 0


def clock() -> float:
    return BEGAN + asyncio.get_running_loop().time()


def hint(user: UserId, *, urgent: bool = False, age_s: float = 0.0) -> Event:
    at_ms = round((clock() - age_s) * 1000)
    return Event(Topic.PUSH, user, NEW_MESSAGE, at_ms, 1, urgent)


def unwoken(reason: str) -> float:
    return REGISTRY.get_sample_value("signet_push_unwoken_total", {"reason": reason}) or 0.0


@asynccontextmanager
async def working(events: Events, provider: RememberingPush) -> AsyncIterator[Worker]:
    worker = Worker(events, by_user(provider), None, clock, KEY, chance=lambda: 0.5)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@in_virtual_time
async def test_a_hint_wakes_its_user_by_a_token_and_nothing_else() -> None:
    events, provider = MemoryEvents(), RememberingPush()
    async with working(events, provider):
        events.publish(hint(ANN, urgent=True, age_s=3.0))
        await provider.asked(1)
    ((_, wake_up),) = provider.woken
    assert wake_up == WakeUp(
        UserToken(token_of(KEY, ANN)), urgent=True, at_ms=round((BEGAN - 3) * 1000)
    )


@in_virtual_time
async def test_a_user_who_gets_many_messages_is_woken_now_and_once_after_the_period() -> None:
    """U1, U2."""
    events, provider = MemoryEvents(), RememberingPush()
    async with working(events, provider) as worker:
        for _ in range(30):
            events.publish(hint(ANN))
            await asyncio.sleep(10)
        await provider.asked(2)
        await asyncio.sleep(10 * limits.PUSH_PERIOD)
        assert worker.status()["waiting"] == 0
        assert worker.status()["remembered"] == 1  # until it next looks
    assert [at for at, _ in provider.woken] == [0.0, limits.PUSH_PERIOD]


@in_virtual_time
async def test_urgent_hints_do_not_wait_for_the_period() -> None:
    """U3."""
    events, provider = MemoryEvents(), RememberingPush()
    async with working(events, provider):
        events.publish(hint(ANN))
        await asyncio.sleep(1)
        events.publish(hint(ANN, urgent=True))
        await asyncio.sleep(1)
        events.publish(hint(ANN, urgent=True))
        await provider.asked(3)
    assert [at for at, _ in provider.woken] == [0.0, 1.0, 2.0]


@in_virtual_time
async def test_an_event_that_is_too_old_wakes_nobody_and_is_counted() -> None:
    """U4."""
    events, provider = MemoryEvents(), RememberingPush()
    before = unwoken("old")
    async with working(events, provider):
        events.publish(hint(ANN, urgent=True, age_s=limits.PUSH_TOO_OLD + 1))
        events.publish(hint(BOB))
        await provider.asked(1)
    assert provider.tokens == [token_of(KEY, BOB)]
    assert unwoken("old") == before + 1


@in_virtual_time
async def test_a_failing_wake_up_is_tried_again_and_others_are_not_kept_waiting() -> None:
    """U5: with back-off, jitter, and what the provider asked for."""
    failures = iter([RetryAfter(7.0, "status 503"), RetryAfter()])

    async def answer(wake_up: WakeUp[UserToken]) -> Outcome:
        mine = wake_up.to == token_of(KEY, ANN)
        return next(failures, Delivered()) if mine else Delivered()

    events, provider = MemoryEvents(), RememberingPush(answer)
    async with working(events, provider) as worker:
        events.publish(hint(ANN))
        await provider.asked(1)
        await asyncio.sleep(1)
        assert worker.status()["providers"] == {"webhook": "status 503"}
        events.publish(hint(BOB))
        await provider.asked(4)
    first = 7.0 + limits.BACKOFF_BASE * 0.5
    times = [at for at, wake_up in provider.woken if wake_up.to == token_of(KEY, ANN)]
    assert times == pytest.approx([0.0, first, first + limits.BACKOFF_BASE])
    assert provider.woken[1][0] == 1.0


@in_virtual_time
async def test_who_is_gone_is_not_asked_for_again() -> None:
    async def gone(_: WakeUp[UserToken]) -> Outcome:
        return Gone()

    events, provider = MemoryEvents(), RememberingPush(gone)
    async with working(events, provider):
        events.publish(hint(ANN, urgent=True))
        await provider.asked(1)
        events.publish(hint(ANN, urgent=True))
        events.publish(hint(BOB, urgent=True))
        await provider.asked(2)
    assert provider.tokens == [token_of(KEY, ANN), token_of(KEY, BOB)]


@in_virtual_time
async def test_a_provider_that_hangs_for_some_does_not_keep_others_waiting() -> None:
    async def answer(wake_up: WakeUp[UserToken]) -> Outcome:
        return await never(wake_up) if wake_up.to == token_of(KEY, ANN) else Delivered()

    events, provider = MemoryEvents(), RememberingPush(answer)
    async with working(events, provider):
        events.publish(hint(ANN))
        for i in range(200):
            events.publish(hint(UserId(i.to_bytes(16, "big"))))
        await provider.asked(201)


@in_virtual_time
async def test_no_more_wake_ups_are_under_way_than_are_allowed() -> None:
    """U7."""
    events, provider = MemoryEvents(), RememberingPush(never)
    async with working(events, provider) as worker:
        for i in range(2 * limits.PUSH_AT_ONCE):
            events.publish(hint(UserId(i.to_bytes(16, "big"))))
        await provider.asked(limits.PUSH_AT_ONCE)
        await asyncio.sleep(limits.PUSH_PERIOD)
        assert worker.status()["under_way"] == limits.PUSH_AT_ONCE
        assert worker.status()["waiting"] == limits.PUSH_AT_ONCE
    assert len(provider.woken) == limits.PUSH_AT_ONCE


@in_virtual_time
async def test_a_provider_with_a_bug_is_asked_again_and_the_worker_lives() -> None:
    bugs = iter([ZeroDivisionError()])

    async def answer(_: WakeUp[UserToken]) -> Outcome:
        for bug in bugs:
            raise bug
        return Delivered()

    events, provider = MemoryEvents(), RememberingPush(answer)
    async with working(events, provider):
        events.publish(hint(ANN))
        await provider.asked(2)


class BreakingEvents(MemoryEvents):
    """Events whose first subscriptions end as a store's may: with an error, or just so."""

    def __init__(self, breaks: int) -> None:
        super().__init__()
        self._breaks = breaks

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        self._breaks -= 1
        return super().subscribe(topic, group) if self._breaks < 0 else self._break()

    async def _break(self) -> AsyncIterator[Event]:
        if self._breaks % 2:
            raise OSError("the store is away")
        for event in NOTHING:
            yield event


@in_virtual_time
async def test_a_subscription_that_breaks_is_opened_again() -> None:
    events, provider = BreakingEvents(4), RememberingPush()
    async with working(events, provider):
        await asyncio.sleep(60)
        events.publish(hint(ANN))
        await provider.asked(1)


@in_virtual_time
async def test_what_waits_or_is_under_way_goes_to_the_next_worker() -> None:
    async def hangs_for_ann(wake_up: WakeUp[UserToken]) -> Outcome:
        return await never(wake_up) if wake_up.to == token_of(KEY, ANN) else Delivered()

    events, first, second = MemoryEvents(), RememberingPush(hangs_for_ann), RememberingPush()
    async with working(events, first):
        events.publish(hint(ANN, urgent=True))
        events.publish(hint(BOB))
        await first.asked(2)
        events.publish(hint(BOB))  # waits for the period
        await asyncio.sleep(1)
    async with working(events, second):
        await second.asked(2)
    assert sorted(second.tokens) == sorted(token_of(KEY, user) for user in (ANN, BOB))
    assert {wake_up.urgent for _, wake_up in second.woken} == {True, False}
    assert {wake_up.at_ms for _, wake_up in second.woken} == {round(BEGAN * 1000)}


@in_virtual_time
async def test_it_is_ready_from_start_to_stop() -> None:
    worker = Worker(MemoryEvents(), by_user(RememberingPush()), None, clock, KEY)
    assert worker.not_ready() == "not started"
    await worker.start()
    assert worker.not_ready() == ""
    await worker.stop()
    assert worker.not_ready() == "stopped"
    await worker.stop()


@in_virtual_time
async def test_a_worker_with_a_bug_of_its_own_says_that_it_is_not_ready() -> None:
    """Not silently: whoever looks at /readyz starts it anew."""

    async def again(_: WakeUp[UserToken]) -> Outcome:
        return RetryAfter()

    def broken() -> float:
        raise ZeroDivisionError

    events, provider = MemoryEvents(), RememberingPush(again)
    worker = Worker(events, by_user(provider), None, clock, KEY, chance=broken)
    await worker.start()
    events.publish(hint(ANN))
    await provider.asked(1)
    await asyncio.sleep(1)
    assert worker.not_ready() == "a task has failed"
    await worker.stop()


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Worker(MemoryEvents(), by_user(RememberingPush()), None, clock, bytes(31))
