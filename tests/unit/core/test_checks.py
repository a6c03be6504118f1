"""M7 and M10 of the protocol: the right devices, room in an inbox, strangers."""

from collections.abc import Mapping

from signet.core import limits
from signet.core.checks import Strangers, device_mismatch, has_room
from signet.core.link import Content, Mismatch

ALICE, BOB = b"alice", b"bob"


def wrong(devices: Mapping[int, int], addressed: Mapping[int, int]) -> Mismatch | None:
    contents = tuple(Content(device, reg, 2, b"x") for device, reg in addressed.items())
    return device_mismatch(devices, contents)


def test_exactly_the_devices_with_their_registrations_are_right() -> None:
    assert wrong({1: 11, 2: 12}, {2: 12, 1: 11}) is None


def test_a_person_without_devices_is_rightly_sent_nothing() -> None:
    assert wrong({}, {}) is None


def test_what_is_missing_and_what_is_too_much_is_named_in_order() -> None:
    assert wrong({3: 1, 1: 1, 2: 2}, {2: 2, 9: 1, 8: 1}) == Mismatch((1, 3), (8, 9), ())


def test_another_registration_of_a_device_is_stale_not_extra() -> None:
    assert wrong({1: 11}, {1: 99}) == Mismatch((), (), (1,))


def test_an_inbox_takes_items_until_it_is_full() -> None:
    assert has_room(limits.INBOX_ITEMS - 1, 0)
    assert not has_room(limits.INBOX_ITEMS, 0)


def test_an_inbox_takes_bytes_until_it_is_full() -> None:
    assert has_room(0, limits.INBOX_BYTES - 1)
    assert not has_room(0, limits.INBOX_BYTES)


def accepted(strangers: Strangers, count: int) -> None:
    for _ in range(count):
        strangers.accepted(ALICE, BOB)


def test_a_stranger_gets_so_many_accepted_and_then_is_asked_about() -> None:
    strangers = Strangers()
    accepted(strangers, limits.STRANGER_UNANSWERED - 1)
    assert not strangers.full(ALICE, BOB)
    accepted(strangers, 1)
    assert strangers.full(ALICE, BOB)  # M10


def test_who_was_answered_is_never_asked_about_again() -> None:
    strangers = Strangers()
    accepted(strangers, limits.STRANGER_UNANSWERED)
    strangers.answered(ALICE, BOB)
    accepted(strangers, 1000)
    assert not strangers.full(ALICE, BOB)


def test_who_writes_to_many_is_counted_for_each_and_in_one_direction() -> None:
    strangers = Strangers()
    accepted(strangers, limits.STRANGER_UNANSWERED)
    assert not strangers.full(BOB, ALICE)
    assert not strangers.full(ALICE, b"carol")
