"""When a store's tables are not those of this version of Signet, and which steps a version takes.

- T1 Steps that only add (expanding) are taken before pods of their version start: those of the
  version before get along with them.
- T2 A step that takes away what older versions use (contracting) names the version from which on
  nothing uses it. That version leaves it; the next one takes it, first of all, when every pod is of
  that version (docs/kubernetes/upgrade.md). So going back by one version finds what it uses.
- T3 Steps are taken in order: the contracting ones of a version are its last.
"""

import re
from collections.abc import Hashable, Mapping
from importlib.metadata import version
from typing import TypeVar

from signet.ports.inbox import StoreUnavailable

COMMAND = "signet admin migrate"
VERSION = version("signet")
Step = TypeVar("Step", bound=Hashable)


def due(steps: Mapping[Step, str], version: str) -> list[Step]:
    """The steps that a version takes, of all in their order; each with the version from which it
    contracts, '' for one that expands.

    Raises:
        ValueError: an expanding one stands behind one that waits (T3).
    """
    waits = [bool(of) and release(of) >= release(version) for of in steps.values()]
    taken = waits.index(True) if True in waits else len(waits)
    if not all(waits[taken:]):
        raise ValueError(f"a step behind {list(steps)[taken]} only adds: put it before")
    return list(steps)[:taken]


def release(version: str) -> tuple[int, int]:
    """Major and minor: what tables go by. What is no version is older than any."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class OldSchema(StoreUnavailable):
    """The tables of a shared store are older than this program. A process does not change them
    by itself: those of the old version may still be running on them.
    """

    def __init__(self, found: str, needed: str) -> None:
        was = f"are at {found!r}" if found else "are not there"
        super().__init__(f"its tables {was}, and this version needs {needed!r}: run {COMMAND}")
        self.found, self.needed = found, needed
