"""What a reader sees of an inbox: rows, what is in memory, what is gone by age (W2). Pure.

Rows are read after memory was looked at: what became a row meanwhile is in one of both. What is
acknowledged is left out, whatever was read.
"""

from collections.abc import Iterable, Mapping, Sequence

from signet.core import limits
from signet.core.ids import DeviceId, Position
from signet.ports.inbox import Entry, Page


def merged(
    rows: Iterable[Entry], held: Mapping[Position, Entry], after: Position, whole: bool = True
) -> list[Entry]:
    """Both, in order, behind `after`. Not `whole`: more rows follow, and nothing beyond them."""
    found = {entry.position: entry for entry in rows}
    end = None if whole else max(found)
    found.update({p: entry for p, entry in held.items() if end is None or p <= end})
    return [found[position] for position in sorted(found) if position > after]


def page(
    entries: Sequence[Entry], begin: Position, swept: Position, items: int, size: int, now_ms: int
) -> Page:
    """Up to `items` of them, about `size` bytes; the aged that come first are a range of expired.

    `begin` is where reading began, `swept` up to where a sweeper has deleted.
    """
    oldest_ms = now_ms - limits.ITEM_TTL * 1000
    taken: list[Entry] = []
    gone, aged = swept, 0
    for entry in entries:
        if len(taken) + aged == items or (taken and size < len(entry.body)):
            return Page(taken, True, expired(begin, gone))
        if entry.accepted_ms < oldest_ms and not taken:
            gone, aged = entry.position, aged + 1
        else:
            size -= len(entry.body)
            taken.append(entry)
    return Page(taken, False, expired(begin, gone))


def expired(begin: Position, gone: Position) -> list[tuple[Position, Position]]:
    """What is dropped by age is the oldest: one range."""
    return [(Position(begin.epoch, begin.seq + 1), gone)] if gone > begin else []


def newest(entries: Sequence[Entry], items: int, size: int) -> list[Entry]:
    """The last of them, oldest first."""
    taken: list[Entry] = []
    for entry in entries[: -items - 1 : -1]:
        if size <= 0:
            break
        size -= len(entry.body)
        taken.append(entry)
    return taken[::-1]


def aged(entries: Iterable[tuple[Position, int]], before_ms: int) -> list[Position]:
    """The oldest, without a gap, that were accepted before that time."""
    old = []
    for position, accepted_ms in entries:
        if accepted_ms >= before_ms:
            break
        old.append(position)
    return old


def row_entry(device: DeviceId, row: tuple[int, int, int, bytes]) -> Entry:
    epoch, seq, accepted_ms, body = row
    return Entry(device, Position(epoch, seq), accepted_ms, body)
