"""The same world, walked at random from a seed: many more messages and faults than a scope holds.

A walk may end with a calm: no more faults, and everything must be answered SENT and shown (P2).
"""

import random
import time
from typing import NamedTuple

from tests.support.simulation.explorer import shortest, violated
from tests.support.simulation.world import Action, Rules, Scope, Violation, World

CALM_TICKS = 40
FAULTS = {"crash", "timeout", "apply", "late", "lie", "tick", "start", "release", "forget"}
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
    chance, world = random.Random(seed), World(scope, rules)
    eager, trace = chance.choice((0.03, 0.1, 0.3, 1.0)), []
    for _ in range(most):
        actions = list(world.actions())
        if not actions:
            break
        weights = [eager if action[0] in FAULTS else 1.0 for action in actions]
        action = chance.choices(actions, weights)[0]
        trace.append(action)
        try:
            world.step(action)
        except Violation as violation:
            return world, tuple(trace), str(violation)
    return world, tuple(trace), None


def calm(world: World) -> str | None:
    """No more faults: late writes arrive, a router lives; what is left undone, if anything is."""
    while world.late:
        world.step(("late", 0, 0))
    world.left = dict.fromkeys(world.left, 0)
    for _ in range(CALM_TICKS):
        for router, core in enumerate(world.routers):
            if core is None:
                world.step(("start", router, 0))
        for _ in range(400):
            quiet = [action for action in world.actions() if action[0] not in QUIETED]
            if not quiet:
                break
            world.step(quiet[0])
        if all(len(shown) == world.scope.messages for shown in world.shown.values()):
            return None
        world.step(("tick", 0, 0))
    return f"P2: after a calm of {CALM_TICKS} ticks only {world.shown} are shown"


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
        steps, sent = steps + len(trace), sent + len(world.sent)
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
