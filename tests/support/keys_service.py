"""A keys service on a directory of its own, with its clock in the test's hand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from signet.adapters.blobs_filesystem import FilesystemBlobs
from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.adapters.open import BLOBS_PATH
from signet.adapters.rate_limits import MemoryRateLimits
from signet.core.groups import GroupId
from signet.core.ids import DeviceId, UserId
from signet.keys.config import KeysConfig
from signet.keys.login import Proof
from signet.keys.parts import Caller
from signet.keys.registration import Application, Recovery, Registered
from signet.keys.service import Keys
from signet.ports.blobs import Blobs
from signet.ports.events import Event, Topic
from signet.ports.holdings import Held
from signet.ports.pre_keys import KeyUpload
from tests.support.identities import NewPerson

PLENTY = 1_000_000
HERE = "127.0.0.1"


@dataclass
class Clock:
    """Unix time that a test moves."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Told:
    """What owners of shards, and the audit trail, were told: UserChanges and Events."""

    changes: list[UserId] = field(default_factory=list)
    replacements: list[tuple[UserId, tuple[int, ...]]] = field(default_factory=list)
    groups: list[GroupId] = field(default_factory=list)
    low: list[tuple[DeviceId, int, int]] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    holds: Held = field(default_factory=lambda: Held((), None))
    away: Exception | None = None  # what every call raises: owners cannot be reached
    heard: asyncio.Event = field(default_factory=asyncio.Event)  # set by each call

    async def changed(self, user: UserId) -> None:
        self._reach()
        self.changes.append(user)

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        self._reach()
        self.replacements.append((user, tuple(dropped_devices)))

    async def group_changed(self, group: GroupId) -> None:
        self._reach()
        self.groups.append(group)

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        self._reach()
        self.low.append((DeviceId(user, device), pre_keys, kyber_pre_keys))

    async def held(self, user: UserId) -> Held:
        self._reach()
        return self.holds

    def _reach(self) -> None:
        if self.away:
            raise self.away
        self.heard.set()

    def publish(self, event: Event) -> None:
        self.audit.append(event.type)
        self.events.append(event)

    def subscribe(self, topic: Topic, group: str) -> AsyncIterator[Event]:
        raise AssertionError("keys only publishes")

    async def close(self) -> None:
        pass


@dataclass
class Service:
    """The service and all that it was made of."""

    keys: Keys
    directory: SqlDirectory
    told: Told
    clock: Clock

    async def register(self, person: NewPerson, **fields: Any) -> Registered:
        return await self.keys.registrations.register(application(person, **fields), HERE)

    async def recover(self, person: NewPerson, lost: Registered) -> Registered:
        """Take the account over with its recovery key."""
        wanted = Recovery(lost.user, application(person), lost.recovery_key)
        return await self.keys.registrations.recover(wanted, HERE)

    async def log_in(self, person: NewPerson, registered: Registered) -> str:
        """A new token, by nonce and signature."""
        device = DeviceId(registered.user, registered.device)
        nonce = await self.keys.logins.nonce(device, HERE)
        signature = person.login_signature(device.user, device.device, nonce)
        return (await self.keys.logins.login(Proof(device, nonce, signature), HERE)).token

    async def caller(self, registered: Registered) -> Caller:
        return await self.keys.logins.authenticate(registered.token.token)


def application(person: NewPerson, keys: KeyUpload | None = None, **fields: Any) -> Application:
    return Application(
        person.identity.public,
        person.login_public,
        person.registration_id,
        keys or person.upload(),
        person.registration_signature(),
        **fields,
    )


def generous(server_name: str = "localhost", **fields: Any) -> KeysConfig:
    """A configuration without limits by address, for what is not about them."""
    limits: dict[str, Any] = {
        "registrations_an_hour": PLENTY,
        "recoveries_an_hour": PLENTY,
        "logins_a_minute": PLENTY,
        "lookups_an_hour": PLENTY,
        "requests_a_minute": PLENTY,
        "links_an_hour": PLENTY,
        "link_calls_a_minute": PLENTY,
        "media_an_hour": PLENTY,
        "media_parts_a_day": PLENTY,
        "media_reads_an_hour": PLENTY,
    }
    return KeysConfig(server_name, **{**limits, **fields})


@asynccontextmanager
async def keys_service(
    folder: Path, config: KeysConfig | None = None, blobs: Blobs | None = None
) -> AsyncIterator[Service]:
    """A service on a fresh SQLite file, and on `blobs` or a folder of them."""
    stored = blobs or FilesystemBlobs(folder / "media", public=BLOBS_PATH)
    directory = await open_directory(f"sqlite:///{folder / 'directory.db'}")
    told, clock = Told(), Clock()
    config = config or generous()
    keys = Keys(directory, MemoryRateLimits(), told, told, config, clock, blobs=stored)
    try:
        yield Service(keys, directory, told, clock)
    finally:
        await directory.close()
        await stored.close()


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Import it where it is wanted."""
    async with keys_service(tmp_path) as made:
        yield made
