"""Members' records as text, and which change of one cannot wait."""

import json
from dataclasses import replace

import pytest

from signet.adapters.members_view import decode, encode, is_urgent
from signet.ports.members import Kind, Member, State

MEMBER = Member(
    Kind.GATEWAY,
    "gateway-0",
    "127.0.0.1:1",
    State.ACTIVE,
    7,
    b"life",
    "",
    load=40,
    accepts=2.5,
    shards=8,
)


def test_a_record_is_read_back_as_it_was_written() -> None:
    assert decode(encode(MEMBER)) == (MEMBER, False)
    assert decode(encode(MEMBER, left=True)) == (replace(MEMBER, state=State.DRAINING), True)


def test_what_a_record_of_an_earlier_version_does_not_say_is_none() -> None:
    fields = json.loads(encode(MEMBER))
    del fields["load"], fields["accepts"], fields["shards"]
    assert decode(json.dumps(fields)) == (replace(MEMBER, load=0, accepts=0.0, shards=0), False)


@pytest.mark.parametrize(
    ("field", "value"), [("kind", "moon"), ("load", "many"), ("state", "asleep")]
)
def test_what_a_later_version_may_write_is_nobody(field: str, value: str) -> None:
    assert decode(json.dumps(json.loads(encode(MEMBER)) | {field: value})) is None


def test_only_a_load_can_wait_for_the_next_refresh() -> None:
    assert is_urgent(None, MEMBER)
    assert is_urgent(MEMBER, replace(MEMBER, state=State.DRAINING))
    assert is_urgent(MEMBER, MEMBER)
    assert not is_urgent(MEMBER, replace(MEMBER, load=41, accepts=0.0))
