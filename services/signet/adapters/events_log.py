"""Events as lines of the log, on their way to another adapter.

Audit events are written at `info`, push hints at `debug`. The user's id is left out: logs hold no
user data.
"""

from collections.abc import AsyncIterator

import structlog

from signet.ports.events import Event, Events, Topic

log = structlog.get_logger()


class LoggedEvents:
    """Wraps another adapter."""

    def __init__(self, inner: Events) -> None:
        self._inner = inner

    def publish(self, event: Event) -> None:
        write = log.info if event.topic is Topic.AUDIT else log.debug
        write("event", topic=event.topic.value, type=event.type, urgent=event.urgent)
        self._inner.publish(event)

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        return self._inner.subscribe(topic, group)

    async def close(self) -> None:
        await self._inner.close()
