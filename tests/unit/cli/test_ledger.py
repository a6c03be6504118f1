import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.cli.ledger import Count, Ledger

TEXTS = [str(number) for number in range(6)]


def kept(sent: list[str], shown: list[str]) -> Count:
    ledger = Ledger()
    for text in TEXTS:
        ledger.wrote("alice", "bob", text)
    for text in sent:
        ledger.sent("alice", "bob", text)
    for text in shown:
        ledger.showed("alice", "bob", text)
    return ledger.count()


def test_all_that_was_sent_and_shown_once_in_order_is_good() -> None:
    count = kept(TEXTS, TEXTS)
    assert count.good
    assert str(count) == "6 sent, 6 shown, 0 lost, 0 doubled, 0 out of order"


@pytest.mark.parametrize(
    ("sent", "shown", "wrong"),
    [
        (["0", "1", "2"], ["0", "2"], Count(3, 2, lost=1, doubled=0, out_of_order=0)),
        (["0", "1"], ["0", "1", "1", "0"], Count(2, 2, lost=0, doubled=2, out_of_order=0)),
        (["0", "1", "2"], ["1", "0", "2"], Count(3, 3, lost=0, doubled=0, out_of_order=1)),
        (["0", "1", "2"], ["2", "1", "0"], Count(3, 3, lost=0, doubled=0, out_of_order=2)),
    ],
)
def test_each_wrong_is_counted_as_itself(sent: list[str], shown: list[str], wrong: Count) -> None:
    assert kept(sent, shown) == wrong
    assert not wrong.good


def test_what_was_never_answered_sent_may_be_missing_or_shown() -> None:
    assert kept(["0"], ["0"]).good
    assert kept(["0"], ["0", "1"]).good


def test_directions_are_counted_apart() -> None:
    ledger = Ledger()
    ledger.wrote("alice", "bob", "hi")
    ledger.wrote("bob", "alice", "hi")
    ledger.sent("alice", "bob", "hi")
    ledger.sent("bob", "alice", "hi")
    ledger.showed("alice", "bob", "hi")
    assert ledger.count() == Count(2, 1, 1, 0, 0)


def test_the_same_text_cannot_be_written_twice() -> None:
    ledger = Ledger()
    ledger.wrote("alice", "bob", "hi")
    with pytest.raises(ValueError, match="written before"):
        ledger.wrote("alice", "bob", "hi")


@given(shown=st.lists(st.sampled_from(TEXTS)))
def test_good_means_exactly_once_and_in_order(shown: list[str]) -> None:
    assert kept(TEXTS, shown).good == (shown == TEXTS)
