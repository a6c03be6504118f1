"""What the core and the store answered once need not be asked again.

The state of a world is a tuple of parts: each router's core, each part of the store, each person,
each operation under way. Equal parts are one object, so that a state is compared and hashed by
the identities of its parts, and what a part becomes is remembered: the core's own code runs once
for each (state of a router, event), however many states of the world contain both.
"""

from collections.abc import Hashable
from typing import Any, NamedTuple

from signet.core.durability.incarnation import Incarnation as Core
from signet.core.durability.operations import Answer, Appended, End, Operation
from tests.support.simulation.clone import clone, key
from tests.support.simulation.store import Apply, Stamp


class Part:
    """A value that is never changed; equal ones are the same object, if that is remembered."""

    __slots__ = ("order", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.order = ""  # what a sorted tuple of parts is sorted by

    def __repr__(self) -> str:
        return repr(self.value)


class Called(NamedTuple):
    """A router after an event. `ended`: it performs nothing more (L3). `said`: what it returned."""

    core: Part
    ended: bool
    tokens: tuple[int, ...]
    operations: tuple[Part, ...]
    said: Any = None


class Memo:
    """`remember` False: nothing is kept, and a core is changed in its place (for one walk)."""

    def __init__(self, store: Apply, stamp: Stamp, remember: bool) -> None:
        self.store, self.stamp, self.remember = store, stamp, remember
        self.parts: dict[Hashable, Part] = {}
        self.calls: dict[Hashable, Called] = {}
        self.applied: dict[Hashable, tuple[Part, Answer]] = {}
        self.facts: dict[Hashable, Any] = {}  # what else was found out about parts

    def part(self, value: Any) -> Part:
        """The one part of that value: of equal tuples of different types there are two."""
        if not self.remember:
            return Part(value)
        name = (type(value), value)
        found = self.parts.get(name)
        if found is None:
            found = self.parts[name] = Part(value)
            found.order = repr(value)
        return found

    def core(self, core: Core) -> Part:
        if not self.remember:
            return Part(core)
        name = key(core)
        found = self.parts.get(name)
        if found is None:
            found = self.parts[name] = Part(core)
        return found

    def apply(self, part: Part, operation: Part, issued: int) -> tuple[Part, Answer]:
        """What the store does, and says."""
        name = (part, operation, issued)
        found = self.applied.get(name) if self.remember else None
        if found is None:
            after, answer = self.store(part.value, operation.value, issued, self.stamp)
            found = (part if after is part.value else self.part(after), answer)
            if self.remember:
                self.applied[name] = found
        return found

    def call(self, core: Part, method: str, *arguments: Any) -> Called:
        """What the core does: its own code, on a copy of its state."""
        if not self.remember:
            return self._called(core.value, core, method, arguments)
        name = (core, method, arguments)
        found = self.calls.get(name)
        if found is None:
            copy: Core = clone(core.value)
            found = self.calls[name] = self._called(copy, None, method, arguments)
        return found

    def _called(
        self, core: Core, part: Part | None, method: str, arguments: tuple[Any, ...]
    ) -> Called:
        plain = [a.value if isinstance(a, Part) else a for a in arguments]
        effects = getattr(core, method)(*plain)
        operations: list[Operation] = []
        tokens: list[int] = []
        for effect in effects if isinstance(effects, list) else ():
            if isinstance(effect, End):
                return Called(part or self.core(core), True, tuple(tokens), ())
            if isinstance(effect, Appended):
                tokens.append(effect.token)
            else:
                operations.append(effect)
        after = part or self.core(core)
        return Called(after, False, tuple(tokens), tuple(map(self.part, operations)), effects)
