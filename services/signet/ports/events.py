"""Events for others: hints to push, and an audit trail. Never in the way of delivery."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from signet.core.ids import UserId


class Topic(StrEnum):
    """Push hints may be dropped (and are counted); audit events may be late, not lost."""

    PUSH = "push"
    AUDIT = "audit"


NEW_MESSAGE = "NEW_MESSAGE"  # something waits for a device that is away
CAME_BACK = "CAME_BACK"  # the device is there again: what was hinted before need not wake it


@dataclass(frozen=True, slots=True)
class Abuse:
    """What somebody says of the event's user: no content, and only the ids they chose to name."""

    by: UserId
    reason: str
    messages: int
    message_ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """Holds no content. `type` is one of the two above for push, or the audit event's name."""

    topic: Topic
    user: UserId
    type: str
    at_ms: int
    device: int = 0
    urgent: bool = False
    abuse: Abuse | None = None  # with ABUSE_REPORTED


class Events(Protocol):
    """Keyed by user: one user's events stay in order."""

    def publish(self, event: Event) -> None:
        """Never waits and never raises; a bounded buffer drops push hints, counted."""
        ...

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        """Events of a topic, at least once to each group, from when it subscribed."""
        ...

    async def close(self) -> None:
        """Flush for a bounded time, then give back what is held."""
        ...
