"""The same world, walked at random from a seed: many more messages and faults than a scope holds.

A walk ends with a calm: no more faults, and everything must be answered SENT, shown, and served.
"""

import random
import time
from typing import NamedTuple

from tests.support.simulation.explorer import shortest, violated
from tests.support.simulation.world import Action, Rules, Scope, Violation, World

FAULTS = {"crash", "timeout", "apply", "late", "lie", "tick", "start", "release", "forget"}


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


def walk(
    scope: Scope, rules: Rules | None, seed: int, walks: int, most: int = 400, end: float = 1e18
) -> Walked:
    """Walks of the seeds from `seed` on, until one finds a violation, or until the time `end`."""
    rules, began, steps, sent, n = rules or Rules(), time.perf_counter(), 0, 0, 0
    for n in range(walks):
        if time.perf_counter() > end:
            break
        world, trace, found = one(scope, rules, seed + n, most)
        steps, sent = steps + len(trace), sent + len(world.sent)
        if found is not None:
            seconds = time.perf_counter() - began
            short = shortest(scope, rules, trace)
            assert violated(scope, rules, short)
            return Walked(seed + n, n + 1, steps, sent, seconds, found, short)
    return Walked(seed, n + 1, steps, sent, time.perf_counter() - began)
