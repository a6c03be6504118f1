"""`python -m tests.faults.chaos --minutes 1 --seed 7 --stores embedded|real`: see `run`.

The last line is `chaos: N sent, N shown, 0 lost, 0 doubled, 0 out of order, recovery p99 S s`; the
exit status is 1 if one of the zeros is not one, or somebody did not catch up.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.faults.chaos.one_process import OneProcess
from tests.faults.chaos.run import Chaos, Size


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--stores", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--rate", type=float, default=40.0, help="messages a second, of all")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to catch up in")
    return parser.parse_args()


async def main(asked: argparse.Namespace, folder: Path) -> int:
    size = Size(
        people=asked.people,
        processes=4,
        rate=asked.rate,
        restarts=asked.people / 100,
        patience=asked.patience,
    )
    system = OneProcess(folder)
    chaos = Chaos(system, size, seed=asked.seed, seconds=asked.minutes * 60, folder=folder, say=say)
    return await chaos.play()


def play() -> int:
    """What went wrong can be looked at in the folder; what went well leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="signet-chaos-"))
    say(f"stores and logs: {folder}, kept if anything goes wrong")
    status = uvloop.run(main(arguments(), folder))
    if status == 0:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(play())
