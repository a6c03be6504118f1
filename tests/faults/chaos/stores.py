"""The stores that the pods share, and how they are broken: files of SQLite, or real servers."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.faults.chaos.faults import Fault, Part
from tests.faults.chaos.system import FILE, locked

FILES = ("inbox.sqlite", "directory.sqlite")


class Stores(Protocol):
    """Started before the pods, ended after them."""

    @property
    def parts(self) -> Sequence[Part]: ...

    @property
    def ports(self) -> Mapping[str, Collection[int]]:
        """From which pods can be parted: of `any` kind, and of that kind alone. Files have none."""
        ...

    async def start(self) -> Mapping[str, str]:
        """URLs by setting."""
        ...

    async def suffer(self, fault: Fault) -> float:
        """See System."""
        ...

    async def stop(self) -> None: ...


class Embedded:
    """SQLite files in the data folder, which all processes share."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.parts = [Part(name, FILE) for name in FILES]
        self.ports: dict[str, list[int]] = {}

    async def start(self) -> dict[str, str]:
        return {}

    async def suffer(self, fault: Fault) -> float:
        async with locked(self._data / fault.part):
            await asyncio.sleep(fault.lasts)
        return time.monotonic()

    async def stop(self) -> None:
        return None
