"""What pushing speaks of: hints, wake-ups, why there was none, and users as providers know them."""

import hashlib
import hmac
from collections.abc import Hashable
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from signet.core.ids import UserId

K = TypeVar("K", bound=Hashable)
_PURPOSE = b"signet push token v1\0"


class Hint(NamedTuple):
    """`at` is when the event happened, `away` are the numbers of the devices that were away."""

    at: float
    urgent: bool
    away: frozenset[int] = frozenset()

    def joined(self, other: "Hint") -> "Hint":
        """One for both (U1)."""
        urgent = self.urgent or other.urgent
        return Hint(max(self.at, other.at), urgent, self.away | other.away)


class Wake(NamedTuple, Generic[K]):
    """Wake this one now; then say `delivered`, `gone` or `failed`."""

    to: K
    hint: Hint


class Unwoken(StrEnum):
    """Why a hint has no wake-up of its own."""

    COLLAPSED = "collapsed"  # another hint of the device wakes for it (U1)
    OLD = "old"  # U4
    GONE = "gone"  # U5
    ROOM = "room"  # U6
    BACK = "back"  # U8
    UNREGISTERED = "unregistered"  # the device has not said how to wake it
    UNSERVED = "unserved"  # it has, and no provider of that kind is set up


def token_of(key: bytes, user: UserId) -> str:
    """What a provider knows a user by: HMAC-SHA256 in hex. Nobody without the key can turn it back.

    Whoever has the key, and knows the user's id, makes the same token: see ports/push.
    """
    return hmac.new(key, _PURPOSE + user, hashlib.sha256).hexdigest()
