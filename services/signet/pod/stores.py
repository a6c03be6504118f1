"""The stores that the settings name, each opened when it is asked for and closed with the process.

A setting that is empty means the embedded one: a SQLite file in the data folder, which the
processes of one machine share.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from signet.adapters import open as adapters
from signet.clocks import boot_clock
from signet.data_folder import DataFolder
from signet.pod.reaching import Asked
from signet.ports.blobs import Blobs
from signet.ports.events import Events
from signet.ports.inbox import InboxStore, StoreUnavailable
from signet.ports.members import Members
from signet.ports.presence import PresenceStore
from signet.ports.push import PushProviders
from signet.ports.rate_limits import RateLimits
from signet.settings import PREFIX, Settings

if TYPE_CHECKING:
    from signet.adapters.directory_sql import SqlDirectory


class StoreRefused(Exception):
    """A store does not open. Says which setting names it, and why; never its URL."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"{setting} ({PREFIX}{setting.upper()}): {why}")
        self.setting = setting


class Closes(Protocol):
    """What every store can do."""

    def close(self) -> Awaitable[None]: ...


C = TypeVar("C", bound=Closes)


def urls(settings: Settings, folder: DataFolder) -> dict[str, str]:
    """The URL of each store; embedded ones are in the folder."""
    embedded = {
        "inbox": f"sqlite:///{folder.inbox}",
        "directory": folder.directory_url,
        "members": folder.store("members"),
        "presence": folder.store("presence"),
        "limits": "memory:",
        "events": folder.store("events"),
        "blobs": f"file://{folder.blobs}",
        "push": "log:",
    }
    return {name: getattr(settings, name) or url for name, url in embedded.items()}


@contextmanager
def refusing(setting: str) -> Iterator[None]:
    """What an adapter says when it does not open, with the name of the setting.

    Raises:
        StoreRefused.
    """
    try:
        yield
    except (StoreUnavailable, sqlite3.Error, OSError, ValueError) as error:
        raise StoreRefused(setting, str(error) or type(error).__name__) from error


class Stores:
    """Each method opens one store, to be called once. All raise StoreRefused."""

    def __init__(
        self, settings: Settings, folder: DataFolder, pod: str, stack: AsyncExitStack
    ) -> None:
        self._shards = settings.shards
        self._urls = urls(settings, folder)
        self._spool = folder.path / "spool" / pod  # audit events that wait: this pod's own
        self._stack = stack
        self.asked: dict[str, Asked] = {}  # those that are open, but for what is in memory

    def inbox(self) -> InboxStore:
        return self._open("inbox", lambda url: adapters.open_inbox(url, self._shards))

    async def directory(self) -> "SqlDirectory":
        with refusing("directory"):
            directory = await adapters.open_directory(self._urls["directory"])
        self._stack.push_async_callback(directory.close)
        self.asked["directory"] = directory
        return directory

    def members(self) -> Members:
        return self._open("members", adapters.open_members)

    def presence(self) -> PresenceStore:
        return self._open("presence", lambda url: adapters.open_presence(url, boot_clock))

    def limits(self) -> RateLimits:
        return self._open("limits", adapters.open_rate_limits)

    def events(self) -> Events:
        self._spool.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._open("events", lambda url: adapters.open_events(url, self._spool))

    def blobs(self) -> Blobs | None:
        """None: the settings say that there are none."""
        if self._urls["blobs"] == "none:":
            return None
        return self._open("blobs", adapters.open_blobs)

    def push(self) -> PushProviders:
        return self._open("push", adapters.open_push)

    def _open(self, name: str, opening: Callable[[str], C]) -> C:
        with refusing(name):
            store = opening(self._urls[name])
        self._stack.push_async_callback(store.close)
        self._ask(name, store)
        return store

    def _ask(self, name: str, store: object) -> None:
        if isinstance(store, Asked):
            self.asked[name] = store
