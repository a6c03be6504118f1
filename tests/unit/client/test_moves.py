"""S7 and S8: where a client lets itself be sent, and whether it comes back."""

import pytest

from signet.client.moves import Moves, resolve, within
from signet.core.limits import MAX_MOVES, MOVE_PERIOD

ENTRY = "wss://chat.example.org/v1/connect"


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        ("wss://chat.example.org:7400/v1/connect", True),
        ("wss://gw-3.chat.example.org/v1/connect", True),
        ("ws://gw-3.chat.example.org/v1/connect", False),  # a weaker scheme
        ("wss://example.org/v1/connect", False),
        ("wss://evilchat.example.org/v1/connect", False),
        ("wss://chat.example.org.evil.net/v1/connect", False),
        ("wss://chat.example.org@evil.net/v1/connect", False),
        ("wss://[", False),
        ("", False),
    ],
)
def test_an_offer_is_followed_within_the_domain_only(to: str, allowed: bool) -> None:
    assert within(to, ENTRY, "chat.example.org") is allowed


def test_an_offer_may_be_a_host_and_port() -> None:
    assert resolve("gw-3.chat.example.org:7400", ENTRY) == (
        "wss://gw-3.chat.example.org:7400/v1/connect"
    )
    assert resolve("gw-3:7401", "chat.example.org:7401") == "gw-3:7401"
    assert resolve("", ENTRY) == ENTRY


def test_a_client_moves_a_few_times_in_a_period() -> None:
    moves = Moves()
    assert [moves.may_move(n) for n in range(MAX_MOVES + 1)] == [True] * MAX_MOVES + [False]
    assert moves.may_move(MOVE_PERIOD + 1)
