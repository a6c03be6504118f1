"""Events within one process: the embedded default of ports/events.py.

What nobody has subscribed for is dropped; a group that falls behind loses its oldest push hints,
counted, and keeps its audit events. A crash loses what was not taken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from signet.core.limits import EVENT_BUFFER
from signet.ports.events import Event, Topic
from signet.telemetry import metrics


class _Queue:
    def __init__(self) -> None:
        self.waiting: deque[Event] = deque()
        self.wake = asyncio.Event()


class MemoryEvents:
    """See the module's text."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Topic, str], _Queue] = {}
        self._closed = False

    def publish(self, event: Event) -> None:
        for (topic, _), queue in self._groups.items():
            if topic is not event.topic:
                continue
            queue.waiting.append(event)
            if topic is Topic.PUSH and len(queue.waiting) > EVENT_BUFFER:
                queue.waiting.popleft()
                metrics.EVENTS_DROPPED.inc()
            queue.wake.set()

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        return self._follow(self._groups.setdefault((topic, group), _Queue()))

    async def _follow(self, queue: _Queue) -> AsyncIterator[Event]:
        while not self._closed:
            while queue.waiting:
                yield queue.waiting.popleft()
            queue.wake.clear()
            await queue.wake.wait()

    async def close(self) -> None:
        self._closed = True
        for queue in self._groups.values():
            queue.wake.set()
