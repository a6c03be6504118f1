"""A world around the real core: worlds.first begins one, actions and step run it."""

from collections.abc import Iterator

from tests.support.simulation import possible, promises, steps
from tests.support.simulation.memo import Memo
from tests.support.simulation.scope import Action, Rules, Scope
from tests.support.simulation.state import World


def first(scope: Scope, rules: Rules | None, remember: bool) -> World:
    """The beginning: every router lives, the first has all shards, nobody has said anything."""
    rules = rules or Rules()
    return steps.start(World(scope, rules, Memo(rules.store, rules.stamp, remember)))


def actions(world: World) -> Iterator[Action]:
    return possible.actions(world)


def step(world: World, action: Action) -> None:
    """Raises:
    Violation: a promise does not hold after it.
    """
    steps.step(world, action)
    promises.check(world)
