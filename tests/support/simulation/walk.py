"""The same world, walked at random from a seed: many more messages and faults than a scope holds.

A walk may end with a calm: no more faults, and everything must be answered SENT and shown (P2).
"""

import random
import time
from typing import NamedTuple

from tests.support.simulation.explorer import shortest, violated
from tests.support.simulation.scope import Action, Rules, Scope, Violation
from tests.support.simulation.state import World
from tests.support.simulation.world import actions, first, step

CALM_TICKS = 40
FAULTS = {
    "crash", "timeout", "apply", "late", "lie", "tick", "start", "release", "forget", "connect",
    "stop", "suspend", "resume",
}  # fmt: skip
QUIETED = {"late", "forget"}


class Walked(NamedTuple):
    """What one or many walks did. `trace` ends in `violation`, if there is one."""

    seed: int
    walks: int
    steps: int
    sent: int
    seconds: float
    violation: str | None = None
    trace: tuple[Action, ...] = ()

    def __str__(self) -> str:
        rate = self.steps / max(self.seconds, 1e-9)
        text = f"{self.walks} walks, {self.steps} steps, {self.sent} sent, {rate:.0f} steps/s"
        if self.violation is None:
            return text
        return (
            f"seed {self.seed}: {self.violation}\n  {len(self.trace)} steps: {self.trace}\n  {text}"
        )


def one(
    scope: Scope, rules: Rules, seed: int, most: int
) -> tuple[World, tuple[Action, ...], str | None]:
    """One walk of up to `most` steps."""
    chance, world = random.Random(seed), first(scope, rules, remember=False)
    eager, trace = chance.choice((0.03, 0.1, 0.3, 1.0)), []
    for _ in range(most):
        possible = list(actions(world))
        if not possible:
            break
        weights = [eager if action[0] in FAULTS else 1.0 for action in possible]
        action = chance.choices(possible, weights)[0]
        trace.append(action)
        try:
            step(world, action)
        except Violation as violation:
            return world, tuple(trace), str(violation)
    return world, tuple(trace), None


def calm(world: World) -> str | None:
    """No more faults: late writes arrive, a router lives; what is left undone, if anything is."""
    while world.late:
        step(world, ("late", 0, world.late[0].value.operation.value))
    world.left = [0] * len(world.left)
    for _ in range(CALM_TICKS):
        for router, core in enumerate(world.cores):
            if core is None:
                step(world, ("start", router, 0))
            elif world.paused(router):
                step(world, ("resume", router, 0))
        for _ in range(400):
            quiet = next((a for a in actions(world) if a[0] not in QUIETED), None)
            if quiet is None:
                break
            step(world, quiet)
        if all(served(world, n) for n in range(world.scope.shards)):
            return None
        step(world, ("tick", 0, 0))
    shown = [part.value.shown for part in world.people]
    return f"P2: after a calm of {CALM_TICKS} ticks only {shown} are shown"


def served(world: World, n: int) -> bool:
    """Whether device n was shown all, or was told that it is gone by its age (P2, W2)."""
    person, messages = world.person(n), world.scope.sends(n)
    if not world.scope.ttl:
        return len(person.shown) == messages
    told = {m for m, (_, at) in enumerate(person.accepted, 1) if at <= person.cursor}
    return len({*person.shown, *told}) == messages


def walk(
    scope: Scope,
    rules: Rules | None,
    seed: int,
    walks: int,
    most: int = 400,
    end: float = 1e18,
    quiet: bool = False,
) -> Walked:
    """Walks of the seeds from `seed` on, until one finds a violation, or until the time `end`.

    `quiet`: each ends with a calm, after which everything must have been shown.
    """
    rules, began, steps, sent, n = rules or Rules(), time.perf_counter(), 0, 0, 0
    for n in range(walks):
        if time.perf_counter() > end:
            break
        world, trace, found = one(scope, rules, seed + n, most)
        steps, sent = steps + len(trace), sent + sum(len(part.value.sent) for part in world.people)
        if found is None and quiet:
            try:
                stuck = calm(world)
            except Violation as violation:
                stuck = f"in the calm: {violation}"
            if stuck is not None:
                seconds = time.perf_counter() - began
                return Walked(seed + n, n + 1, steps, sent, seconds, stuck, trace)
        if found is not None:
            seconds = time.perf_counter() - began
            short = shortest(scope, rules, trace)
            assert violated(scope, rules, short)
            return Walked(seed + n, n + 1, steps, sent, seconds, found, short)
    return Walked(seed, n + 1, steps, sent, time.perf_counter() - began)
