"""Keys by a group of theirs, so that a whole group goes without a look at the others.

Pure. Every call costs as much as the keys that it names.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
G = TypeVar("G", bound=Hashable)


class Grouped(Generic[K, G]):
    """`group` says which one a key is in, always the same."""

    def __init__(self, group: Callable[[K], G]) -> None:
        self._group = group
        self._keys: dict[G, set[K]] = {}

    def add(self, key: K) -> None:
        """It is there; no error where it was."""
        self._keys.setdefault(self._group(key), set()).add(key)

    def discard(self, key: K) -> None:
        """It is gone; no error where it was not there."""
        group = self._group(key)
        keys = self._keys.get(group)
        if keys is not None:
            keys.discard(key)
            if not keys:
                del self._keys[group]

    def take(self, groups: Iterable[G]) -> list[K]:
        """All keys of these groups, which are gone."""
        return [key for group in groups for key in self._keys.pop(group, ())]
