"""How a pod leaves: `active → draining → empty → gone` (design.md §7). One table, rules at the top.

- V1 A second order goes on with the same drain, under its own deadline and rate.
- V2 Others read that a pod is draining before it moves anything, and that it is active again before
  it takes work again.
- V3 Where nobody is left to take what it holds, nothing is waited for: the deadline is now.
- V4 An order of the admin port can be aborted until the pod is empty; one of a signal never:
  whoever sent it will not wait.
- V5 A pod that a signal has asked ends when it is empty. One that the admin port has asked stays,
  empty, until a signal comes.
- V6 A service that does not come back by its deadline and DRAIN_GRACE counts as empty.
- V7 A pod whose lease is lost is gone at once, whatever it was doing (L3).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from signet.core.limits import DRAIN_GRACE


class Stage(StrEnum):
    """Where a pod is. EMPTY: nothing is left on it; GONE: its process may end."""

    ACTIVE = "active"
    DRAINING = "draining"
    EMPTY = "empty"
    GONE = "gone"


class Order(NamedTuple):
    """What was asked. `deadline` is on the pod's monotonic clock, in seconds.

    `rate` is the most that is asked to move in a second (gateway: streams, router: shards);
    0 leaves it to what the survivors accept.
    """

    deadline: float
    rate: float = 0.0


class Life(NamedTuple):
    """A pod. `ending`: its process ends when it is empty."""

    stage: Stage = Stage.ACTIVE
    order: Order | None = None
    ending: bool = False

    @property
    def wake_at(self) -> float | None:
        """When `Late` is due; None: never."""
        draining = self.stage is Stage.DRAINING and self.order is not None
        return self.order.deadline + DRAIN_GRACE if draining and self.order else None


# --- what happens to it -------------------------------------------------------------------------


class Ordered(NamedTuple):
    """Leave. `ending`: a signal said so. `survivors`: others of its kind are active."""

    order: Order
    ending: bool
    survivors: bool


class Alone(NamedTuple):
    """The last survivor is gone."""


class Aborted(NamedTuple):
    """Stay, said the admin port."""


class Emptied(NamedTuple):
    """The service has given everything away, or closed it at its deadline."""


class Late(NamedTuple):
    """It is `wake_at`."""


class Lost(NamedTuple):
    """The lease is over."""


Event = Ordered | Alone | Aborted | Emptied | Late | Lost

# --- what is done, in order ---------------------------------------------------------------------


class Announce(NamedTuple):
    """Write the pod's record anew: it says the new stage."""


class Drain(NamedTuple):
    """Tell the service to leave, or under which order it goes on."""

    order: Order


class Undrain(NamedTuple):
    """Tell the service to take work again."""


class End(NamedTuple):
    """Take the record away, stop the service, end the process."""


class Die(NamedTuple):
    """End the process now; nothing more follows from anything."""


Effect = Announce | Drain | Undrain | End | Die


Step = tuple[Life, list[Effect]]


def happens(life: Life, event: Event, now: float) -> Step:
    """What an event makes of a pod at this time. The same life and no effects: it is refused."""
    step = _TABLE.get((life.stage, type(event)), _nothing)
    return step(life, event, now)


def _nothing(life: Life, _event: Event, _now: float) -> Step:
    return life, []


def _ordered(life: Life, event: Ordered, now: float) -> Step:
    order = event.order if event.survivors else _at_once(event.order, now)  # V3
    begins: list[Effect] = [Announce()] if life.stage is Stage.ACTIVE else []  # V1, V2
    ending = life.ending or event.ending
    return Life(Stage.DRAINING, order, ending), [*begins, Drain(order)]


def _ordered_empty(life: Life, event: Ordered, _now: float) -> Step:
    return _ended(life) if event.ending else (life, [])  # V5


def _alone(life: Life, _event: Alone, now: float) -> Step:
    if life.order is None or life.order.deadline <= now:
        return life, []
    order = _at_once(life.order, now)  # V3
    return life._replace(order=order), [Drain(order)]


def _aborted(life: Life, _event: Aborted, _now: float) -> Step:
    return (life, []) if life.ending else (Life(), [Announce(), Undrain()])  # V2, V4


def _emptied(life: Life, _event: Emptied | Late, _now: float) -> Step:
    return _ended(life) if life.ending else (life._replace(stage=Stage.EMPTY), [])  # V5


def _late(life: Life, event: Late, now: float) -> Step:
    at = life.wake_at
    return _emptied(life, event, now) if at is not None and now >= at else (life, [])  # V6


def _lost(_life: Life, _event: Lost, _now: float) -> Step:
    return Life(Stage.GONE, None, ending=True), [Die()]  # V7


def _at_once(order: Order, now: float) -> Order:
    return order._replace(deadline=min(order.deadline, now))


def _ended(life: Life) -> Step:
    return life._replace(stage=Stage.GONE, ending=True), [End()]


_TABLE: dict[tuple[Stage, type[Event]], Callable[[Life, Any, float], Step]] = {
    (Stage.ACTIVE, Ordered): _ordered,
    (Stage.ACTIVE, Lost): _lost,
    (Stage.DRAINING, Ordered): _ordered,
    (Stage.DRAINING, Alone): _alone,
    (Stage.DRAINING, Aborted): _aborted,
    (Stage.DRAINING, Emptied): _emptied,
    (Stage.DRAINING, Late): _late,
    (Stage.DRAINING, Lost): _lost,
    (Stage.EMPTY, Ordered): _ordered_empty,
    (Stage.EMPTY, Lost): _lost,
}
