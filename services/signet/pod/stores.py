"""The stores that the settings name, each opened when it is asked for and closed with the process.

A setting that is empty means the embedded one: a SQLite file in the data folder, which the
processes of one machine share.
"""

import time
from contextlib import AsyncExitStack

from signet.adapters import open as adapters
from signet.adapters.directory_sql import SqlDirectory
from signet.data_folder import DataFolder
from signet.ports.events import Events
from signet.ports.inbox import InboxStore
from signet.ports.members import Members
from signet.ports.presence import PresenceStore
from signet.ports.rate_limits import RateLimits
from signet.settings import Settings


def urls(settings: Settings, folder: DataFolder) -> dict[str, str]:
    """The URL of each store; embedded ones are in the folder."""
    embedded = {
        "inbox": f"sqlite:///{folder.inbox}",
        "directory": folder.directory_url,
        "members": folder.store("members"),
        "presence": folder.store("presence"),
        "limits": "memory:",
        "events": "log:",
        "blobs": f"file://{folder.blobs}",
    }
    return {name: getattr(settings, name) or url for name, url in embedded.items()}


class Stores:
    """Each method opens one store, to be called once. All raise what adapters/open.py says."""

    def __init__(
        self, settings: Settings, folder: DataFolder, pod: str, stack: AsyncExitStack
    ) -> None:
        self._shards = settings.shards
        self._urls = urls(settings, folder)
        self._spool = folder.path / "events" / pod  # audit events that wait: this pod's own
        self._stack = stack

    def inbox(self) -> InboxStore:
        store = adapters.open_inbox(self._urls["inbox"], self._shards)
        self._stack.push_async_callback(store.close)
        return store

    async def directory(self) -> SqlDirectory:
        directory = await adapters.open_directory(self._urls["directory"])
        self._stack.push_async_callback(directory.close)
        return directory

    def members(self) -> Members:
        members = adapters.open_members(self._urls["members"])
        self._stack.push_async_callback(members.close)
        return members

    def presence(self) -> PresenceStore:
        presence = adapters.open_presence(self._urls["presence"], _boot_clock)
        self._stack.push_async_callback(presence.close)
        return presence

    def limits(self) -> RateLimits:
        limits = adapters.open_rate_limits(self._urls["limits"])
        self._stack.push_async_callback(limits.close)
        return limits

    def events(self) -> Events:
        events = adapters.open_events(self._urls["events"], self._spool)
        self._stack.push_async_callback(events.close)
        return events


def _boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
