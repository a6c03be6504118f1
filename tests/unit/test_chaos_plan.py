"""The plan of what breaks: of a seed, every second, and never what is still broken."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.chaos.crowd import FRIENDS, friendships
from tests.faults.chaos.faults import EVERY, Kind, Part, Way, plan

SECONDS = 60.0
WAYS = {
    Kind.KILL: Way(2, 0.0, 1.0, 4.0),
    Kind.STOP: Way(1, 5.0, 7.0, 2.0),
    Kind.CUT: Way(1, 0.0, 0.0, 1.0),
}
PARTS = [Part(f"router-{number}", WAYS) for number in range(3)]
MANY = [Part(f"part-{number}", WAYS) for number in range(20)]


def test_the_same_seed_makes_the_same_plan_and_another_makes_another() -> None:
    assert plan(PARTS, 7, SECONDS) == plan(PARTS, 7, SECONDS)
    assert plan(PARTS, 7, SECONDS) != plan(PARTS, 8, SECONDS)


@given(st.integers())
def test_every_second_something_breaks_where_there_is_enough(seed: int) -> None:
    faults = plan(MANY, seed, SECONDS)
    assert [fault.at for fault in faults] == [EVERY * n for n in range(1, int(SECONDS))]


@given(st.integers())
def test_every_way_comes_up(seed: int) -> None:
    assert {fault.kind for fault in plan(MANY, seed, 10 * SECONDS)} == set(WAYS)


@given(st.integers())
def test_what_is_broken_is_left_alone_until_it_has_rested(seed: int) -> None:
    whole_from = dict.fromkeys((part.name for part in PARTS), 0.0)
    for fault in plan(PARTS, seed, SECONDS):
        assert fault.at >= whole_from[fault.part]
        whole_from[fault.part] = fault.at + fault.lasts + WAYS[fault.kind].rest


@given(st.integers())
def test_all_is_healed_at_the_end(seed: int) -> None:
    assert all(fault.at + fault.lasts <= SECONDS for fault in plan(MANY, seed, SECONDS))


@given(st.integers(), st.integers(2, 50))
def test_friends_write_to_each_other_and_nobody_is_alone(seed: int, people: int) -> None:
    friends = friendships(people, random.Random(seed))
    assert all(person in friends[other] for person, of in friends.items() for other in of)
    assert all(len(of) >= min(FRIENDS // 2, people - 1) for of in friends.values())
