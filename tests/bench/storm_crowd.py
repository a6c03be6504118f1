"""Clients of bench_storm, some hundreds or thousands in a process of their own.

Asked by a pipe, as pods are: what takes long is begun by one question and looked at by others.
"""

import asyncio
import gc
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.core.ids import UserId
from tests.bench.storm_phones import Storm, StormPhone
from tests.bench.storm_pods import run, serve
from tests.support.gateways import Keys

AT_ONCE = 25  # streams that are opened at the same time before the storm


@dataclass(frozen=True)
class Plan:
    """Of one crowd. The first `talkers` of `users` talk in pairs; `authority`: PEM, for TLS."""

    users: Sequence[UserId]
    talkers: int
    private: bytes
    first: str
    second: str
    authority: Path | None
    tokens: bool  # they come back by a token of keys, not by a resume token


@dataclass
class Saw:
    """What a crowd saw of a storm. Times are of the monotonic clock, which all processes share."""

    back: list[float] = field(default_factory=list)
    resumed: int = 0
    told: list[list[float]] = field(default_factory=list)  # seconds, of each client that was
    turned_away: int = 0  # times that it was told so before the upgrade
    lost: int = 0  # streams
    closes: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    stalls: list[float] = field(default_factory=list)  # the longest of each crowd
    sent: int = 0
    missing: int = 0  # of those that were said SENT
    late: list[float] = field(default_factory=list)

    def __iadd__(self, other: "Saw") -> "Saw":
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


class Crowd:
    """All clients of one process."""

    def __init__(self, plan: Plan) -> None:
        keys, tls = Keys(Ed25519PrivateKey.from_private_bytes(plan.private)), None
        if plan.authority is not None:
            tls = ssl.create_default_context(cafile=plan.authority)
        self._plan, self._entry, self._seen = plan, plan.first, Storm()
        self._phones = [
            StormPhone(user, keys.token, self._seen, lambda: self._entry, tls)
            for user in plan.users
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._stall = 0.0

    def answers(self) -> dict[str, Any]:
        """What the bench may ask."""
        return {
            "come": lambda: self._begin(self._come()),
            "talk": lambda: self._begin(self._talk()),
            "go": self._go,
            "away": self._away,
            "hush": self._hush,
            "missing": lambda: len(self._seen.answered - self._seen.received),
            "saw": self._saw,
        }

    def _begin(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _hush(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _come(self) -> None:
        for start in range(0, len(self._phones), AT_ONCE):
            some = self._phones[start : start + AT_ONCE]
            await asyncio.gather(*(phone.come() for phone in some))
            await asyncio.gather(*(phone.welcome.wait() for phone in some))

    async def _talk(self) -> None:
        """One message a second from each to its partner, also while they have no stream."""
        talkers = self._phones[: self._plan.talkers]
        pairs = list(zip(talkers[::2], talkers[1::2], strict=True))
        while pairs:
            for one, other in pairs:
                one.write(other.user)
                other.write(one.user)
                await asyncio.sleep(1.0 / len(pairs))

    def _go(self) -> None:
        """From now on to the second gateway; what was counted until now does not count."""
        gc.collect()
        gc.freeze()
        seen = self._seen
        self._entry, seen.resumed, seen.lost, seen.turned_away = self._plan.second, 0, 0, 0
        for counted in (seen.closes, seen.failed, seen.told):
            counted.clear()
        if self._plan.tokens:
            for phone in self._phones:
                phone.forget()
        self._begin(self._stand_still())

    async def _stand_still(self) -> None:
        """How long this event loop did, which is in all times that are measured here."""
        while True:
            began = monotonic()
            await asyncio.sleep(0.01)
            self._stall = max(self._stall, monotonic() - began - 0.01)

    def _away(self) -> int:
        """How many have no stream where they are to be."""
        return sum(phone.url != self._entry or not phone.welcome.is_set() for phone in self._phones)

    def _saw(self) -> Saw:
        seen = self._seen
        return Saw(
            seen.welcomes[self._plan.second],
            seen.resumed,
            list(seen.told.values()),
            seen.turned_away,
            seen.lost,
            Counter(seen.closes),
            seen.failed,
            Counter(seen.refusals),
            [self._stall],
            len(seen.answered),
            len(seen.answered - seen.received),
            [took for _, took in seen.shown],
        )


def run_crowd(pipe: "Connection[Any, Any]", plan: Plan) -> None:
    """Its address is nothing: nobody comes to it."""
    run(_crowd(pipe, plan))


async def _crowd(pipe: "Connection[Any, Any]", plan: Plan) -> None:
    crowd = Crowd(plan)
    pipe.send("")
    await serve(pipe, crowd.answers())
