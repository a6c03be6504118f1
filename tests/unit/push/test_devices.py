"""Devices are woken as they registered, each by its own provider, beside each other."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import REGISTRY

from signet.adapters.events_memory import MemoryEvents
from signet.core import limits
from signet.core.ids import DeviceId, UserId
from signet.ports.events import CAME_BACK, NEW_MESSAGE, Event, Topic
from signet.ports.push import Delivered, Gone, Outcome, PushProviders, RetryAfter, WakeUp
from signet.ports.push_registrations import Apns, Fcm, Registration, WebPush
from signet.push.worker import Worker
from tests.support.push_providers import MemoryRegistrations, RememberingPush, by_kind, never
from tests.support.virtual_time import in_virtual_time

KEY = os.urandom(32)
BEGAN = 1_764_000_000.0  # Unix time when the loop's is 0
PHONE, TABLET = DeviceId(UserId(b"a" * 16), 1), DeviceId(UserId(b"a" * 16), 2)
IPHONE = Apns("ab" * 32, "org.example.chat")
ANDROID = Fcm("a:token")


def browser(host: str, path: str = "") -> WebPush:
    return WebPush(f"https://{host}/{path}", b"\x04" + bytes(64), bytes(16))


def device(number: int) -> DeviceId:
    return DeviceId(UserId(number.to_bytes(16, "big")), 1)


def clock() -> float:
    return BEGAN + asyncio.get_running_loop().time()


def hint(at: DeviceId, *, urgent: bool = True, name: str = NEW_MESSAGE) -> Event:
    return Event(Topic.PUSH, at.user, name, round(clock() * 1000), at.device, urgent)


def unwoken(reason: str) -> float:
    return REGISTRY.get_sample_value("signet_push_unwoken_total", {"reason": reason}) or 0.0


@asynccontextmanager
async def working(
    events: MemoryEvents, registrations: MemoryRegistrations, providers: PushProviders
) -> AsyncIterator[Worker]:
    worker = Worker(events, providers, registrations, clock, KEY, chance=lambda: 0.5)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


def registered(**kept: Registration) -> MemoryRegistrations:
    made = MemoryRegistrations()
    made.kept = {{"phone": PHONE, "tablet": TABLET}[name]: one for name, one in kept.items()}
    return made


@in_virtual_time
async def test_each_device_is_woken_by_the_provider_of_its_kind() -> None:
    events, apns, fcm = MemoryEvents(), RememberingPush(), RememberingPush()
    kept = registered(phone=IPHONE, tablet=ANDROID)
    async with working(events, kept, by_kind(apns=apns, fcm=fcm)):
        events.publish(hint(PHONE))
        events.publish(hint(TABLET, urgent=False))
        await apns.asked(1)
        await fcm.asked(1)
    at_ms = round(BEGAN * 1000)
    assert [woken for _, woken in apns.woken] == [WakeUp(IPHONE, True, at_ms)]
    assert [woken for _, woken in fcm.woken] == [WakeUp(ANDROID, False, at_ms)]


@in_virtual_time
async def test_background_pushes_of_each_device_are_one_in_twenty_minutes() -> None:
    """U2, by device: the tablet's do not count for the phone."""
    events, fcm = MemoryEvents(), RememberingPush()
    kept = registered(phone=ANDROID, tablet=Fcm("another"))
    async with working(events, kept, by_kind(fcm=fcm)):
        for _ in range(30):
            events.publish(hint(PHONE, urgent=False))
            await asyncio.sleep(60)
        events.publish(hint(TABLET, urgent=False))
        await asyncio.sleep(2 * limits.PUSH_PERIOD)
    times = [at for at, woken in fcm.woken if woken.to == ANDROID]
    assert times == [0.0, limits.PUSH_PERIOD, 2 * limits.PUSH_PERIOD]
    assert [at for at, woken in fcm.woken if woken.to != ANDROID] == [1800.0]


@in_virtual_time
async def test_who_comes_back_first_is_not_woken() -> None:
    """U8."""
    events, fcm, before = MemoryEvents(), RememberingPush(), unwoken("back")
    async with working(events, registered(phone=ANDROID), by_kind(fcm=fcm)):
        events.publish(hint(PHONE, urgent=False))
        await fcm.asked(1)
        events.publish(hint(PHONE, urgent=False))
        await asyncio.sleep(60)
        events.publish(hint(PHONE, name=CAME_BACK))
        await asyncio.sleep(2 * limits.PUSH_PERIOD)
    assert len(fcm.woken) == 1
    assert unwoken("back") == before + 1


@in_virtual_time
async def test_a_device_that_has_not_registered_is_counted_and_looked_up_once_a_minute() -> None:
    events, fcm, kept = MemoryEvents(), RememberingPush(), MemoryRegistrations()
    before = unwoken("unregistered")
    async with working(events, kept, by_kind(fcm=fcm)):
        for _ in range(12):
            events.publish(hint(PHONE))
            await asyncio.sleep(10)
        assert len(kept.reads) == 2
        await kept.put_push(PHONE, ANDROID)
        await asyncio.sleep(limits.PUSH_BELIEVED)
        events.publish(hint(PHONE))
        await fcm.asked(1)
    assert unwoken("unregistered") == before + 12


@in_virtual_time
async def test_a_kind_that_is_not_set_up_is_counted() -> None:
    events, before = MemoryEvents(), unwoken("unserved")
    async with working(events, registered(phone=IPHONE), by_kind(fcm=RememberingPush())):
        events.publish(hint(PHONE))
        await asyncio.sleep(1)
    assert unwoken("unserved") == before + 1


@in_virtual_time
async def test_a_registration_that_is_gone_is_forgotten() -> None:
    async def gone(_: WakeUp[Any]) -> Outcome:
        return Gone()

    events, fcm, kept = MemoryEvents(), RememberingPush(gone), registered(phone=ANDROID)
    async with working(events, kept, by_kind(fcm=fcm)):
        events.publish(hint(PHONE))
        await fcm.asked(1)
        await asyncio.sleep(1)
        assert kept.kept == {}
        fcm.answer = RememberingPush().answer
        await kept.put_push(PHONE, Fcm("a newer one"))
        await asyncio.sleep(limits.PUSH_BELIEVED)
        events.publish(hint(PHONE))  # at once: U5 is for those who know no devices
        await fcm.asked(2)


@in_virtual_time
async def test_a_newer_registration_stays_and_is_woken() -> None:
    """The provider says of the older one that it is gone, after the device has registered anew."""
    newer, kept = Fcm("newer"), registered(phone=ANDROID)

    async def answer(wake_up: WakeUp[Any]) -> Outcome:
        if wake_up.to == newer:
            return Delivered()
        await kept.put_push(PHONE, newer)
        return Gone()

    events, fcm = MemoryEvents(), RememberingPush(answer)
    async with working(events, kept, by_kind(fcm=fcm)):
        events.publish(hint(PHONE))
        await fcm.asked(2)
    assert kept.kept == {PHONE: newer}
    assert fcm.tokens == [ANDROID, newer]


@in_virtual_time
async def test_a_push_service_that_hangs_or_fails_holds_up_no_other() -> None:
    """Its URLs are strangers': a hundred of them, each on a host of its own."""

    async def answer(wake_up: WakeUp[Any]) -> Outcome:
        if "bad" not in wake_up.to.endpoint:
            return Delivered()
        if "hangs" in wake_up.to.endpoint:
            await asyncio.sleep(limits.PUSH_TIMEOUT)
        return RetryAfter(0.0, "status 500")

    events, web, kept = MemoryEvents(), RememberingPush(answer), MemoryRegistrations()
    bad = [browser(f"bad{n % 100}.example", "hangs" if n % 2 else "") for n in range(1000)]
    good = [browser("good.example", str(n)) for n in range(50)]
    for number, subscription in enumerate(bad + good):
        kept.kept[device(number)] = subscription
    async with working(events, kept, by_kind(web_push=web)):
        for number in range(len(bad)):
            events.publish(hint(device(number)))
        await asyncio.sleep(30)
        began = asyncio.get_running_loop().time()
        for number in range(len(bad), len(bad) + len(good)):
            events.publish(hint(device(number)))
        await until_woken(web, good)
        assert asyncio.get_running_loop().time() - began < 1.0


async def until_woken(provider: RememberingPush, wanted: Sequence[Registration]) -> None:
    while not set(wanted) <= set(provider.tokens):
        await asyncio.sleep(0.1)


@in_virtual_time
async def test_apple_is_down_and_google_wakes() -> None:
    async def down(_: WakeUp[Any]) -> Outcome:
        return RetryAfter(30.0, "Shutdown")

    events, apns, fcm = MemoryEvents(), RememberingPush(down), RememberingPush()
    kept = registered(phone=IPHONE, tablet=ANDROID)
    async with working(events, kept, by_kind(apns=apns, fcm=fcm)) as worker:
        events.publish(hint(PHONE))
        await apns.asked(1)
        events.publish(hint(TABLET))
        await fcm.asked(1)
        await asyncio.sleep(1)
        assert worker.status()["providers"] == {"apns": "Shutdown", "fcm": "answers"}
        await apns.asked(2)
    assert apns.woken[1][0] >= 30.0


@in_virtual_time
async def test_while_the_directory_is_away_hints_wait_and_nothing_is_lost() -> None:
    events, fcm, kept = MemoryEvents(), RememberingPush(), registered(phone=ANDROID)
    kept.away = True
    async with working(events, kept, by_kind(fcm=fcm)) as worker:
        events.publish(hint(PHONE, urgent=False))
        events.publish(hint(PHONE))
        events.publish(hint(TABLET))
        await asyncio.sleep(30)
        assert (worker.status()["directory"], worker.status()["looked_up"]) == ("away", 2)
        events.publish(hint(TABLET, name=CAME_BACK))
        await asyncio.sleep(1)
        assert worker.status()["looked_up"] == 1
        kept.away = False
        await fcm.asked(1)
        assert worker.status()["directory"] == "answers"
    ((_, woken),) = fcm.woken
    assert woken.urgent


@in_virtual_time
async def test_beyond_a_bound_hints_are_dropped_and_counted_while_the_directory_is_away() -> None:
    events, kept, before = MemoryEvents(), MemoryRegistrations(), unwoken("room")
    kept.away = True
    async with working(events, kept, by_kind(fcm=RememberingPush())) as worker:
        for number in range(limits.PUSH_LOOKUPS + 5):
            events.publish(hint(device(number)))
            if number % 1000 == 0:
                await asyncio.sleep(0.001)
        await asyncio.sleep(1)
        assert worker.status()["looked_up"] == limits.PUSH_LOOKUPS
        assert unwoken("room") == before + 5
        kept.away = False
        await asyncio.sleep(120)


@in_virtual_time
async def test_what_waits_goes_to_the_next_worker_by_device() -> None:
    events, first, second = MemoryEvents(), RememberingPush(never), RememberingPush()
    kept = registered(phone=IPHONE, tablet=IPHONE)
    async with working(events, kept, by_kind(apns=first)):
        events.publish(hint(PHONE))
        events.publish(hint(TABLET, urgent=False))
        await first.asked(2)
    async with working(events, kept, by_kind(apns=second)):
        await second.asked(2)
    assert {woken.urgent for _, woken in second.woken} == {True, False}
