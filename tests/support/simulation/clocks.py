"""The clocks of machines: each its own start and rate, and what a suspended one shows (L2)."""

from collections.abc import Callable
from typing import NamedTuple

Clock = Callable[[float, float], float]


class Machine(NamedTuple):
    """A router's process: whether it is scheduled, and for how many ticks it slept so far."""

    paused: str = ""  # "stop": its clock goes on; "suspend": the machine sleeps
    slept: int = 0


def counts_suspend(ticks: float, slept: float) -> float:
    """CLOCK_BOOTTIME: time goes on while the machine sleeps (L2)."""
    return ticks


def shows(clock: Clock, line: tuple[float, float], now: int, machine: Machine) -> float:
    """What the clock of a machine shows at tick `now`; no two need agree (L2)."""
    start, rate = line
    return start + rate * clock(now, machine.slept)
