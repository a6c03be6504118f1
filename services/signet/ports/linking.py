"""Where a new device and an old one meet: a small mailbox that is over after minutes.

It is named by the SHA-256 of an address that the new device shows, and has three places, each
written once: what the old device offers, what the new one answers, what the old one approves.
What is in them is for the devices; only an approval says something to the directory. This is a
part of directory.py, which says what may be relied upon.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from signet.core.ids import DeviceId, UserId

if TYPE_CHECKING:
    from signet.ports.directory import Account, Device, NewDevice


class NoSuchLink(Exception):
    """There is no such mailbox, or its time is over."""


class LinkTaken(Exception):
    """The place holds something else, or is not to be written yet, or not by this account."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Which device an old one lets in, and what it hands over, sealed for it."""

    login_key: bytes = field(repr=False)
    registration_id: int
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """A mailbox as it is. `by` is the old device, None until it offers something."""

    expires_ms: int
    by: DeviceId | None = None
    offer: bytes = b""
    answer: bytes = b""
    approval: Approval | None = None
    device: int = 0  # that was added; 0: none yet


class Linking(Protocol):
    """Every call but `open_link` raises NoSuchLink for a mailbox that is not there or over."""

    async def open_link(self, address: bytes, expires_ms: int, now_ms: int) -> None:
        """Make an empty one. Forgets those that are over."""
        ...

    async def link(self, address: bytes, now_ms: int) -> DeviceLink:
        """As it is now."""
        ...

    async def offer_link(self, address: bytes, by: DeviceId, offer: bytes, now_ms: int) -> None:
        """The first device that offers something has the mailbox; the same again is no error.

        Raises:
            NoSuchLink, NoSuchAccount: (`by` is not there), LinkTaken.
        """
        ...

    async def answer_link(self, address: bytes, answer: bytes, now_ms: int) -> None:
        """What the new device says to an offer; the same again is no error.

        Raises:
            NoSuchLink, LinkTaken.
        """
        ...

    async def approve_link(
        self, address: bytes, by: DeviceId, approval: Approval, now_ms: int
    ) -> None:
        """Let the device in whose answer is there; the same again is no error.

        Raises:
            NoSuchLink, LinkTaken.
        """
        ...

    async def complete_link(
        self, address: bytes, device: "NewDevice", now_ms: int
    ) -> tuple["Account", "Device"]:
        """Add the device that was approved to the account of the one that approved.

        `add_device` with a mailbox; the account is `untold` from then on. The same device again
        (its answer was lost) is there already: its keys are stored.

        Raises:
            NoSuchLink: also where the device that approved is not of the account any more.
            LinkTaken: not the device that was approved, or none was. TooManyDevices, KeyIdReused.
        """
        ...

    async def close_link(self, address: bytes) -> None:
        """Forget a mailbox. One that is not there is no error."""
        ...


class OwnDevices(Protocol):
    """What an account's owner does with its devices, and what time does."""

    async def rename_device(self, device: DeviceId, name: str) -> None:
        """Raises NoSuchAccount."""
        ...

    async def renew_device(
        self, device: DeviceId, renewed: "NewDevice"
    ) -> tuple["Account", "Device"]:
        """Register a device anew under its id: registration id and all keys are those given.

        Its name and login key stay. Ids of keys that were used before may be used again: nobody
        takes keys of another registration for these. The account is `untold` from then on.

        Raises:
            NoSuchAccount, KeyIdReused.
        """
        ...

    async def note_login(self, device: DeviceId, now_ms: int) -> None:
        """The device is in use. An unknown one is no error."""
        ...

    async def expire_devices(
        self, before_ms: int, now_ms: int, most: int
    ) -> Sequence[tuple[UserId, int]]:
        """Remove devices that did not log in since `before_ms`, at most so many; which they were.

        The one of an account that logged in last always stays. One whose logins were not noted
        yet is taken as if it had logged in at `now_ms`. Accounts are `untold` from then on.
        """
        ...
