"""Signed URLs of blobs: what is verified, whatever a stranger makes of them."""

import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.adapters.blobs_ranges import Unsatisfiable, part
from signet.adapters.blobs_signed import KEY_BYTES, Sizes, UrlRefused, sign, verify

KEY = os.urandom(KEY_BYTES)
SIZES = Sizes(500, 1_000)
QUERY = sign(KEY, "PUT", "name", SIZES, 2_000)


def test_a_url_says_how_much_may_be_put_until_it_expires() -> None:
    assert verify(KEY, "PUT", "name", QUERY, 1_999.9) == SIZES
    with pytest.raises(UrlRefused):
        verify(KEY, "PUT", "name", QUERY, 2_000)


@pytest.mark.parametrize(
    ("key", "method", "name"),
    [(bytes(KEY_BYTES), "PUT", "name"), (KEY, "GET", "name"), (KEY, "PUT", "another")],
)
def test_a_url_is_for_one_method_and_one_name(key: bytes, method: str, name: str) -> None:
    with pytest.raises(UrlRefused):
        verify(key, method, name, QUERY, 0)


@given(at=st.integers(0, len(QUERY) - 1), put=st.characters(), drop=st.integers(0, 3))
def test_no_character_of_a_url_can_be_changed(at: int, put: str, drop: int) -> None:
    changed = QUERY[:at] + put + QUERY[at + drop :]
    if changed != QUERY:
        with pytest.raises(UrlRefused):
            verify(KEY, "PUT", "name", changed, 0)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&".join(reversed(QUERY.split("&"))),
        QUERY + "&most=9999",
        QUERY.replace("expires=", "expires=0"),
        QUERY.replace("1000", "१०००"),
        QUERY + "\n",
        QUERY.partition("&signature")[0],
    ],
)
def test_there_is_one_way_to_write_a_url(query: str) -> None:
    with pytest.raises(UrlRefused):
        verify(KEY, "PUT", "name", query, 0)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=3-", (3, 10)),
        ("bytes=3-99", (3, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 5_000 + "-", None),
    ],
)
def test_a_range_is_cut_off_at_the_end_and_what_is_none_is_everything(
    header: str, expected: tuple[int, int] | None
) -> None:
    assert part(header, 10) == expected


@pytest.mark.parametrize(("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=-5", 0)])
def test_a_range_of_nothing_is_refused(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        part(header, size)


@given(
    header=st.from_regex(r"bytes=[0-9]{0,3}-[0-9]{0,3}", fullmatch=True), size=st.integers(0, 99)
)
def test_a_part_is_never_empty_nor_beyond_the_blob(header: str, size: int) -> None:
    with suppress(Unsatisfiable):
        if found := part(header, size):
            assert 0 <= found[0] < found[1] <= size
