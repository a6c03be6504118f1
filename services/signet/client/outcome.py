"""What a transaction asks to be done once it is durable, in order."""

from dataclasses import dataclass, field

from signet.client.events import Event
from signet.client.store.outgoing import Row
from signet.core.groups import GroupId
from signet.core.ids import UserId


@dataclass(slots=True)
class Outcome:
    """Events to give out, sends to make, and what is to be fetched from the keys service."""

    events: list[Event] = field(default_factory=list)
    queued: list[Row] = field(default_factory=list)
    refresh: set[UserId] = field(default_factory=set)  # whose bundles are to be fetched
    behind: set[GroupId] = field(default_factory=set)  # whose chain is to be fetched
    profiles: set[UserId] = field(default_factory=set)  # whose profile is to be fetched
    held: bool = False  # something is shown a little later

    def add(self, part: "Outcome") -> None:
        self.events += part.events
        self.queued += part.queued
        self.refresh |= part.refresh
        self.behind |= part.behind
        self.profiles |= part.profiles
        self.held |= part.held
