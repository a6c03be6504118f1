"""The clocks of this machine. What decides something by the time gets one as an argument."""

import time


def unix_ms() -> int:
    """Unix time in milliseconds: what is told to others, and stored."""
    return time.time_ns() // 1_000_000


def boot_clock() -> float:
    """Seconds on a clock that goes on while the machine sleeps (L2)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_ms() -> int:
    """The same in milliseconds: one clock for all processes of a machine, until it starts anew."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
