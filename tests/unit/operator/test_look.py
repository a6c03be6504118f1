"""One look at one cluster, from the watches to the writes, on the API in memory."""

import cProfile
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from signet_operator.desired import template
from signet_operator.names import CLUSTER_KIND, Tier
from tests.unit.operator.one_operator import BLUE, NAMESPACE, OneOperator, operating


@pytest.fixture
async def one() -> AsyncIterator[OneOperator]:
    async with operating() as made:
        yield made


def texts(value: Any, way: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """Every string that can be reached from a value, and by which way; of this project's objects
    and of containers.
    """
    if isinstance(value, str):
        yield value, way
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from texts(key, f"{way}[key]", seen)
            yield from texts(item, f"{way}[{key!s:.40}]", seen)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from texts(item, f"{way}[]", seen)
    elif type(value).__module__.startswith("signet"):
        slots = getattr(type(value), "__slots__", ())
        for name in (*getattr(value, "__dict__", {}), *slots):
            yield from texts(getattr(value, name), f"{way}.{name}", seen)


def held(one: OneOperator, *words: str) -> list[str]:
    """Where the operator still has any of them, outside the API itself."""
    roots = {"looker": one.looker, "cache": one.cache, "pods": one.pods, "writer": one.writer}
    found = texts(roots, "", set())
    return [way for text, way in found if any(word in text for word in words)]


async def test_a_look_writes_once_and_then_no_more(one: OneOperator) -> None:
    one.ask()
    await one.settle()
    assert {kind for _, kind, _ in one.writes()} >= {"StatefulSet", "Deployment", "Secret", "Job"}
    before = len(one.api.sent)
    for _ in range(3):
        await one.look()
    assert [kind for _, kind, _ in one.writes(before) if kind != CLUSTER_KIND] == []


async def test_nothing_is_held_of_a_cluster_that_is_gone(one: OneOperator) -> None:
    blue, green = one.ask("blue"), one.ask("green")
    await one.settle("blue")
    await one.settle("green")
    pods = one.run_pods("blue")
    others = one.run_pods("green")
    for name in ("blue", "green"):
        await one.look(name)
    assert held(one, blue)
    assert held(one, *pods)
    one.api.delete(CLUSTER_KIND, NAMESPACE, "blue")
    for obj in list(one.api.objects.values()):
        if obj["metadata"]["uid"] in pods:
            one.api.delete("Pod", NAMESPACE, obj["metadata"]["name"])
    assert await one.look("blue") is None
    assert held(one, blue, *pods, "blue") == []
    assert held(one, green)
    assert held(one, *others)


async def test_nothing_is_held_of_one_that_another_of_its_name_has_followed(
    one: OneOperator,
) -> None:
    first = one.ask()
    await one.settle()
    pods = one.run_pods()
    await one.look()
    one.api.delete(CLUSTER_KIND, NAMESPACE, "blue")
    for obj in list(one.api.objects.values()):
        if obj["metadata"]["uid"] in pods:
            one.api.delete("Pod", NAMESPACE, obj["metadata"]["name"])
    second = one.ask(uid="another")
    await one.look()
    assert held(one, first, *pods) == []
    assert held(one, second)


async def test_nothing_is_held_of_pods_that_are_gone(one: OneOperator) -> None:
    one.ask()
    await one.settle()
    gone, *stay = one.run_pods()
    await one.look()
    assert held(one, gone)
    [name] = [
        obj["metadata"]["name"]
        for obj in one.api.objects.values()
        if obj["metadata"]["uid"] == gone
    ]
    one.api.delete("Pod", NAMESPACE, name)
    await one.look()
    assert held(one, gone) == []
    assert all(held(one, uid) for uid in stay)


async def test_nothing_is_held_of_a_cluster_that_another_operator_looks_after_now(
    one: OneOperator,
) -> None:
    blue = one.ask()
    await one.settle()
    one.ask(operatorClass="other")
    assert await one.look() is None
    assert [way for way in held(one, blue) if "_indices" not in way] == []


async def test_the_watch_of_clusters_keeps_nothing_of_one_that_was_deleted(
    one: OneOperator,
) -> None:
    one.ask()
    body = one.api.get(CLUSTER_KIND, *BLUE)
    assert one.cache.asked(BLUE, body)
    assert not one.cache.asked(BLUE, body)
    one.cache.gone(BLUE)
    assert held(one, "blue") == []


async def test_a_template_is_made_once_in_a_look(one: OneOperator) -> None:
    one.ask()
    await one.settle()
    profile = cProfile.Profile()
    with profile:
        await one.look()
    made = [entry.callcount for entry in profile.getstats() if entry.code is template.__code__]
    assert made == [len(Tier)]
