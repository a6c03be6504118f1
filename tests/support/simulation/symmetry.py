"""States that differ only in which router, or which shard, is which, are one.

All routers but the first begin alike, and all shards. So a state's name is the lowest of the
hashes of the states that it becomes when they are renamed.
"""

from itertools import permutations, product
from typing import Any, NamedTuple

from signet.core.durability.incarnation import Incarnation as Core
from tests.support.simulation.clone import OURS, names
from tests.support.simulation.memo import Memo, Part
from tests.support.simulation.scope import Scope, Shard, Token, Where, life, user
from tests.support.simulation.state import Flying, State, order


class Renaming(NamedTuple):
    """`routers[r]` is the new index of router r; so are `shards`; `words` are lives and users."""

    routers: tuple[int, ...]
    shards: tuple[int, ...]
    words: dict[bytes, bytes]


def renamings(scope: Scope) -> list[Renaming]:
    """Every one but that which changes nothing. Routers with clocks of their own are not alike, nor
    are shards with more messages than others.
    """
    routers = [tuple(range(scope.routers))]
    if not scope.clocks:
        routers = [(0, *rest) for rest in permutations(range(1, scope.routers))]
    same = range(1 if scope.fewer else 0, scope.shards)
    shards = [(*range(same.start), *rest) for rest in permutations(same)]
    return [_renaming(r, s) for r, s in list(product(routers, shards))[1:]]


def _renaming(routers: tuple[int, ...], shards: tuple[int, ...]) -> Renaming:
    words = {bytes(life(n + 1)): bytes(life(m + 1)) for n, m in enumerate(routers)}
    words |= {bytes(user(n)): bytes(user(m)) for n, m in enumerate(shards)}
    return Renaming(routers, shards, words)


class Symmetry:
    """Names states; keeps what each part is renamed to."""

    __slots__ = ("known", "memo", "renamings")

    def __init__(self, scope: Scope, memo: Memo) -> None:
        self.memo = memo
        self.renamings = renamings(scope)
        self.known: list[dict[Part, Part]] = [{} for _ in self.renamings]

    def name(self, state: State) -> int:
        name = hash(state)
        for n in range(len(self.renamings)):
            name = min(name, hash(self.renamed(state, n)))
        return name

    def renamed(self, state: State, n: int) -> State:
        (
            left, now, skew, lives, cores, machines, leases, shards, journals, inboxes, people,
            pushed, flying, late,
        ) = state  # fmt: skip
        by, width = self.renamings[n], len(shards)
        router, more = by.routers, range(len(by.routers), len(leases))
        life_at = (*router, *more)
        places = [0] * len(pushed)
        for at, position in enumerate(pushed):
            places[router[at // width] * width + by.shards[at % width]] = position
        return (
            left, now, skew, lives, self.moved(cores, router, n), self.moved(machines, router, n),
            self.moved(leases, life_at, n), self.moved(shards, by.shards, n),
            self.moved(journals, life_at, n), self.moved(inboxes, by.shards, n),
            self.moved(people, by.shards, n), tuple(places),
            tuple(sorted([self.part(part, n) for part in flying], key=order)),
            tuple(sorted([self.part(part, n) for part in late], key=order)),
        )  # fmt: skip

    def moved(self, parts: tuple[Any, ...], to: tuple[int, ...], n: int) -> tuple[Any, ...]:
        """Each part, renamed, at its new index."""
        after: list[Any] = list(parts)
        for at, part in enumerate(parts):
            after[to[at]] = part if part is None else self.part(part, n)
        return tuple(after)

    def part(self, part: Part, n: int) -> Part:
        found = self.known[n].get(part)
        if found is None:
            value = self.value(part.value, n)
            found = self.memo.core(value) if isinstance(value, Core) else self.memo.part(value)
            self.known[n][part] = found
        return found

    def value(self, value: Any, n: int) -> Any:
        """The same value with other names."""
        by, kind = self.renamings[n], type(value)
        if kind is bytes:
            return by.words.get(value, value)
        if kind is Shard:
            return Shard(by.shards[value])
        if kind is Where:
            lives, segment = value.parts()
            lives = by.routers[lives - 1] + 1 if lives <= len(by.routers) else lives
            return Where.of(lives, segment, value.accepted())
        if kind is Token:
            shard, epoch, message = value.parts()
            return Token.of(by.shards[shard], epoch, message)
        if kind is Part:
            return self.part(value, n)
        if kind is Flying:
            return self.flying(value, n)
        return self.container(value, n)

    def flying(self, flying: Flying, n: int) -> Flying:
        router = self.renamings[n].routers[flying.router]
        answer = self.value(flying.answer, n)
        return Flying(router, self.part(flying.operation, n), flying.issued, answer)

    def container(self, value: Any, n: int) -> Any:
        kind = type(value)
        if isinstance(value, OURS):
            new = object.__new__(kind)
            for name in names(kind):
                setattr(new, name, self.value(getattr(value, name), n))
            return new
        if kind is dict:
            return {self.value(key, n): self.value(item, n) for key, item in value.items()}
        if kind in (list, set, frozenset):
            return kind(self.value(item, n) for item in value)
        if isinstance(value, tuple):
            items = [self.value(item, n) for item in value]
            return kind(*items) if hasattr(kind, "_fields") else kind(items)
        return value
