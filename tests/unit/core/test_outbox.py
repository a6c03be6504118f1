"""M4-M6 of the protocol and O3: what goes again, in which order, and what never does."""

import pytest

from signet.core.errors import Code
from signet.core.limits import AGAIN_AT_ONCE, MAX_UNANSWERED, RETRY_LIMIT
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit, WakeAt


def outbox(count: int) -> Outbox:
    box = Outbox()
    for ordinal in range(1, count + 1):
        box.add(ordinal, 0.0, sealed=True)
    return box


def test_a_window_of_sends_is_under_way_at_once() -> None:
    box = outbox(MAX_UNANSWERED + 10)
    assert box.opened(0) == [Transmit(n, 1) for n in range(1, MAX_UNANSWERED + 1)]
    assert box.sent(1, 0) == [Completed(1), Transmit(MAX_UNANSWERED + 1, 2)]


def test_a_lost_stream_sends_all_that_is_unanswered_again_from_the_oldest() -> None:
    box = outbox(4)
    box.opened(0)
    box.sent(2, 0)
    box.lost()
    assert box.opened(1) == [Transmit(1, 1), Transmit(3, 1), Transmit(4, 1)]


def test_nothing_goes_again_before_the_others_came_back() -> None:
    box = outbox(3)
    box.opened(0)
    assert box.refused(1, Code.OUT_OF_ORDER, 0) == []
    assert box.refused(2, Code.OUT_OF_ORDER, 0) == []
    assert box.refused(3, Code.OUT_OF_ORDER, 0) == [Transmit(n, 1) for n in (1, 2, 3)]


def test_a_final_refusal_raises_the_base_before_later_ones_go() -> None:
    box = outbox(3)
    box.opened(0)
    assert box.refused(1, Code.INVALID_ARGUMENT, 0) == [Failed(1, Code.INVALID_ARGUMENT)]
    box.refused(2, Code.OUT_OF_ORDER, 0)
    assert box.refused(3, Code.OUT_OF_ORDER, 0) == [Transmit(2, 2), Transmit(3, 2)]


def test_a_refusal_that_says_later_waits_for_its_time() -> None:
    box = outbox(1)
    box.opened(0)
    assert box.refused(1, Code.STORE_UNAVAILABLE, 10, wait=5) == [WakeAt(15)]
    assert box.pump(14) == [WakeAt(15)]
    assert box.pump(15) == [Transmit(1, 1)]


def refused_rounds(box: Outbox, rounds: int, now: float, wait: float) -> list[Effect]:
    """Two sends, both out of order, so many times."""
    effects: list[Effect] = []
    for _ in range(rounds):
        box.refused(1, Code.OUT_OF_ORDER, now, wait)
        effects = box.refused(2, Code.OUT_OF_ORDER, now, wait)
    return effects


def test_an_owner_that_takes_no_order_is_asked_later_and_later() -> None:
    box = outbox(2)
    again = [Transmit(1, 1), Transmit(2, 1)]
    assert box.opened(0) == again
    assert refused_rounds(box, AGAIN_AT_ONCE, 0, wait=5) == again
    assert box.refusals == 0
    assert refused_rounds(box, 1, 0, wait=5) == [WakeAt(5)]
    assert (box.refusals, box.pump(5)) == (1, again)
    assert refused_rounds(box, 1, 5, wait=9) == [WakeAt(14)]
    assert (box.refusals, box.pump(14)) == (2, again)


def test_one_success_lets_a_conversation_go_again_at_once() -> None:
    box = outbox(2)
    box.opened(0)
    refused_rounds(box, AGAIN_AT_ONCE + 1, 0, wait=5)
    box.pump(5)
    box.sent(1, 5)
    assert box.refused(2, Code.OUT_OF_ORDER, 5, wait=9) == [Transmit(2, 2)]
    assert box.refusals == 0


def test_what_is_out_of_order_behind_a_refusal_is_not_counted() -> None:
    box = outbox(2)
    box.opened(0)
    for now in range(AGAIN_AT_ONCE + 1):
        box.refused(1, Code.STORE_UNAVAILABLE, now)
        assert box.refused(2, Code.OUT_OF_ORDER, now, wait=100) == [Transmit(1, 1), Transmit(2, 1)]
    assert box.refusals == AGAIN_AT_ONCE + 1


def test_a_wrong_device_set_is_encrypted_again_under_the_same_ordinal() -> None:
    box = outbox(2)
    box.opened(0)
    box.refused(1, Code.WRONG_DEVICES, 0)
    assert box.refused(2, Code.OUT_OF_ORDER, 0) == [Seal((1,))]
    box.sealed(1)
    assert box.pump(0) == [Transmit(1, 1), Transmit(2, 1)]


def test_an_id_that_was_durable_before_it_was_encrypted_again_is_sent() -> None:
    box = outbox(1)
    box.opened(0)
    box.refused(1, Code.WRONG_DEVICES, 0)
    box.sealed(1)
    box.pump(0)
    assert box.refused(1, Code.ID_REUSED, 0) == [Completed(1)]


def test_what_waits_for_its_keys_holds_later_ones_back() -> None:
    box = Outbox()
    for ordinal, sealed in ((1, True), (2, False), (3, True)):
        box.add(ordinal, 0.0, sealed=sealed)
    assert box.opened(0) == [Transmit(1, 1), Seal((2,))]


@pytest.mark.parametrize(
    ("age", "failed"), [(RETRY_LIMIT, []), (RETRY_LIMIT + 1, [Failed(1, None)])]
)
def test_after_the_retry_limit_a_send_has_failed(age: float, failed: list[Failed]) -> None:
    assert outbox(1).pump(age) == failed


def test_answers_to_what_is_gone_have_no_effect() -> None:
    box = outbox(1)
    box.opened(0)
    box.sent(1, 0)
    assert box.sent(1, 0) == []
    assert box.refused(1, Code.OUT_OF_ORDER, 0) == []


def test_ordinals_must_rise() -> None:
    box = outbox(2)
    with pytest.raises(ValueError, match="not above"):
        box.add(2, 0.0, sealed=True)


def test_the_refusals_of_one_flight_are_one_try() -> None:
    """A store that was away for a moment does not cost a minute of back-off (S8)."""
    outbox = Outbox()
    for ordinal in range(1, 9):
        outbox.add(ordinal, 0.0, sealed=True)
    outbox.opened(0.0)
    for ordinal in range(1, 9):
        outbox.refused(ordinal, Code.STORE_UNAVAILABLE, 1.0, wait=1.0)
    assert outbox.refusals == 1
    outbox.pump(3.0)
    outbox.refused(1, Code.STORE_UNAVAILABLE, 4.0, wait=1.0)
    assert outbox.refusals == 2
