"""A router of its own on the SQLite inboxes of a folder, and devices on it."""

from pathlib import Path

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core.ids import UserId
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB, CAROL = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob", b"carol"))


async def start(users: KnownUsers, folder: Path) -> Router:
    """A router on the inboxes of a folder, as after a kill -9 of the one before."""
    store = open_inbox(folder / "inbox.sqlite", SHARDS)
    presence, events = MemoryPresence(boot_clock), MemoryEvents()
    router = Router(store, users, presence, events, shards=SHARDS, alone=True)
    await router.start()
    return router


async def connected(router: Router, user: UserId) -> Device:
    device = Device(router, user)
    await device.connect()
    await device.until(device.caught_up)
    return device
