"""One test for each of the rules U1-U8; tests/property/test_pushing.py has them all at once."""

import pytest

from signet.core import limits
from signet.core.ids import UserId
from signet.core.push_hints import Hint, Unwoken, token_of
from signet.core.pushing import Pushing, Room
from signet.core.timers import NEVER

ANN, BOB, CY = (UserId(bytes([i]) * 16) for i in range(3))
T = 1_000_000.0


def background(at: float = T) -> Hint:
    return Hint(at, urgent=False)


def urgent(at: float = T) -> Hint:
    return Hint(at, urgent=True)


def woken(pushing: Pushing[UserId], now: float) -> list[tuple[UserId, bool]]:
    wakes, _ = pushing.due(now)
    return [(wake.to, wake.hint.urgent) for wake in wakes]


def test_hints_that_wait_become_one_as_young_and_urgent_as_any_of_them() -> None:
    """U1."""
    pushing: Pushing[UserId] = Pushing()
    assert pushing.hinted(ANN, urgent(T - 9), T) is None
    assert pushing.hinted(ANN, background(T - 1), T) is Unwoken.COLLAPSED
    assert pushing.hinted(ANN, background(T - 5), T) is Unwoken.COLLAPSED
    wakes, _ = pushing.due(T)
    assert [wake.hint for wake in wakes] == [Hint(T - 1, urgent=True)]


def test_what_comes_while_a_wake_up_is_under_way_waits_for_its_end() -> None:
    """U1."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(), T)
    assert woken(pushing, T) == [(ANN, True)]
    pushing.hinted(ANN, urgent(), T)
    assert woken(pushing, T) == []
    pushing.delivered(ANN, T)
    assert woken(pushing, T) == [(ANN, True)]


def test_a_second_background_wake_up_waits_for_the_end_of_the_period() -> None:
    """U2."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, background(), T)
    pushing.due(T)
    pushing.delivered(ANN, T + 2)
    pushing.hinted(ANN, background(T + 3), T + 3)
    assert pushing.due_at() == T + limits.PUSH_PERIOD
    assert woken(pushing, T + limits.PUSH_PERIOD - 0.01) == []
    assert woken(pushing, T + limits.PUSH_PERIOD) == [(ANN, False)]


def test_an_urgent_hint_goes_at_once_and_takes_what_waits_with_it() -> None:
    """U3, U1."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, background(), T)
    pushing.due(T)
    pushing.delivered(ANN, T)
    pushing.hinted(ANN, background(T + 1), T + 1)
    assert pushing.hinted(ANN, urgent(T + 2), T + 2) is Unwoken.COLLAPSED
    assert woken(pushing, T + 2) == [(ANN, True)]
    pushing.delivered(ANN, T + 2)
    assert pushing.due_at() == NEVER


def test_urgent_hints_go_before_older_ones_that_are_not() -> None:
    """U3: the places are few (U7)."""
    pushing: Pushing[UserId] = Pushing(at_once=1)
    pushing.hinted(ANN, background(), T)
    pushing.hinted(BOB, urgent(T + 1), T + 1)
    assert woken(pushing, T + 1) == [(BOB, True)]
    pushing.delivered(BOB, T + 1)
    assert woken(pushing, T + 1) == [(ANN, False)]


def test_so_many_urgent_ones_of_a_user_go_at_once_and_then_one_at_a_time() -> None:
    """U3."""
    pushing: Pushing[UserId] = Pushing()
    for _ in range(limits.PUSH_URGENT_BURST):
        pushing.hinted(ANN, urgent(), T)
        assert woken(pushing, T) == [(ANN, True)]
        pushing.delivered(ANN, T)
    pushing.hinted(ANN, urgent(), T)
    assert woken(pushing, T) == []
    assert pushing.due_at() == T + limits.PUSH_URGENT_EVERY


def test_a_hint_that_grew_old_while_it_waited_wakes_nobody() -> None:
    """U4."""
    pushing: Pushing[UserId] = Pushing()
    late = T + limits.PUSH_TOO_OLD + 1
    assert pushing.hinted(ANN, background(), late) is Unwoken.OLD
    pushing.hinted(ANN, background(), T)
    assert pushing.due(late) == ([], [Unwoken.OLD])
    assert pushing.remembered == 0


def test_an_event_of_a_clock_that_is_ahead_counts_from_now() -> None:
    """U4: it cannot stay young for longer than others."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, background(T + 9999), T)
    assert pushing.due(T + limits.PUSH_TOO_OLD + 1) == ([], [Unwoken.OLD])


def test_a_failure_is_tried_again_after_what_was_asked_and_a_back_off_and_others_go_on() -> None:
    """U5."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(), T)
    pushing.due(T)
    pushing.failed(ANN, T, chance=0.5, retry_after=30.0)
    assert pushing.due_at() == T + 30.0 + limits.BACKOFF_BASE / 2
    pushing.hinted(BOB, urgent(), T)
    assert woken(pushing, T) == [(BOB, True)]
    assert woken(pushing, T + 31.0) == [(ANN, True)]


def test_what_came_while_a_wake_up_failed_is_tried_with_it() -> None:
    """U5, U1."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(T - 7), T)
    pushing.due(T)
    pushing.hinted(ANN, background(T), T)
    assert pushing.failed(ANN, T, chance=0.0) == [Unwoken.COLLAPSED]
    assert pushing.due(T)[0][0].hint == urgent(T)


def test_who_is_gone_is_not_woken_until_much_later() -> None:
    """U5."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(), T)
    pushing.due(T)
    pushing.hinted(ANN, urgent(), T)
    assert pushing.gone(ANN, T) == [Unwoken.GONE, Unwoken.GONE]
    assert pushing.hinted(ANN, urgent(), T + 1) is Unwoken.GONE
    later = T + limits.PUSH_GONE
    assert pushing.hinted(ANN, urgent(later), later) is None
    assert woken(pushing, later) == [(ANN, True)]


def test_no_more_users_than_there_is_room_and_the_last_of_it_is_for_urgent_hints() -> None:
    """U6."""
    pushing: Pushing[UserId] = Pushing(Room(10))
    users = [UserId(bytes([i]) * 16) for i in range(12)]
    fates = [pushing.hinted(user, background(), T) for user in users[:10]]
    assert fates == [None] * 9 + [Unwoken.ROOM]
    assert pushing.hinted(users[10], urgent(), T) is None
    assert pushing.hinted(users[11], urgent(), T) is Unwoken.ROOM
    assert pushing.hinted(users[0], background(), T) is Unwoken.COLLAPSED


def test_room_is_made_when_periods_end() -> None:
    """U6."""
    pushing: Pushing[UserId] = Pushing(Room(1))
    pushing.hinted(ANN, urgent(), T)
    pushing.due(T)
    pushing.delivered(ANN, T)
    assert pushing.hinted(BOB, urgent(), T) is Unwoken.ROOM
    later = T + limits.PUSH_URGENT_EVERY
    assert pushing.hinted(BOB, urgent(later), later) is None


def test_a_provider_that_fails_gets_fewer_at_once_until_it_answers() -> None:
    """U7."""
    pushing: Pushing[UserId] = Pushing(at_once=4)
    users = [UserId(bytes([i]) * 16) for i in range(9)]
    for user in users:
        pushing.hinted(user, urgent(), T)
    assert len(woken(pushing, T)) == 4
    for user in users[:4]:
        pushing.failed(user, T, chance=0.9)
    assert pushing.at_once() == 1
    assert woken(pushing, T) == [(users[4], True)]
    pushing.delivered(users[4], T)
    assert len(woken(pushing, T)) == 4


def test_what_waits_or_is_under_way_can_be_given_to_another() -> None:
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(), T)
    pushing.due(T)
    pushing.hinted(BOB, background(), T)
    pushing.hinted(CY, urgent(), T)
    pushing.due(T)
    pushing.delivered(CY, T)
    assert sorted((user, hint) for user, hint in pushing.left()) == [
        (ANN, urgent()),
        (BOB, background()),
    ]


def test_an_answer_to_nothing_is_a_bug_that_is_not_passed_over() -> None:
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, urgent(), T)
    with pytest.raises(ValueError, match="under way"):
        pushing.delivered(ANN, T)


def test_a_token_is_the_same_for_a_user_and_a_key_alone() -> None:
    key, other = bytes(32), bytes([1]) * 32
    assert token_of(key, ANN) == token_of(key, ANN)
    assert len({token_of(key, ANN), token_of(key, BOB), token_of(other, ANN)}) == 3
    assert token_of(key, ANN) == (
        "b01f5fb45a913ed3a9fc5c6ea591823193b3f7a6de6d7ce9b700e8667c77b34f"
    )
    assert ANN.hex() not in token_of(key, ANN)


def for_devices(*devices: int, urgent: bool = True) -> Hint:
    return Hint(T, urgent, frozenset(devices))


def test_what_waits_is_dropped_when_all_devices_that_it_was_for_are_back() -> None:
    """U8: two devices of a user whom one provider wakes together."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, for_devices(1, urgent=False), T)
    pushing.due(T)
    pushing.delivered(ANN, T)
    pushing.hinted(ANN, for_devices(1, urgent=False), T)
    pushing.hinted(ANN, for_devices(2, urgent=False), T)
    assert pushing.came_back(ANN, 1, T) == []
    assert pushing.came_back(ANN, 1, T) == []
    assert pushing.waiting == 1
    assert pushing.came_back(ANN, 2, T) == [Unwoken.BACK]
    assert pushing.came_back(BOB, 2, T) == []
    assert pushing.due_at() == NEVER


def test_what_is_under_way_is_not_tried_again_for_who_is_back() -> None:
    """U8."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, for_devices(1), T)
    pushing.due(T)
    assert pushing.came_back(ANN, 1, T) == []
    assert pushing.failed(ANN, T, 0.5) == [Unwoken.BACK]
    assert pushing.remembered == 0


def test_who_goes_again_is_woken_for_what_came_since() -> None:
    """U8."""
    pushing: Pushing[UserId] = Pushing()
    pushing.hinted(ANN, for_devices(1), T)
    pushing.due(T)
    pushing.came_back(ANN, 1, T)
    pushing.hinted(ANN, for_devices(1), T)
    assert pushing.failed(ANN, T, 0.0) == [Unwoken.BACK]
    assert woken(pushing, pushing.due_at()) == [(ANN, True)]


def test_room_is_shared_by_all_who_are_given_it() -> None:
    """U6."""
    room = Room(10)
    first, second = Pushing[UserId](room), Pushing[UserId](room)
    for i in range(5):
        user = UserId(bytes([i]) * 16)
        assert first.hinted(user, urgent(), T) is second.hinted(user, urgent(), T) is None
    assert first.hinted(UserId(bytes([7]) * 16), urgent(), T) is Unwoken.ROOM
    assert room.taken == 10
