"""Every interleaving of a scope, depth first; a state that was seen is not entered again."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.simulation import promises, steps
from tests.support.simulation.scope import Action, Rules, Scope, Violation
from tests.support.simulation.state import State, World
from tests.support.simulation.symmetry import Symmetry
from tests.support.simulation.world import actions, first, step

Path = tuple[Any, ...] | None  # (path before, action)
SAY_S = 10.0  # of CPU, between two lines about a scope that takes long
LOOK = 1 << 10  # steps between two looks at the clock


class Explored(NamedTuple):
    """`trace`: the actions to the violation, if there is one. `whole`: no state was left out."""

    scope: Scope
    states: int
    steps: int
    depth: int
    seconds: float
    violation: str | None
    trace: tuple[Action, ...]
    whole: bool

    def __str__(self) -> str:
        rate = self.states / max(self.seconds, 1e-9)
        text = (
            f"{self.states} states, {self.steps} steps, depth {self.depth}, "
            f"{self.seconds:.1f} s of CPU, {rate:.0f} states/s"
        )
        if self.violation:
            return (
                f"{self.violation}\n  after {len(self.trace)} steps:\n{told(self.trace)}\n  {text}"
            )
        return text + ("" if self.whole else " (not all)")


def told(trace: tuple[Action, ...]) -> str:
    return "\n".join(f"    {kind} {n} {what or ''}" for kind, n, what in trace)


class Progress:
    """Says how far a scope is, every so many seconds of CPU."""

    def __init__(self, say: Callable[[str], None], every_s: float) -> None:
        self._say, self._every_s = say, every_s
        self._at, self._states = time.process_time(), 0

    def look(self, states: int, waiting: int, steps: int, depth: int) -> None:
        passed = time.process_time() - self._at
        if passed < self._every_s:
            return
        rate = (states - self._states) / max(passed, 1e-9)
        self._say(
            f"{states} states, {waiting} of them not gone on from, {steps} steps, depth {depth},"
            f" {rate:.0f} states/s"
        )
        self._at, self._states = time.process_time(), states


def silent(_: str) -> None:
    """Nobody waits to hear it."""


def explore(
    scope: Scope,
    rules: Rules | None = None,
    most: int = 50_000_000,
    wide: bool = False,
    say: Callable[[str], None] = silent,
    every_s: float = SAY_S,
) -> Explored:
    """Until a promise is broken, all is seen, or `most` states were.

    `wide`: breadth first, which finds what is few steps away, and needs more memory. `say` is told
    how far it is, every `every_s` of CPU.
    """
    began = time.process_time()
    world = first(scope, rules, remember=True)
    state = world.freeze()
    symmetry = Symmetry(scope, world.memo)
    seen, met = {symmetry.name(state)}, {hash(state)}
    stack: deque[tuple[State, Path, int]] = deque([(state, None, 0)])
    count, depth, progress = 0, 0, Progress(say, every_s)

    def done(violation: str | None, path: Path, whole: bool) -> Explored:
        trace = shortest(scope, rules, unrolled(path)) if violation else ()
        seconds = time.process_time() - began
        return Explored(scope, len(seen), count, depth, seconds, violation, trace, whole)

    while stack:
        state, path, far = stack.popleft() if wide else stack.pop()
        depth = max(depth, far)
        for action in list(actions(world.thaw(state))):
            world.thaw(state)
            count += 1
            if not count % LOOK:
                progress.look(len(seen), len(stack), count, depth)
            try:
                steps.step(world, action)
                after = world.freeze()
                if after[1:] == state[1:]:
                    continue  # a fault that changes nothing
                raw = hash(after)
                if raw in met:
                    continue
                met.add(raw)
                name = symmetry.name(after)
                if name in seen:
                    continue
                promises.check(world)
            except Violation as violation:
                return done(str(violation), (path, action), False)
            if len(seen) >= most:
                return done(None, None, False)
            seen.add(name)
            stack.append((after, (path, action), far + 1))
    return done(None, None, True)


def unrolled(path: Path) -> tuple[Action, ...]:
    found: list[Action] = []
    while path is not None:
        path, action = path
        found.append(action)
    return tuple(reversed(found))


def possible(world: World, action: Action) -> bool:
    """Of equal tuples of different types, each is another action."""
    return any(found == action and type(found[2]) is type(action[2]) for found in actions(world))


def violated(scope: Scope, rules: Rules | None, trace: tuple[Action, ...]) -> str | None:
    """What breaks at the end of the trace; None: nothing, or the trace is not possible."""
    world: World = first(scope, rules, remember=False)
    for action in trace:
        if not possible(world, action):
            return None
        try:
            step(world, action)
        except Violation as violation:
            return str(violation)
    return None


def replayed(scope: Scope, rules: Rules | None, trace: tuple[Action, ...]) -> str | None:
    """The same run under other rules: steps that are not possible there are left out."""
    world = first(scope, rules, remember=False)
    for action in trace:
        if possible(world, action):
            try:
                step(world, action)
            except Violation as violation:
                return str(violation)
    return None


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
