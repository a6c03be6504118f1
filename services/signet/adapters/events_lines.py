"""Events as lines of JSON: what stands in Kafka, in SQLite, and in the spool."""

import json
from typing import Any

from signet.core.ids import UserId
from signet.ports.events import Abuse, Event, Topic


def encode(event: Event) -> bytes:
    """An event as others read it; holds no newline."""
    fields = {
        "topic": event.topic,
        "user": event.user.hex(),
        "type": event.type,
        "at_ms": event.at_ms,
        "device": event.device,
        "urgent": event.urgent,
        **_abuse(event.abuse),
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
        abuse=_read_abuse(fields["abuse"]) if "abuse" in fields else None,
    )


def _abuse(told: Abuse | None) -> dict[str, object]:
    if told is None:
        return {}
    ids = [one.hex() for one in told.message_ids]
    fields = {"by": told.by.hex(), "reason": told.reason, "messages": told.messages}
    return {"abuse": {**fields, "message_ids": ids}}


def _read_abuse(fields: Any) -> Abuse:
    ids = tuple(bytes.fromhex(one) for one in fields["message_ids"])
    by = UserId(bytes.fromhex(fields["by"]))
    return Abuse(by, str(fields["reason"]), int(fields["messages"]), ids)
