"""Processes of pods, as their node sees them: to be killed, or stopped, past Kubernetes."""

import contextlib
import signal
from collections.abc import Iterator

import psutil


def process(variable: str, value: str, lane: str) -> psutil.Process:
    """The main process of a pod, by what its environment says.

    `lane` is the lane's folder: other runs on this machine have pods of the same names. Raises
    LookupError.
    """
    for shim in psutil.process_iter(["cmdline"]):
        if not any(lane in word for word in shim.info["cmdline"] or ()):
            continue
        for child in _children(shim):
            with contextlib.suppress(psutil.Error):
                if child.environ().get(variable) == value:
                    return child
    raise LookupError(f"{variable}={value}")


def _children(shim: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return shim.children()
    return []


@contextlib.contextmanager
def stopped(found: psutil.Process) -> Iterator[None]:
    """SIGSTOP inside; after it the process goes on as if no time had passed."""
    found.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            found.send_signal(signal.SIGCONT)
