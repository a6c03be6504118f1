"""What a pod believes of the members' list, whatever the store does (L6)."""

from collections.abc import Iterable

import pytest

from signet.core.roster import Roster

SETTLE = 15.0
NINE = [f"router-{number}" for number in range(9)]


def there(names: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(names, 1)


@pytest.fixture
def roster() -> Roster[str, int]:
    roster: Roster[str, int] = Roster(SETTLE)
    roster.see(0.0, there(NINE))
    return roster


def test_who_comes_or_changes_is_believed_at_once(roster: Roster[str, int]) -> None:
    assert roster.see(1.0, there([*NINE, "router-9"]))
    assert roster.see(2.0, there([*NINE, "router-9"]) | {"router-0": 2})
    assert roster.believed["router-0"] == 2
    assert not roster.see(3.0, there([*NINE, "router-9"]) | {"router-0": 2})


def test_a_single_absence_is_believed_at_once(roster: Roster[str, int]) -> None:
    assert roster.see(1.0, there(NINE[1:]))
    assert list(roster.believed) == NINE[1:]


def test_a_third_may_go_at_once_and_one_more_may_not(roster: Roster[str, int]) -> None:
    assert not roster.see(1.0, there(NINE[4:]))
    other: Roster[str, int] = Roster(SETTLE)
    other.see(0.0, there(NINE))
    assert other.see(1.0, there(NINE[3:]))


def test_a_flush_moves_nothing_while_the_members_come_back_one_by_one(
    roster: Roster[str, int],
) -> None:
    for back in range(len(NINE) + 1):
        assert not roster.see(1.0 + back, there(NINE[:back]))
    assert list(roster.believed) == NINE


def test_records_that_run_out_one_after_the_other_are_one_loss(roster: Roster[str, int]) -> None:
    for gone in range(1, len(NINE) + 1):
        roster.see(1.0 + gone / 10, there(NINE[gone:]))
    assert len(roster.believed) == 6


def test_a_loss_that_lasts_is_believed(roster: Roster[str, int]) -> None:
    assert not roster.see(1.0, there(NINE[5:]))
    assert not roster.see(1.0 + SETTLE - 0.1, there(NINE[5:]))
    assert roster.see(1.0 + SETTLE, there(NINE[5:]))
    assert list(roster.believed) == NINE[5:]


def test_after_the_store_was_away_not_even_one_absence_is_believed_at_once(
    roster: Roster[str, int],
) -> None:
    roster.away()
    assert not roster.see(100.0, there(NINE[1:]))
    assert not roster.see(101.0, there(NINE))
    assert list(roster.believed) == NINE


def test_time_in_which_the_store_was_away_does_not_count(roster: Roster[str, int]) -> None:
    roster.see(1.0, {})
    roster.away()
    assert not roster.see(1.0 + SETTLE, {})
    assert roster.see(1.0 + 2 * SETTLE, {})


def test_everybody_may_say_goodbye(roster: Roster[str, int]) -> None:
    assert roster.see(1.0, {}, left=set(NINE))
    assert roster.believed == {}
