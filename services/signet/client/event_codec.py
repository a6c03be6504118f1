"""Events that are kept, as they lie in the store: their type's name and their fields."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

from signet.client.device_store import Tx
from signet.client.events import GroupAction, Kept, Message
from signet.core.errors import Code
from signet.core.ids import MessageId, UserId

_KINDS: dict[str, type[Kept]] = {kind.__name__: kind for kind in Kept.__subclasses__()}
Confirm = Callable[[int], Callable[[], Awaitable[None]]]
"""From an event's number to what its `done` does."""


def keep(tx: Tx, event: Kept, confirm: Confirm) -> Kept:
    """Store an event; the same one, with its `done`."""
    body = {f.name: _plain(getattr(event, f.name)) for f in fields(event) if f.name != "confirm"}
    number = tx.incoming.add_event(type(event).__name__, json.dumps(body).encode())
    return _with(
        type(event), {f.name: getattr(event, f.name) for f in fields(event)}, confirm(number)
    )


def waiting(tx: Tx, confirm: Confirm) -> list[Kept]:
    """All that the application has not confirmed, oldest first, as the history is now.

    An event about a message that is gone (it disappeared) goes with it.
    """
    found: list[Kept] = []
    for row in tx.incoming.events():
        kind = _KINDS.get(row.kind)
        values = json.loads(row.body)
        read = None if kind is None else {k: _rich(tx, k, v) for k, v in values.items()}
        if kind is None or read is None or ("message" in read and read["message"] is None):
            tx.incoming.confirm([row.number])
            continue
        found.append(_with(kind, read, confirm(row.number)))
    return found


def _with(kind: type[Kept], values: dict[str, Any], confirm: Callable[[], Awaitable[None]]) -> Kept:
    return kind(**{**values, "confirm": confirm})


def _plain(value: object) -> object:
    match value:
        case Message():
            return [value.id.hex(), value.author.hex()]
        case bytes():
            return value.hex()
        case Code():
            return value.name
        case tuple():
            return [_plain(one) for one in value]
        case _:
            return value


def _rich(tx: Tx, name: str, value: Any) -> Any:  # noqa: PLR0911 - a table
    match name:
        case "message":
            message_id, author = map(bytes.fromhex, value)
            return tx.messages.get(MessageId(message_id), UserId(author))
        case "peer" | "author" | "message_id":
            return bytes.fromhex(value)
        case "code":
            return None if value is None else Code[value]
        case "device_ids":
            return tuple(value)
        case "users":
            return tuple(bytes.fromhex(user) for user in value)
        case "action":
            return GroupAction(value)
        case _:
            return value
