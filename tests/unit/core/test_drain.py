"""How a pod leaves: the rules V1 to V7, and what holds for every sequence of events."""

from hypothesis import given
from hypothesis import strategies as st

from signet.core import drain
from signet.core.drain import (
    Aborted,
    Alone,
    Announce,
    Die,
    Drain,
    Emptied,
    End,
    Late,
    Life,
    Lost,
    Order,
    Ordered,
    Stage,
    Undrain,
)
from signet.core.limits import DRAIN_GRACE

ASKED = Ordered(Order(60.0, 5.0), ending=False, survivors=True)
SIGNALLED = Ordered(Order(30.0), ending=True, survivors=True)


def after(*events: drain.Event, now: float = 0.0) -> tuple[Life, list[drain.Effect]]:
    """What is left of a pod, and what was done for the last event."""
    life, effects = Life(), list[drain.Effect]()
    for event in events:
        life, effects = drain.happens(life, event, now)
    return life, effects


def test_others_read_that_it_drains_before_anything_moves() -> None:  # V2
    life, effects = after(ASKED)
    assert effects == [Announce(), Drain(ASKED.order)]
    assert life == Life(Stage.DRAINING, ASKED.order)


def test_a_second_order_goes_on_with_the_same_drain_under_its_own_deadline() -> None:  # V1
    hurry = Ordered(Order(5.0), ending=True, survivors=True)
    life, effects = after(SIGNALLED, hurry)
    assert effects == [Drain(Order(5.0))]
    assert life == Life(Stage.DRAINING, Order(5.0), ending=True)


def test_an_order_of_the_admin_port_does_not_take_back_that_a_signal_ends_it() -> None:  # V1, V5
    assert after(SIGNALLED, ASKED)[0].ending


def test_without_a_survivor_nothing_is_waited_for() -> None:  # V3
    life, effects = after(ASKED._replace(survivors=False), now=10.0)
    assert effects == [Announce(), Drain(Order(10.0, 5.0))]
    assert life.wake_at == 10.0 + DRAIN_GRACE


def test_a_survivor_that_goes_meanwhile_is_not_waited_for_either() -> None:  # V3
    life, effects = after(ASKED, Alone(), now=10.0)
    assert effects == [Drain(Order(10.0, 5.0))]
    assert drain.happens(life, Alone(), 10.0) == (life, [])


def test_a_drain_of_the_admin_port_can_be_aborted_until_the_pod_is_empty() -> None:  # V4
    assert after(ASKED, Aborted()) == (Life(), [Announce(), Undrain()])
    empty, _ = after(ASKED, Emptied())
    assert drain.happens(empty, Aborted(), 0.0) == (empty, [])


def test_a_drain_of_a_signal_cannot_be_aborted() -> None:  # V4
    life, _ = after(SIGNALLED)
    assert drain.happens(life, Aborted(), 0.0) == (life, [])


def test_a_pod_that_a_signal_has_asked_ends_when_it_is_empty() -> None:  # V5
    life, effects = after(SIGNALLED, Emptied())
    assert (life.stage, effects) == (Stage.GONE, [End()])


def test_a_pod_that_was_emptied_by_hand_stays_until_a_signal_comes() -> None:  # V5
    life, effects = after(ASKED, Emptied())
    assert (life.stage, effects) == (Stage.EMPTY, [])
    assert drain.happens(life, ASKED, 0.0) == (life, [])
    life, effects = drain.happens(life, SIGNALLED, 0.0)
    assert (life.stage, effects) == (Stage.GONE, [End()])


def test_a_service_that_hangs_counts_as_empty_behind_its_deadline() -> None:  # V6
    life, _ = after(SIGNALLED)
    assert life.wake_at == 30.0 + DRAIN_GRACE
    assert drain.happens(life, Late(), 34.9) == (life, [])
    assert drain.happens(life, Late(), 35.0)[1] == [End()]


def test_a_lost_lease_ends_the_process_whatever_it_does() -> None:  # V7
    for before in ((), (ASKED,), (SIGNALLED,), (ASKED, Emptied())):
        life, effects = after(*before, Lost())
        assert (life.stage, effects) == (Stage.GONE, [Die()])


events = st.one_of(
    st.builds(
        Ordered, st.builds(Order, st.floats(0, 100), st.floats(0, 9)), st.booleans(), st.booleans()
    ),
    st.sampled_from([Alone(), Aborted(), Emptied(), Late(), Lost()]),
)


@given(st.lists(st.tuples(events, st.floats(0, 5))))
def test_whatever_happens_in_whatever_order(sequence: list[tuple[drain.Event, float]]) -> None:
    life, now = Life(), 0.0
    said: list[drain.Effect] = []
    for event, passed in sequence:
        now += passed
        before = life
        life, effects = drain.happens(life, event, now)
        said += effects
        if before.stage is Stage.GONE:
            assert (life, effects) == (before, [])  # it ends once
        if life.stage is not before.stage and life.stage in (Stage.ACTIVE, Stage.DRAINING):
            assert effects[0] == Announce()  # V2
        assert life.order is None or life.stage is not Stage.ACTIVE
        assert (life.wake_at is not None) == (life.stage is Stage.DRAINING)  # never stuck
    assert sum(isinstance(effect, End | Die) for effect in said) == (life.stage is Stage.GONE)
    assert sum(isinstance(effect, Undrain) for effect in said) <= sum(
        isinstance(effect, Drain) for effect in said
    )
