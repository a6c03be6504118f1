"""`python -m tests.support.simulation --minutes N --seed S`: long walks, then a larger scope."""

import argparse
import sys
import time

from tests.support.simulation.cases import SOAK, WIDE
from tests.support.simulation.explorer import explore
from tests.support.simulation.walk import walk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.simulation")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to walk")
    parser.add_argument("--seed", type=int, default=1, help="of the first walk; the next adds one")
    parser.add_argument("--states", type=int, default=0, help="explore the wide scope, to so many")
    arguments = parser.parse_args()
    end = time.perf_counter() + 60 * arguments.minutes
    print(f"walks from seed {arguments.seed} in {SOAK}")
    walked = walk(SOAK, None, arguments.seed, walks=1_000_000_000, most=5_000, end=end, quiet=True)
    print(walked)
    broken = walked.violation is not None
    if arguments.states:
        print(f"every interleaving of {WIDE}")
        explored = explore(WIDE, most=arguments.states)
        print(explored)
        broken = broken or explored.violation is not None
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
