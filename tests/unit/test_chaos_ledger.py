"""The ledger of the chaos test finds each kind of wrong, and nothing that is not wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.chaos.ledger import Broken, Ledger, Message, Wrong, percentile

READ_AT = 100.0
FIRST, SECOND, THIRD = (Message(1, 2, number) for number in (1, 2, 3))


def talked(*messages: Message) -> Ledger:
    """A ledger of what was written and answered SENT, at whole seconds."""
    ledger = Ledger()
    for at, message in enumerate(messages):
        ledger.note_wrote(message, at)
        ledger.note_sent(message, at + 0.1)
    return ledger


def shown(ledger: Ledger, *messages: Message, life: float = 0.0) -> Ledger:
    """Shown one after the other, and confirmed, at whole seconds."""
    for at, message in enumerate(messages, start=10):
        ledger.note_shown(message, at, life)
        ledger.note_confirmed(message, at + 0.1)
    return ledger


def wrongs(ledger: Ledger) -> list[tuple[Wrong, Message]]:
    return [(offence.wrong, offence.message) for offence in ledger.offences(READ_AT)]


def test_all_that_was_sent_and_shown_once_in_order_is_good() -> None:
    ledger = shown(talked(FIRST, SECOND), FIRST, SECOND)
    assert ledger.missing() == []
    assert ledger.count(READ_AT).good
    assert str(ledger.count(READ_AT)) == (
        "chaos: 2 sent, 2 shown, 0 lost, 0 doubled, 0 out of order, recovery p99 0.0 s"
    )


def test_what_was_answered_and_never_shown_is_lost() -> None:
    ledger = shown(talked(FIRST, SECOND, THIRD), FIRST, THIRD)
    assert wrongs(ledger) == [(Wrong.LOST, SECOND)]
    assert ledger.missing() == [SECOND]
    assert not ledger.count(READ_AT).good


def test_what_was_never_answered_is_missing_and_not_lost() -> None:
    ledger = shown(talked(FIRST), FIRST)
    ledger.note_wrote(SECOND, 3.0)
    assert ledger.missing() == [SECOND]
    assert wrongs(ledger) == []


def test_what_is_shown_again_in_the_same_life_is_doubled() -> None:
    ledger = talked(FIRST)
    ledger.note_shown(FIRST, 5.0, 0.0)
    ledger.note_shown(FIRST, 6.0, 0.0)
    assert wrongs(ledger) == [(Wrong.DOUBLED, FIRST)]


def test_what_was_confirmed_and_is_shown_by_a_later_life_is_doubled() -> None:
    ledger = shown(talked(FIRST), FIRST)
    ledger.note_shown(FIRST, 30.0, 20.0)
    assert wrongs(ledger) == [(Wrong.DOUBLED, FIRST)]


def test_a_device_that_died_before_it_confirmed_may_show_again() -> None:
    ledger = talked(FIRST)
    ledger.note_shown(FIRST, 5.0, 0.0)
    ledger.note_shown(FIRST, 30.0, 20.0)
    ledger.note_confirmed(FIRST, 30.1)
    assert wrongs(ledger) == []
    assert ledger.count(READ_AT).shown == 1


def test_what_is_shown_after_one_that_was_written_later_is_out_of_order() -> None:
    ledger = shown(talked(FIRST, SECOND, THIRD), THIRD, FIRST, SECOND)
    assert wrongs(ledger) == [(Wrong.OUT_OF_ORDER, FIRST), (Wrong.OUT_OF_ORDER, SECOND)]


def test_conversations_have_no_order_among_each_other() -> None:
    other, back = Message(3, 2, 1), Message(2, 1, 1)
    ledger = shown(talked(other, back, FIRST), FIRST, back, other)
    assert wrongs(ledger) == []


def test_recovery_runs_from_the_end_of_a_fault_to_the_slowest_answer() -> None:
    ledger = Ledger()
    ledger.faults.append(Broken("kill -9 router-1", "kill", began=10.0, ended=10.0))
    for number, wrote, sent in ((1, 9.0, 9.1), (2, 9.9, 12.5), (3, 10.5, 11.0), (4, 20.0, 29.0)):
        ledger.note_wrote(Message(1, 2, number), wrote)
        ledger.note_sent(Message(1, 2, number), sent)
    (recovery,) = ledger.recoveries()
    assert (recovery.affected, recovery.seconds) == (2, 2.5)
    assert ledger.count(READ_AT).recovery_p99 == 2.5


def test_what_is_answered_while_a_fault_lasts_has_nothing_to_recover_from() -> None:
    ledger = Ledger()
    ledger.faults.append(Broken("stop router-1", "stop", began=10.0, ended=16.0))
    ledger.note_wrote(FIRST, 11.0)
    ledger.note_sent(FIRST, 15.0)
    assert ledger.recoveries()[0].seconds == 0.0


def test_the_absence_of_a_writer_is_not_part_of_a_recovery() -> None:
    ledger = Ledger()
    ledger.faults.append(Broken("kill -9 router-1", "kill", began=10.0, ended=10.0))
    ledger.note_wrote(FIRST, 9.9)
    ledger.note_back(1, 13.0)
    ledger.note_sent(FIRST, 13.5)
    assert ledger.recoveries()[0].seconds == 0.5


def test_an_offence_names_the_faults_around_it() -> None:
    ledger = shown(talked(FIRST, SECOND), SECOND, FIRST)
    before, during = Broken("a", "kill", 1.0, 1.0), Broken("b", "stop", 9.0, 10.5)
    ledger.faults += [before, during]
    (offence,) = ledger.offences(READ_AT)
    assert ledger.around(offence) == [during]


def test_a_message_is_named_by_its_text() -> None:
    assert Message.read(str(THIRD)) == THIRD
    with pytest.raises(ValueError, match="unpack"):
        Message.read("hello")


@given(st.lists(st.sampled_from([FIRST, SECOND, THIRD])))
def test_good_means_exactly_once_and_in_order(order: list[Message]) -> None:
    ledger = shown(talked(FIRST, SECOND, THIRD), *order)
    assert ledger.count(READ_AT).good == (order == [FIRST, SECOND, THIRD])


def test_percentiles_are_values_that_were_there() -> None:
    assert percentile([], 0.99) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([float(n) for n in range(200)], 0.5) == 100.0
