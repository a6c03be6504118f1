"""What a pod believes of the members, and who waits for it to change. See core/roster.py."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

from signet.core.roster import Roster
from signet.ports.members import Kind, Member, State

Key = tuple[Kind, str]
LEFT = "left"  # the state of a record whose member took it away: others believe it at once


def key_of(member: Member) -> Key:
    """One pod has one record."""
    return member.kind, member.name


def is_urgent(before: Member | None, now: Member) -> bool:
    """Whether a record is to be written at once: a change of its load waits for the refresh.

    One that is put again unchanged is written: whoever does that asks whether the store is there.
    """
    if before is None or before == now:
        return True
    return replace(before, load=now.load, accepts=now.accepts) != now


class View:
    """The last list, on the event loop alone."""

    def __init__(self, settle_s: float) -> None:
        self._roster: Roster[Key, Member] = Roster(settle_s)
        self._changed = asyncio.Event()
        self._closed = False

    def members(self) -> list[Member]:
        """In the order of kind and name."""
        return sorted(self._roster.believed.values(), key=key_of)

    def see(self, records: Iterable[tuple[Member, bool]]) -> None:
        """What the store says: each record with whether it has left."""
        there: dict[Key, Member] = {}
        left: set[Key] = set()
        for member, gone in sorted(records, key=lambda record: record[0].started_ms):
            there.pop(key_of(member), None)
            left.discard(key_of(member))
            if gone:
                left.add(key_of(member))
            else:  # of two lives of a pod the younger one stands
                there[key_of(member)] = member
        if self._roster.see(asyncio.get_running_loop().time(), there, left):
            self._wake()

    def away(self) -> None:
        """The store does not answer."""
        self._roster.away()

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        """The list now, then each time it has changed; ends with `close`."""
        shown: list[Member] | None = None
        while not self._closed:
            changed, now = self._changed, self.members()
            if now != shown:
                shown = now
                yield now
            else:
                await changed.wait()

    def close(self) -> None:
        """End all watches."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def encode(member: Member, *, left: bool = False) -> str:
    """A record as text, the same for the same member."""
    fields = {
        "kind": member.kind,
        "name": member.name,
        "address": member.address,
        "state": LEFT if left else member.state,
        "started_ms": member.started_ms,
        "incarnation": base64.b64encode(member.incarnation).decode(),
        "public": member.public,
        "load": member.load,
        "accepts": member.accepts,
        "shards": member.shards,
    }
    return json.dumps(fields, separators=(",", ":"))


def decode(text: str | bytes) -> tuple[Member, bool] | None:
    """A member, and whether it has left; None for what a version after this one may write."""
    try:
        fields: Mapping[str, object] = json.loads(text)
        left = fields["state"] == LEFT
        member = Member(
            kind=Kind(str(fields["kind"])),
            name=str(fields["name"]),
            address=str(fields["address"]),
            state=State.DRAINING if left else State(str(fields["state"])),
            started_ms=int(str(fields["started_ms"])),
            incarnation=base64.b64decode(str(fields["incarnation"])),
            public=str(fields["public"]),
            load=int(str(fields.get("load", 0))),  # an earlier version says none of these
            accepts=float(str(fields.get("accepts", 0.0))),
            shards=int(str(fields.get("shards", 0))),
        )
    except (ValueError, KeyError, TypeError):
        return None
    return member, left
