"""Waking devices that are away: the one thing that leaves Signet for somebody else's service.

What leaves is a token, whether it is urgent, and when the message came: no user id, no device, no
sender, no content. The token is HMAC-SHA256 of the user's id under a key of the settings
(core/pushing.token_of). A receiver maps it so: whoever lets a device register for push with it (an
app's own service, which knows the user's id and has the key) makes the same token, and keeps it
beside what wakes the device. Without the key a token says only that it is the same user as before.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WakeUp:
    """`token` is 64 hex digits. `at_ms` is when the latest message came, Unix time.

    Not urgent: a background push, which may be put off to save a phone's battery.
    """

    token: str
    urgent: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has taken it over."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no device behind this token any more: forget it."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """It is not known to have been taken. `seconds` is what the provider asks for, or 0.

    `reason` is for the log: a status or the name of an error, no user data.
    """

    seconds: float = 0.0
    reason: str = ""


Outcome = Delivered | Gone | RetryAfter


class PushProvider(Protocol):
    """One way to wake devices. Calls overlap, and do not wait for each other."""

    async def wake(self, wake_up: WakeUp) -> Outcome:
        """One try, which ends within PUSH_TIMEOUT, whatever the other side does.

        Raises nothing but CancelledError; a wake-up that was cancelled may have been taken. The
        same one may be asked for again after RetryAfter, so a device may be woken twice for it.
        """
        ...

    async def close(self) -> None:
        """Give back what is held; wakes that are under way may fail."""
        ...
