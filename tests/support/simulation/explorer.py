"""Every interleaving of a scope, depth first; a state that was seen is not entered again."""

import time
from typing import NamedTuple

from tests.support.simulation.world import Action, Rules, Scope, Violation, World


class Explored(NamedTuple):
    """`trace`: the actions to the violation, if there is one. `whole`: no state was left out."""

    scope: Scope
    states: int
    steps: int
    seconds: float
    violation: str | None
    trace: tuple[Action, ...]
    whole: bool

    def __str__(self) -> str:
        rate = self.states / max(self.seconds, 1e-9)
        text = (
            f"{self.states} states, {self.steps} steps, {self.seconds:.1f} s, {rate:.0f} states/s"
        )
        if self.violation:
            return f"{self.violation}\n  after {len(self.trace)} steps: {self.trace}\n  {text}"
        return text + ("" if self.whole else " (not all)")


def explore(scope: Scope, rules: Rules | None = None, most: int = 2_000_000) -> Explored:
    began = time.perf_counter()
    first = World(scope, rules or Rules())
    seen = {first.key()}
    stack: list[tuple[World, tuple[Action, ...]]] = [(first, ())]
    steps = 0

    def done(violation: str | None, trace: tuple[Action, ...], whole: bool) -> Explored:
        seconds = time.perf_counter() - began
        return Explored(scope, len(seen), steps, seconds, violation, trace, whole)

    while stack:
        world, trace = stack.pop()
        for action in world.actions():
            after, steps = world.clone(), steps + 1
            try:
                after.step(action)
            except Violation as violation:
                return done(str(violation), shortest(scope, rules, (*trace, action)), False)
            name = after.key()
            if name not in seen:
                if len(seen) >= most:
                    return done(None, (), False)
                seen.add(name)
                stack.append((after, (*trace, action)))
    return done(None, (), True)


def violated(scope: Scope, rules: Rules | None, trace: tuple[Action, ...]) -> bool:
    """Whether the trace is possible and ends in a violation."""
    world = World(scope, rules or Rules())
    for action in trace:
        if action not in list(world.actions()):
            return False
        try:
            world.step(action)
        except Violation:
            return True
    return False


def shortest(scope: Scope, rules: Rules | None, trace: tuple[Action, ...]) -> tuple[Action, ...]:
    """Leave out steps, many at once, then one, as long as it still ends in a violation."""
    size = max(len(trace) // 2, 1)
    while size:
        n, shorter = 0, False
        while n < len(trace):
            without = (*trace[:n], *trace[n + size :])
            if violated(scope, rules, without):
                trace, shorter = without, True
            else:
                n += size
        if not (shorter and size == 1):
            size //= 2
    return trace
