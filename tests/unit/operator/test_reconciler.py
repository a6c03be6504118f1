"""When a cluster is looked at: bursts, time-outs, failures, many beside each other."""

import asyncio

import pytest

from signet_operator.cache import Key
from signet_operator.reconciler import Reconciler

CHAT: Key = ("default", "chat")
OTHER: Key = ("default", "other")


class Looks:
    """What was looked at, and when. Each look takes `takes` seconds, and fails `failures` times."""

    def __init__(self, again: float | None = None, takes: float = 0.0, failures: int = 0) -> None:
        self.again, self.takes, self.failures = again, takes, failures
        self.seen: list[tuple[float, Key]] = []
        self.running = self.most = 0

    async def __call__(self, key: Key) -> float | None:
        self.seen.append((round(asyncio.get_running_loop().time(), 1), key))
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(self.takes)
        self.running -= 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the API is away")
        return self.again


@pytest.mark.looptime
async def test_a_burst_of_events_is_one_look() -> None:
    looks = Looks()
    reconciler = Reconciler(looks, 4)
    for _ in range(20):
        reconciler.wake(CHAT)
        await asyncio.sleep(0.01)
    await asyncio.sleep(5)
    assert looks.seen == [(0.2, CHAT)]
    await reconciler.close()


@pytest.mark.looptime
async def test_a_wake_during_a_look_makes_one_more() -> None:
    looks = Looks(takes=3)
    reconciler = Reconciler(looks, 4)
    reconciler.wake(CHAT)
    await asyncio.sleep(1)
    reconciler.wake(CHAT)
    reconciler.wake(CHAT)
    await asyncio.sleep(20)
    assert looks.seen == [(0.2, CHAT), (3.4, CHAT)]
    await reconciler.close()


@pytest.mark.looptime
async def test_a_look_says_when_the_next_one_is_due() -> None:
    looks = Looks(again=10)
    reconciler = Reconciler(looks, 4)
    reconciler.wake(CHAT)
    await asyncio.sleep(25)
    assert [at for at, _ in looks.seen] == [0.2, 10.2, 20.2]
    await reconciler.close()


@pytest.mark.looptime
async def test_failed_looks_are_tried_again_later_and_later() -> None:
    looks = Looks(failures=4)
    reconciler = Reconciler(looks, 4)
    reconciler.wake(CHAT)
    await asyncio.sleep(100)
    assert [at for at, _ in looks.seen] == [0.2, 1.2, 3.2, 7.2, 15.2]
    await reconciler.close()


@pytest.mark.looptime
async def test_clusters_are_looked_at_beside_each_other_up_to_a_bound() -> None:
    looks = Looks(takes=5)
    reconciler = Reconciler(looks, 2)
    for number in range(6):
        reconciler.wake(("default", f"chat-{number}"))
    await asyncio.sleep(30)
    assert (len(looks.seen), looks.most) == (6, 2)
    await reconciler.close()


@pytest.mark.looptime
async def test_nothing_is_kept_of_one_that_is_not_to_be_looked_at_again_until_it_is_woken() -> None:
    looks = Looks(again=1)
    reconciler = Reconciler(looks, 2)
    reconciler.wake(CHAT)
    reconciler.wake(OTHER)
    await asyncio.sleep(0.5)
    assert reconciler.keys == {CHAT, OTHER}
    looks.again = None
    await asyncio.sleep(2)
    assert reconciler.keys == set()
    seen = len(looks.seen)
    await asyncio.sleep(60)
    assert len(looks.seen) == seen
    reconciler.wake(CHAT)
    await asyncio.sleep(1)
    assert [key for _, key in looks.seen[seen:]] == [CHAT]
    assert reconciler.keys == set()
    await reconciler.close()


@pytest.mark.looptime
async def test_one_that_is_woken_during_its_last_look_is_looked_at_once_more() -> None:
    looks = Looks(takes=3)
    reconciler = Reconciler(looks, 2)
    reconciler.wake(CHAT)
    await asyncio.sleep(1)
    reconciler.wake(CHAT)
    await asyncio.sleep(20)
    assert len(looks.seen) == 2
    assert reconciler.keys == set()
    await reconciler.close()
