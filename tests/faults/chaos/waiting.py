"""`kill -USR1` a process of the chaos run: it says where all its tasks wait."""

import asyncio
import signal
import sys
from typing import Any


def say_when_asked() -> None:
    """On standard error, from now on."""

    def show() -> None:
        for task in asyncio.all_tasks():
            print(task.get_name(), " < ".join(places(task.get_coro())), file=sys.stderr)
        sys.stderr.flush()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, show)


def places(waits: Any) -> list[str]:
    """Where each of the coroutines stands that wait for one another, the outermost first."""
    found = []
    while frame := getattr(waits, "cr_frame", None):
        found.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        waits = waits.cr_await
    return found
