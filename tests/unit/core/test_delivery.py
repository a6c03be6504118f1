"""R3-R6 of the protocol, R5 of durability: what is pushed to one attached device, and when."""

from signet.core.delivery import Delivery, Flown, Pushed, Receipt
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId

SENDER = DeviceAddress(DeviceId(UserId(b"a" * 16), 1), 11, 1)


def at(seq: int, epoch: int = 1) -> Position:
    return Position(epoch, seq)


def receipt(seq: int) -> Receipt:
    return Receipt(SENDER, MessageId(seq.to_bytes(16, "big")), 1000)


def flown(seq: int, size: int = 1) -> Flown:
    return Flown(at(seq), size, receipt(seq))


def live(position: Position = START, items: int = 10, size: int = 1000) -> Delivery:
    """A device that has been brought all that is stored."""
    delivery = Delivery(position, items, size)
    delivery.live = True
    return delivery


def arrive(delivery: Delivery, seq: int, epoch: int = 1) -> Pushed | None:
    return delivery.arrived(at(seq, epoch), b"x", receipt(seq))


def page(delivery: Delivery, *seqs: int, after: Position) -> list[Pushed]:
    return delivery.read([(at(seq), b"x", receipt(seq)) for seq in seqs], after)


def test_the_first_item_ever_follows_nothing() -> None:
    assert arrive(live(), 1) == Pushed(at(1), START, b"x")


def test_within_an_epoch_an_item_follows_the_number_before() -> None:
    assert arrive(live(at(4)), 5) == Pushed(at(5), at(4), b"x")


def test_the_first_item_of_an_epoch_does_not_say_what_it_follows() -> None:
    assert arrive(live(at(4)), 1, epoch=2) == Pushed(at(1, 2), None, b"x")  # R3


def test_what_is_read_from_the_store_says_what_it_follows_across_epochs() -> None:
    delivery = Delivery(at(4), 10, 1000)
    pushed = delivery.read([(at(1, 2), b"x", None), (at(2, 2), b"y", None)], at(4))
    assert pushed == [Pushed(at(1, 2), at(4), b"x"), Pushed(at(2, 2), at(1, 2), b"y")]


def test_nothing_is_pushed_from_memory_while_the_store_is_read() -> None:
    delivery = Delivery(START, 10, 1000)
    assert arrive(delivery, 1) is None


def test_an_item_that_a_read_has_brought_is_not_pushed_again() -> None:
    delivery = Delivery(START, 10, 1000)
    page(delivery, 1, 2, after=START)
    delivery.live = True
    assert arrive(delivery, 2) is None
    assert arrive(delivery, 3) is not None


def test_a_full_window_stops_the_push_until_the_store_is_read_again() -> None:
    delivery = live(items=2)
    assert [arrive(delivery, n) is not None for n in (1, 2, 3)] == [True, True, False]  # R5
    assert not delivery.live
    delivery.ack(at(1))
    assert arrive(delivery, 4) is None  # or 3 would be left out


def test_a_window_counts_bytes_too() -> None:
    delivery = live(size=2)
    arrive(delivery, 1)
    assert delivery.space == (9, 1)
    arrive(delivery, 2)
    assert not delivery.room


def test_an_ack_opens_the_window_and_gives_back_what_it_covers() -> None:
    delivery = live(items=3)
    for seq in (1, 2, 3):
        arrive(delivery, seq)
    assert delivery.ack(at(2)) == [flown(1), flown(2)]  # R4
    assert delivery.space == (2, 999)
    assert delivery.acknowledged == at(2)


def test_an_ack_that_comes_twice_gives_back_nothing() -> None:
    delivery = live()
    arrive(delivery, 1)
    delivery.ack(at(1))
    assert delivery.ack(at(1)) == []


def test_an_ack_of_an_earlier_position_does_not_lower_what_is_acknowledged() -> None:
    delivery = live()
    for seq in (1, 2):
        arrive(delivery, seq)
    delivery.ack(at(2))
    delivery.ack(at(1))
    assert delivery.acknowledged == at(2)


def test_an_ack_above_what_was_sent_is_refused() -> None:
    delivery = live()
    arrive(delivery, 1)
    assert delivery.ack(at(2)) is None  # R5
    assert delivery.acknowledged == START


def test_a_rewind_brings_again_what_is_in_flight_and_what_comes_meanwhile_is_read() -> None:
    delivery = live()
    for seq in (1, 2, 3):
        arrive(delivery, seq)
    delivery.rewind(at(1))
    assert (delivery.cursor, delivery.live, delivery.catching_up) == (at(1), False, True)
    assert arrive(delivery, 4) is None
    assert [pushed.follows for pushed in page(delivery, 2, 3, 4, after=at(1))] == [
        at(1),
        at(2),
        at(3),
    ]


def test_a_rewind_frees_the_window_of_what_goes_again() -> None:
    delivery = live(items=3)
    for seq in (1, 2, 3):
        arrive(delivery, seq)
    delivery.rewind(at(1))
    assert delivery.space == (2, 999)


def test_a_rewind_never_goes_below_what_is_acknowledged() -> None:
    delivery = live()
    for seq in (1, 2, 3):
        arrive(delivery, seq)
    delivery.ack(at(2))
    delivery.rewind(at(1))
    assert delivery.cursor == at(2)


def test_an_ack_that_crosses_a_rewind_loses_no_receipt_and_gives_none_twice() -> None:
    delivery = live()
    for seq in (1, 2, 3):
        arrive(delivery, seq)
    delivery.rewind(START)
    page(delivery, 1, after=START)
    done = delivery.ack(at(3))
    assert done is not None
    assert sorted(done) == [flown(1), flown(2), flown(3)]
    assert delivery.cursor == at(3)  # and is not brought again


def test_what_has_expired_may_be_acknowledged() -> None:
    delivery = live()
    delivery.skip(at(7))
    assert delivery.ack(at(7)) == []  # R7
    assert delivery.cursor == at(7)


def test_a_read_without_more_moves_the_cursor_over_what_is_gone() -> None:
    delivery = Delivery(START, 10, 1000)
    delivery.exhausted(at(5))
    delivery.exhausted(at(3))
    assert delivery.cursor == at(5)


def test_an_attachment_starts_where_an_earlier_one_has_acknowledged_meanwhile() -> None:
    delivery = Delivery(at(1), 10, 1000)
    delivery.start(at(4))
    assert (delivery.cursor, delivery.acknowledged) == (at(4), at(4))
    assert delivery.ack(at(4)) == []
