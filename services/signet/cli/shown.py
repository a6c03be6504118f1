"""Events as a program reads them: one JSON object each."""

from typing import Any

from signet.cli.look import short
from signet.client import (
    BlockChanged,
    Client,
    ConnectionChanged,
    DecryptionFailed,
    Deleted,
    DeviceAdded,
    DeviceDropped,
    Edited,
    Event,
    GroupChanged,
    GroupDistrusted,
    IdentityChanged,
    Message,
    MessageReceived,
    MessagesExpired,
    MessageSynced,
    PresenceChanged,
    ProfileChanged,
    ReactionReceived,
    ReceiptChanged,
    SendFailed,
    TypingChanged,
    UpdateNeeded,
)
from signet.core.ids import UserId, show

Json = dict[str, Any]


async def name(client: Client, user: UserId) -> str:
    """By what name somebody, or a group, is known here, or the start of their id."""
    if user == client.user_id:
        return client.user_name
    return await client.name_of(user) or short(user)


def message_json(message: Message, who: str) -> Json:
    """A message; times are Unix time in milliseconds."""
    return {
        "message_id": show(message.id),
        "from": who,
        "text": message.text,
        "kind": message.kind.name.lower(),
        "received_ms": message.received_ms,
        "files": [
            {"name": one.file_name, "media_type": one.media_type, "size": one.size}
            for one in message.attachments
        ],
    }


async def event_json(client: Client, event: Event) -> Json | None:
    """None for what programs need not know."""
    told = await _of_messages(client, event) or await _of_a_peer(client, event)
    match event:
        case MessagesExpired(count=count):
            told = {"event": "expired", "count": count}
        case BlockChanged(peer=who, blocked=is_blocked):
            what = "blocked" if is_blocked else "unblocked"
            told = {"event": what, "who": await name(client, who)}
        case DeviceAdded(device_ids=devices):
            told = {"event": "device_added", "devices": list(devices)}
        case GroupChanged(peer=group, author=author, action=action, users=users):
            about = [await name(client, user) for user in users]
            told = {
                "event": "group",
                "group": await name(client, group),
                "who": await name(client, author),
                "action": str(action),
                "users": about,
            }
        case GroupDistrusted(peer=group):
            told = {"event": "group_distrusted", "who": await name(client, group)}
        case DeviceDropped(device_ids=devices):
            told = {"event": "device_dropped", "devices": list(devices)}
        case ConnectionChanged(state=state, code=code):
            told = {"event": "connection", "state": state.value, "code": code.name if code else ""}
    return told


async def _of_messages(client: Client, event: Event) -> Json | None:
    match event:
        case MessageReceived(message=message) | MessageSynced(message=message):
            kind = "message"
        case Edited(message=message):
            kind = "edited"
        case DecryptionFailed(message=message) | UpdateNeeded(message=message):
            kind = "unreadable"
        case _:
            return None
    told = {"event": kind, **message_json(message, await name(client, message.author))}
    if await client.is_group(message.peer):
        told["group"] = await name(client, message.peer)
    return told


async def _of_a_peer(client: Client, event: Event) -> Json | None:
    told: Json | None = None
    match event:
        case ReceiptChanged(peer=who, message_ids=ids, status=status):
            told = {"event": status.name.lower(), "message_ids": [show(one) for one in ids]}
        case SendFailed(peer=who, message_id=one, code=code):
            why = code.name if code else ""
            told = {"event": "failed", "message_id": show(one), "code": why}
        case ReactionReceived(author=who, message_id=one, emoji=emoji):
            told = {"event": "reaction", "message_id": show(one), "emoji": emoji}
        case Deleted(peer=who, message_id=one):
            told = {"event": "deleted", "message_id": show(one)}
        case ProfileChanged(peer=who, name=shown):
            told = {"event": "profile_changed", "name": shown}
        case IdentityChanged(peer=who):
            told = {"event": "identity_changed"}
        case PresenceChanged(peer=who, status=presence, last_seen_ms=seen):
            told = {"event": "presence", "status": presence.name.lower(), "last_seen_ms": seen}
        case TypingChanged(peer=who, started=started):
            told = {"event": "typing", "started": started}
        case _:
            return None
    return {**told, "who": await name(client, who)}
