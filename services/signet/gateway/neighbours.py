"""What the members' list says to a gateway: the other gateways, and the ring of all (design.md §4).

Pure: the list and the time are arguments. Rings are hints (L6): all that sees the same list agrees,
and a list that is out of date sends a client on a way that is one step longer.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from signet.core.ids import UserId
from signet.core.ring import Ring
from signet.ports.members import Kind, Member, State


def public_address(member: Member, transport: str) -> str:
    """Where clients of a transport may be sent to, '' for nowhere. See Member.public."""
    for word in member.public.split():
        if word.startswith(("ws://", "wss://")) == (transport == "websocket"):
            return word
    return ""


class Neighbours:
    """`name` is one's own, as in one's record. Times are seconds of one clock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = 0  # of the ring
        self.changed_at = float("-inf")  # when the ring changed
        self._here = True
        self._active: dict[str, Member] = {}  # the others
        self._draining = 0
        self._loads: dict[str, int] = {}
        self._among: frozenset[str] = frozenset((name,))
        self._ring = Ring(self._among)

    def see(self, members: Iterable[Member], now: float) -> None:
        """The list has changed."""
        gateways = [member for member in members if member.kind is Kind.GATEWAY]
        others = [member for member in gateways if member.name != self.name]
        self._active = {m.name: m for m in others if m.state is State.ACTIVE}
        self._draining = sum(member.state is State.DRAINING for member in others)
        self._loads = {m.name: m.load for m in gateways if m.state is State.ACTIVE}
        self._place(now)

    def leave(self, now: float) -> None:
        """This gateway drains: nobody belongs here, whatever the list says."""
        self._here = False
        self._place(now)

    def stay(self, now: float) -> None:
        """It does not any more."""
        self._here = True
        self._place(now)

    def _place(self, now: float) -> None:
        among = frozenset((*self._active, self.name) if self._here else self._active)
        if among != self._among:
            self._among, self._ring = among, Ring(among)
            self.version += 1
            self.changed_at = now

    @property
    def active(self) -> Mapping[str, Member]:
        """The other gateways that take streams, by name."""
        return MappingProxyType(self._active)

    @property
    def draining(self) -> int:
        """How many others drain now."""
        return self._draining

    def home(self, user: UserId) -> Member | None:
        """The other gateway where a user's devices belong; None: here, or nowhere."""
        return self._active.get(self._ring.at(user) or "")

    def skew(self, load: int) -> float:
        """This gateway's load in parts of the average of all; 1.0 is even, or idle."""
        others = [load for name, load in self._loads.items() if name != self.name]
        mean = (sum(others) + load) / (len(others) + 1)
        return load / mean if mean else 1.0
