"""Devices of a group's members: one digest for all, and what differs (G3)."""

from signet.core.groups import GroupId, devices_digest, differences, group_of, log_of
from signet.core.ids import DeviceId, UserId

ANN, BOB = UserId(b"a" * 16), UserId(b"b" * 16)


def test_the_digest_does_not_depend_on_the_order_in_which_devices_are_known() -> None:
    one = {BOB: {2: 7, 1: 300}, ANN: {1: 5}}
    other = {ANN: {1: 5}, BOB: {1: 300, 2: 7}}
    assert devices_digest(one) == devices_digest(other)


def test_another_device_or_registration_is_another_digest() -> None:
    known = {ANN: {1: 5}, BOB: {1: 6}}
    others = [{ANN: {1: 5}}, {ANN: {1: 5, 2: 5}, BOB: {1: 6}}, {ANN: {1: 5}, BOB: {1: 7}}]
    digests = {devices_digest(each) for each in [known, *others]}
    assert len(digests) == 4
    assert all(len(digest) == 32 for digest in digests)


def test_who_is_refused_learns_what_is_missing_extra_and_stale() -> None:
    before = {ANN: {1: 5, 2: 8}, BOB: {1: 6}}
    now = {ANN: {1: 5, 3: 9}, BOB: {1: 7}}
    found = differences(before, now)
    assert found.missing == ((ANN, 3),)
    assert found.extra == ((ANN, 2),)
    assert found.stale == ((BOB, 1),)


def test_a_member_without_devices_is_missed_by_nobody() -> None:
    assert differences({ANN: {1: 5}}, {ANN: {1: 5}, BOB: {}}) == ((), (), ())


def test_a_log_is_an_inbox_that_no_device_has() -> None:
    group = GroupId(b"g" * 16)
    assert log_of(group) == DeviceId(UserId(group), 0)
    assert group_of(log_of(group)) == group
