"""What the owner of a user's shard holds of them: for the export of an account."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from signet.core.ids import UserId
from signet.ports.groups import GroupChanges
from signet.ports.presence import Seen
from signet.ports.users import UserChanges


@dataclass(frozen=True, slots=True)
class HeldInbox:
    """One device's inbox: what waits there is ciphertext; of each message the sender is known."""

    device: int
    items: int
    size: int  # bytes
    senders: Mapping[UserId, int]  # of how many messages
    oldest_ms: int  # when the oldest was accepted, Unix time; 0: nothing waits
    attached: bool


@dataclass(frozen=True, slots=True)
class Held:
    """`seen` is the presence record, None where there is none."""

    inboxes: tuple[HeldInbox, ...]
    seen: Seen | None


class Holdings(Protocol):
    """See the module's text."""

    async def held(self, user: UserId) -> Held:
        """As it is now.

        Raises:
            StoreUnavailable: (signet.ports.inbox) the owner, or its store, does not answer.
        """
        ...


class Owners(UserChanges, GroupChanges, Holdings, Protocol):
    """What keys asks of owners: it tells them of changes, and hears what they hold."""
