"""The end of a process that was asked to end, whatever keeps it."""

import os
import threading

import structlog

log = structlog.get_logger()


def end_within(seconds: float) -> None:
    """From now on this process has so many seconds; then it ends where it stands, with status 0.

    It is safe at any moment: what was answered SENT is in the store (P6). A store that does not
    answer may hold up each step of an orderly end, a thread that waits for it the last one.
    """

    def end() -> None:
        log.warning("the process was not ready to end in time; it ends all the same")
        os._exit(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
