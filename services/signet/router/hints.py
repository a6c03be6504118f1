"""Hints for push: who is away while something waits, and who has come back (rule M11)."""

from collections.abc import Iterable, Set

from signet.core.ids import DeviceId, ShardId
from signet.core.reminders import Reminders
from signet.ports.events import CAME_BACK, NEW_MESSAGE, Event, Topic
from signet.router.context import Context
from signet.router.people import Inbox


class Hints:
    """One event a device that is away. It says no more than that something waits for it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reminders = Reminders(lambda device: context.shard(device.user))

    def waits(self, inboxes: Iterable[Inbox], *, urgent: bool) -> None:
        """Something for these devices is durable. Those that are attached need no hint."""
        for inbox in inboxes:
            if inbox.session is None:
                self._publish(inbox.device, NEW_MESSAGE, urgent=urgent)
                self._reminders.hinted(inbox.device, self._context.clock())

    def came_back(self, device: DeviceId) -> None:
        """A device has attached: once after hints of it."""
        if self._reminders.came_back(device):
            self._publish(device, CAME_BACK)

    def remind(self) -> None:
        """Hint those again who stay away (design.md §5)."""
        for device in self._reminders.due(self._context.clock(), self._is_away):
            self._publish(device, NEW_MESSAGE)

    def forget_shards(self, shards: Set[ShardId]) -> None:
        """They are given away: their next owner remembers by itself."""
        self._reminders.forget(shards)

    def _publish(self, device: DeviceId, type_: str, *, urgent: bool = False) -> None:
        at_ms = self._context.now_ms()
        event = Event(Topic.PUSH, device.user, type_, at_ms, device.device, urgent)
        self._context.events.publish(event)

    def _is_away(self, device: DeviceId) -> bool:
        """Somebody who is not in memory any more is: who is attached stays there."""
        person = self._context.people.known(device.user)
        if person is None:
            return self._context.serves(self._context.shard(device.user))
        inbox = person.inboxes.get(device.device)
        return inbox is not None and inbox.session is None and inbox.items > 0
