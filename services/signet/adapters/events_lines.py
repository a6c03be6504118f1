"""Events as lines of JSON: what stands in Kafka, in SQLite, and in the spool."""

import json

from signet.core.ids import UserId
from signet.ports.events import Event, Topic


def encode(event: Event) -> bytes:
    """An event as others read it; holds no newline."""
    fields = {
        "topic": event.topic,
        "user": event.user.hex(),
        "type": event.type,
        "at_ms": event.at_ms,
        "device": event.device,
        "urgent": event.urgent,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def decode(line: bytes) -> Event:
    """Raises: ValueError, KeyError."""
    fields = json.loads(line)
    return Event(
        topic=Topic(fields["topic"]),
        user=UserId(bytes.fromhex(fields["user"])),
        type=str(fields["type"]),
        at_ms=int(fields["at_ms"]),
        device=int(fields["device"]),
        urgent=bool(fields["urgent"]),
    )
