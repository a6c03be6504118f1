"""The first process of a container: the kernel gives it no signal for which it has no handler.

A pod that is told to go while it still starts would stay for its whole grace period.
"""

import os
import signal

FIRST = 1


def end_when_told(process: int = FIRST) -> None:
    """Let SIGTERM end this process at once, as it ends any other, if its id is this.

    Nothing is held before a service runs; from then on its own handler is there in place of this.
    """
    if os.getpid() == process:
        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
