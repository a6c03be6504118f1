"""`python -m tests.support.lanes [NAME …]`: fetch lanes, start each once, say how long it took."""

import sys
import tempfile
import time
from pathlib import Path

from tests.support.lanes import LANES


def say(text: str) -> None:
    print(text, flush=True)


def main(names: list[str]) -> None:
    for name in names or list(LANES):
        lane = LANES[name]
        began = time.monotonic()
        lane.fetch(say)
        fetched = time.monotonic() - began
        with tempfile.TemporaryDirectory(prefix=f"lane-{name}-") as folder:
            server = lane.make(Path(folder), say).start()
            ready = server.started_in_s
            server.restart()
            say(
                f"{name} {lane.version}: fetched in {fetched:.1f} s, ready in {ready:.2f} s,"
                f" again after SIGKILL in {server.started_in_s:.2f} s"
            )
            server.end()


if __name__ == "__main__":
    main(sys.argv[1:])
