"""Whom this account does not want to hear of, as this device knows it.

The server keeps the list and takes what blocked people send without delivering it (M10). This copy
is for what reaches the device all the same: it was on its way, or the server breaks its word.
"""

from signet.client.device_store import Tx
from signet.client.events import BlockChanged, Event
from signet.core.ids import ID_BYTES, UserId
from signet.v1.content_pb2 import SyncBlocked

_NAME = "blocked"


def blocked(tx: Tx) -> set[UserId]:
    """Everybody on the list."""
    kept = tx.settings.get(_NAME) or b""
    return {UserId(kept[at : at + ID_BYTES]) for at in range(0, len(kept), ID_BYTES)}


def replace(tx: Tx, users: set[UserId]) -> None:
    """The whole list, as the server has it."""
    tx.settings.put(_NAME, b"".join(sorted(users)))


def note(tx: Tx, user: UserId, is_blocked: bool) -> bool:
    """Put somebody on the list, or take them off; False: it was so already."""
    known = blocked(tx)
    if (user in known) == is_blocked:
        return False
    replace(tx, known | {user} if is_blocked else known - {user})
    return True


def learn(tx: Tx, told: SyncBlocked) -> list[Event]:
    """Another device of ours has blocked somebody, or hears of them again: what to say of it."""
    if len(told.user) != ID_BYTES or not note(tx, UserId(told.user), told.blocked):
        return []
    return [BlockChanged(peer=UserId(told.user), blocked=told.blocked)]
