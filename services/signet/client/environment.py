"""Time, chance and the network, as arguments. Tests give their own, applications the default."""

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from signet.client.transports.stream import Dial
from signet.core.ids import ID_BYTES, MessageId
from signet.e2e import Randomness


@dataclass(frozen=True, slots=True)
class Environment:
    """`now` is Unix time and `monotonic` a clock that is never set, both in seconds.

    `randomness` gives bytes that nobody can guess; `chance` is uniform in [0, 1) and guards
    nothing (jitter). `dial` and `http` None: real sockets.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    randomness: Randomness = secrets.token_bytes
    chance: Callable[[], float] = random.random
    dial: Dial | None = None
    http: httpx.AsyncBaseTransport | None = None

    def now_ms(self) -> int:
        return int(self.now() * 1000)

    def message_id(self) -> MessageId:
        return MessageId(self.randomness(ID_BYTES))
