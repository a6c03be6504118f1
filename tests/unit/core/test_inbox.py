"""R1-R3 and R7 of the protocol: each item once, in order, whatever the wire does."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from signet.core.ids import START, Position
from signet.core.inbox import Ack, ReadFrom, Show, accept, expire


@dataclass(frozen=True)
class Item:
    position: Position
    follows: Position | None


def inbox(*places: tuple[int, int]) -> list[Item]:
    positions = [START, *(Position(*place) for place in places)]
    return [Item(at, before) for before, at in pairwise(positions)]


STORED = inbox((1, 1), (1, 2), (1, 3), (4, 1), (4, 2), (5, 1))
AS_PUSHED = [Item(i.position, None if i.position.seq == 1 else i.follows) for i in STORED]


@given(wire=st.lists(st.sampled_from(AS_PUSHED)))
def test_lost_repeated_and_reordered_items_are_shown_once_in_order(wire: list[Item]) -> None:
    at, shown = START, []
    arriving = list(wire)
    while arriving:
        at, effects = accept(at, arriving.pop(0))
        for effect in effects:
            match effect:
                case Show(item):
                    shown.append(item)
                case ReadFrom(after):
                    arriving = [item for item in STORED if item.position > after]
    assert shown == STORED[: len(shown)]


def test_the_first_of_an_epoch_is_read_even_by_a_device_that_has_nothing() -> None:
    """An earlier epoch may hold items that become readable only after a take-over."""
    assert accept(START, Item(Position(5, 1), None)) == (START, [ReadFrom(START)])
    at, _ = accept(START, Item(Position(5, 1), START))
    assert at == Position(5, 1)


def test_an_item_that_was_taken_is_acknowledged_again_and_not_shown() -> None:
    at = Position(4, 2)
    assert accept(at, STORED[1]) == (at, [Ack(at)])


def test_a_range_that_expired_moves_the_position_behind_it() -> None:
    at, effects = expire(Position(1, 3), Position(1, 4), Position(2, 7))
    assert (at, effects) == (Position(2, 7), [Ack(Position(2, 7))])


def test_a_gap_before_a_range_that_expired_is_read_first() -> None:
    at = Position(1, 3)
    assert expire(at, Position(1, 6), Position(1, 9)) == (at, [ReadFrom(at)])


def test_an_old_report_of_expiry_changes_nothing() -> None:
    at = Position(3, 3)
    assert expire(at, Position(1, 1), Position(3, 3)) == (at, [])
