"""What the calls of a client share."""

import asyncio
from collections.abc import Callable

from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.engine import Engine
from signet.client.environment import Environment
from signet.client.errors import UnknownMessage
from signet.client.events import Event, Message, SendFailed, Status
from signet.client.rest import Rest
from signet.client.sealing import Self
from signet.core.ids import MessageId, UserId

Waiter = asyncio.Future[Status | SendFailed]


class Calls:
    """`Client` sets these before anything is called."""

    _store: DeviceStore
    _me: Self
    _keys: Keys
    _rest: Rest
    _engine: Engine
    _env: Environment
    _emit: Callable[[Event], None]
    _waiters: dict[MessageId, set[Waiter]]

    @property
    def user_id(self) -> UserId:
        """Who we are; 16 bytes."""
        return self._me.user


def find_message(tx: Tx, message_id: MessageId, peer: UserId | None = None) -> Message:
    message = tx.messages.get(message_id)
    if message is None or peer not in (None, message.peer):
        raise UnknownMessage("no such message here")
    return message
