"""Run a module as `python -m` does, in a process that does not outlive its parent.

    python -m signet.cluster.tied PARENT_PID MODULE ARGUMENT …

Linux sends SIGKILL when the parent's thread ends, however it ends. Elsewhere the process only
sees to it that its parent was there when it began.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def tie(parent: int) -> None:
    """From now on, end with the parent. Raises SystemExit where it has ended already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the process that started this one has ended")


if __name__ == "__main__":
    tie(int(sys.argv[1]))
    module = sys.argv[2]
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
