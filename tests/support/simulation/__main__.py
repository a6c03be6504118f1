"""`python -m tests.support.simulation --seconds N --seed S`: long walks, or larger scopes.

The walks of the same seed are the same. Printed: the seed of every walk, its steps and its states.
"""

import argparse
import sys
import time

from tests.support.simulation.cases import SCOPES, SOAK, WIDE
from tests.support.simulation.explorer import explore
from tests.support.simulation.walk import walk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.simulation")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to walk")
    parser.add_argument("--seed", type=int, default=1, help="of the first walk; the next adds one")
    parser.add_argument("--walks", type=int, default=1_000_000_000, help="at most so many")
    parser.add_argument("--scopes", default="", help="explore those whose name contains it: all")
    parser.add_argument("--states", type=int, default=50_000_000, help="of a scope, at most")
    arguments = parser.parse_args()
    if arguments.scopes:
        return scopes(arguments.scopes, arguments.states)
    return walks(arguments.seed, arguments.walks, arguments.seconds)


def walks(seed: int, many: int, seconds: float) -> int:
    print(f"walks from seed {seed} in {SOAK}")
    end = time.perf_counter() + seconds
    while many and time.perf_counter() < end:
        walked = walk(SOAK, None, seed, walks=1, most=5_000, quiet=True)
        print(f"seed {seed}: {walked}", flush=True)
        if walked.violation is not None:
            return 1
        seed, many = seed + 1, many - 1
    return 0


def scopes(name: str, states: int) -> int:
    broken = False
    for title, scope in (SCOPES | WIDE).items():
        if name in ("all", title) or name in title:
            print(f"{title}: {scope}", flush=True)
            explored = explore(
                scope, most=states, say=lambda text: print(f"  … {text}", flush=True)
            )
            print(f"  {explored}", flush=True)
            broken = broken or explored.violation is not None
    return int(broken)


def say(text: str) -> None:
    print(f"  … {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
