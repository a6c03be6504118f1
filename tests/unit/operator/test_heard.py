"""Objects that were deleted while no watch was there to tell of it."""

from collections.abc import AsyncIterator

import pytest

from signet_operator.cache import OF_CLUSTERS, Cache
from signet_operator.heard import QUIET_S, Heard
from signet_operator.look import SURVEY_S
from signet_operator.names import CLUSTER_KIND, Tier
from tests.unit.operator.one_operator import BLUE, NAMESPACE, OneOperator, operating


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heard(clock: Clock) -> Heard:
    """One list, an hour ago, of a and b; c came later."""
    made = Heard(clock)
    made.event("pods", "a", None)
    made.event("pods", "b", None)
    clock.now += 5
    made.event("pods", "c", "ADDED")
    clock.now += 3_600
    return made


def suspects(heard: Heard, watch: str = "pods") -> set[str]:
    return {uid for uid in "abc" if heard.suspect(watch, uid)}


def test_nobody_is_suspect_while_the_watch_goes_on(heard: Heard) -> None:
    assert suspects(heard) == set()
    heard.event("pods", "a", "MODIFIED")
    assert suspects(heard) == set()


def test_whom_another_list_does_not_name_is_suspect_when_it_is_over(
    heard: Heard, clock: Clock
) -> None:
    heard.event("pods", "a", None)
    clock.now += QUIET_S - 1
    heard.event("pods", "c", None)
    clock.now += QUIET_S
    assert suspects(heard) == set()  # others may be to come
    clock.now += 1
    assert suspects(heard) == {"b"}
    assert suspects(heard, "jobs") == set()


def test_the_api_has_the_last_word(heard: Heard, clock: Clock) -> None:
    heard.event("pods", "a", None)
    clock.now += QUIET_S + 1
    assert suspects(heard) == {"b", "c"}
    heard.asked("b", there=True)
    heard.asked("c", there=False)
    assert suspects(heard) == set()
    assert [uid for uid in "abc" if heard.is_gone(uid)] == ["c"]


def test_one_of_which_a_deletion_was_told_is_nobody_to_ask_about(
    heard: Heard, clock: Clock
) -> None:
    heard.event("pods", "b", "DELETED")
    heard.event("pods", "a", None)
    clock.now += QUIET_S + 1
    assert suspects(heard) == {"c"}


# --- looks ---------------------------------------------------------------------------------------


@pytest.fixture
async def one() -> AsyncIterator[OneOperator]:
    async with operating() as made:
        made.ask()
        await made.settle()
        made.run_pods()
        await made.look()
        listed(made)
        yield made


def listed(one: OneOperator) -> None:
    """The watches list everything that is there, and go on."""
    for index, kind in OF_CLUSTERS.items():
        for obj in one.api.objects.values():
            if obj["kind"] == kind:
                one.cache.heard.event(index, obj["metadata"]["uid"], None)


def pods(cache: Cache) -> set[str]:
    return {pod["metadata"]["name"] for pod in cache.children(BLUE).pods}


async def test_a_pod_that_no_watch_says_is_gone_is_left_out_once_the_api_has_said_so(
    one: OneOperator,
) -> None:
    one.api.delete("Pod", NAMESPACE, "blue-gateway-1")
    await one.look(after=600, told=False)
    assert "blue-gateway-1" in pods(one.cache)
    listed(one)
    await one.look(after=QUIET_S + 1, told=False)
    assert "blue-gateway-1" not in pods(one.cache)
    assert len(pods(one.cache)) == 2 * len(Tier) - 1


async def test_one_that_is_there_stays_whatever_a_list_has_said(one: OneOperator) -> None:
    one.now += 600
    before = pods(one.cache)
    one.cache.heard.event("pods", "another", None)
    await one.look(after=QUIET_S + 1, told=False)
    assert pods(one.cache) == before


async def test_a_cluster_that_went_unseen_is_found_gone_and_nothing_is_written_for_it(
    one: OneOperator,
) -> None:
    """It was the last one: the list that would show it is empty."""
    one.api.delete(CLUSTER_KIND, *BLUE)
    before = len(one.api.sent)
    assert await one.look(after=SURVEY_S + 1, told=False) is None
    assert one.cache.clusters() == []
    assert [kind for _, kind, _ in one.writes(before) if kind != "Secret"] == []
