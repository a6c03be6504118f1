"""Waking devices that are away: the one thing that leaves Signet for somebody else's service.

What leaves is where it goes to, whether it is urgent, and (to a webhook, or inside what is
encrypted) when the message came: no user id, no device id, no sender, no content.

Where it goes to is a device's own registration (ports/push_registrations), or a user's token, for
providers that know of no devices: HMAC-SHA256 of the user's id under a key of the settings
(core/pushing.token_of). A receiver maps it so: whoever lets a device register for push with it (an
app's own service, which knows the user's id and has the key) makes the same token, and keeps it
beside what wakes the device. Without the key a token says only that it is the same user as before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NewType, Protocol, TypeVar

from signet.ports.push_registrations import PushKind

UserToken = NewType("UserToken", str)  # 64 hex digits
To = TypeVar("To")


@dataclass(frozen=True, slots=True)
class WakeUp(Generic[To]):
    """`to` is a registration or a user's token. `at_ms` is when the latest message came, Unix time.

    Not urgent: a background push, which may be put off to save a phone's battery.
    """

    to: To
    urgent: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The provider has taken it over."""


@dataclass(frozen=True, slots=True)
class Gone:
    """There is no device behind this registration any more: forget it."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """It is not known to have been taken. `seconds` is what the provider asks for, or 0.

    `reason` is for the log: a status or the name of an error, no user data.
    """

    seconds: float = 0.0
    reason: str = ""


Outcome = Delivered | Gone | RetryAfter


class PushProvider(Protocol[To]):
    """One way to wake devices. Calls overlap, and do not wait for each other."""

    async def wake(self, wake_up: WakeUp[To]) -> Outcome:
        """One try, which ends within PUSH_TIMEOUT, whatever the other side does.

        Raises nothing but CancelledError; a wake-up that was cancelled may have been taken. The
        same one may be asked for again after RetryAfter, so a device may be woken twice for it.
        """
        ...

    async def close(self) -> None:
        """Give back what is held; wakes that are under way may fail."""
        ...


@dataclass(frozen=True, slots=True)
class PushProviders:
    """All that are set up. `by_user` know users, by name; `by_kind` know devices' registrations."""

    by_user: Mapping[str, PushProvider[UserToken]] = field(default_factory=dict)
    by_kind: Mapping[PushKind, PushProvider[Any]] = field(default_factory=dict)

    async def close(self) -> None:
        """Close each."""
        for provider in (*self.by_user.values(), *self.by_kind.values()):
            await provider.close()
