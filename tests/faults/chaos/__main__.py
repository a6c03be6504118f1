"""`python -m tests.faults.chaos --minutes 1 --seed 7 --stores embedded|real`: see `run`.

The last line is `chaos: N sent, N shown, 0 lost, 0 doubled, 0 out of order, recovery p99 S s`; the
exit status is 1 if one of the zeros is not one, or somebody did not catch up.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import uvloop

# Processes are started while gRPC runs; they are new programs and need nothing of it. Read by gRPC
# when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from tests.faults.chaos import partition, waiting
from tests.faults.chaos.many_processes import ManyProcesses
from tests.faults.chaos.one_process import OneProcess
from tests.faults.chaos.run import Chaos, Size
from tests.faults.chaos.stores import Embedded
from tests.faults.chaos.stores_real import MEMBERS, Real, names
from tests.faults.chaos.system import System
from tests.support.lanes import LANES


def say(text: str) -> None:
    print(text, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--stores", choices=("embedded", "real"), default="embedded")
    parser.add_argument("--members", choices=MEMBERS, default="redis", help="of real stores")
    parser.add_argument("--one", action="store_true", help="`signet run`, not a cluster")
    parser.add_argument("--keep", action="store_true", help="stores and logs, in any case")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--processes", type=int, default=4, help="that the people live in")
    parser.add_argument("--rate", type=float, default=40.0, help="messages a second, of all")
    parser.add_argument("--patience", type=float, default=120.0, help="seconds to catch up in")
    return parser.parse_args()


def system_of(asked: argparse.Namespace, folder: Path) -> System:
    if asked.one:
        return OneProcess(folder)
    embedded = asked.stores == "embedded"
    stores = Embedded(folder / "cluster") if embedded else Real(folder, asked.members)
    return ManyProcesses(folder, stores, asked.seed)


async def main(asked: argparse.Namespace, folder: Path) -> int:
    waiting.say_when_asked()
    size = Size(
        people=asked.people,
        processes=asked.processes,
        rate=asked.rate,
        restarts=asked.people / 100,
        patience=asked.patience,
    )
    chaos = Chaos(
        system_of(asked, folder),
        size,
        seed=asked.seed,
        seconds=asked.minutes * 60,
        folder=folder,
        say=say,
    )
    return await chaos.play()


def play() -> int:
    """What went wrong can be looked at in the folder; what went well leaves nothing behind."""
    asked = arguments()
    if asked.stores == "real" and not partition.inside():
        for name in names(asked.members):
            LANES[name].fetch(say)  # a namespace of our own reaches nobody
    if not partition.inside() and not partition.possible():
        partition.enter(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="signet-chaos-"))
    say(f"stores and logs: {folder}, kept if anything goes wrong")
    status = uvloop.run(main(asked, folder))
    if status == 0 and not asked.keep:
        shutil.rmtree(folder)
    return status


if __name__ == "__main__":
    sys.exit(play())
