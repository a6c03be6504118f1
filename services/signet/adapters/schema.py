"""When a store's tables are not those of this version of Signet."""

from signet.ports.inbox import StoreUnavailable

COMMAND = "signet admin migrate"


class OldSchema(StoreUnavailable):
    """The tables of a shared store are older than this program. A process does not change them
    by itself: those of the old version may still be running on them.
    """

    def __init__(self, found: str, needed: str) -> None:
        was = f"are at {found!r}" if found else "are not there"
        super().__init__(f"its tables {was}, and this version needs {needed!r}: run {COMMAND}")
        self.found, self.needed = found, needed
