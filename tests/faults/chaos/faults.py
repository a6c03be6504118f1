"""What breaks when: a plan made of a seed. Pure; the same for the same seed and the same parts.

Every second something that is whole is broken. What was broken is left alone until it has had
time to come back, so that every fault of a plan can happen when its time comes.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

EVERY = 1.0  # seconds between two faults


class Kind(Enum):
    """Ways to break something. Those that last are healed at their end."""

    KILL = "kill -9"  # started again after it has been away for `lasts` seconds
    TERM = "SIGTERM"  # ended in its own way, then as above
    STOP = "SIGSTOP"
    RESTART = "restart"  # kill -9 and start at once: a store
    LOCK = "lock"  # another process holds the file
    SLOW = "slow"  # bytes come late
    CUT = "cut"  # connections are reset
    STALL = "stall"  # bytes do not come
    DROP = "drop frames"
    REPEAT = "repeat frames"
    REORDER = "reorder frames"
    PARTITION = "partition"
    PEOPLE = "kill -9 of people"


@dataclass(frozen=True, slots=True)
class Way:
    """How a part may be broken: how often in comparison, for how long, how long it then rests."""

    weight: float
    shortest: float
    longest: float
    rest: float


@dataclass(frozen=True, slots=True)
class Part:
    """Something that can be broken, by its name."""

    name: str
    ways: Mapping[Kind, Way]


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of a plan: seconds from its beginning."""

    at: float
    kind: Kind
    part: str
    lasts: float

    def __str__(self) -> str:
        lasts = f" for {self.lasts:.1f} s" if self.lasts else ""
        return f"{self.at:6.1f} s  {self.kind.value} {self.part}{lasts}"


def plan(parts: Sequence[Part], seed: int, seconds: float) -> list[Fault]:
    """Faults from the first second on; all are over when `seconds` are."""
    chance, at = random.Random(seed), EVERY
    whole_from = {part.name: 0.0 for part in parts}
    faults: list[Fault] = []
    while at < seconds:
        fault = _choose(parts, whole_from, at, seconds, chance)
        if fault is not None:
            faults.append(fault)
        at += EVERY
    return faults


def _choose(
    parts: Sequence[Part],
    whole_from: dict[str, float],
    at: float,
    end: float,
    chance: random.Random,
) -> Fault | None:
    """First the kind, so that all kinds come up however many parts there are; then the part."""
    ways = [
        (kind, part, way)
        for part in parts
        if whole_from[part.name] <= at
        for kind, way in part.ways.items()
        if at + way.shortest <= end
    ]
    if not ways:
        return None
    weights: dict[Kind, float] = {}
    for kind, _, way in ways:
        weights[kind] = max(weights.get(kind, 0.0), way.weight)
    (chosen,) = chance.choices(list(weights), list(weights.values()))
    kind, part, way = chance.choice([one for one in ways if one[0] is chosen])
    lasts = round(min(chance.uniform(way.shortest, way.longest), end - at), 1)
    whole_from[part.name] = at + lasts + way.rest
    return Fault(at, kind, part.name, lasts)
