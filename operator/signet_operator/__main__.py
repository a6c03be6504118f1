"""The operator's process: `python -m signet_operator` (settings.py).

Leadership that is lost, or a kopf that ends, ends the process at once: nothing is written by one
that is not watching, nor by one that another may have followed (E3).
"""

import asyncio
import os
import signal
import sys

import kopf
import structlog
from pydantic import ValidationError

from signet.telemetry import logs
from signet_operator.running import Operator
from signet_operator.settings import PREFIX, OperatorSettings

LOST, BAD_SETTINGS, FAILED = 6, 2, 1

log = structlog.get_logger()


def main() -> int:
    """Exit status."""
    try:
        settings = OperatorSettings()
    except ValidationError as bad:
        for error in bad.errors():
            name = PREFIX + "_".join(map(str, error["loc"])).upper()
            print(f"{name}: {error['msg']}", file=sys.stderr)  # noqa: T201 - logs are not set up yet
        return BAD_SETTINGS
    logs.configure(settings.log_format, settings.log_level)
    return asyncio.run(_run(settings))


async def _run(settings: OperatorSettings) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def lost(why: str) -> None:
        log.warning("not the leader any more; this process ends", reason=why)
        os._exit(LOST)

    operator = Operator(settings, kopf.OperatorRegistry(), lost)
    await operator.start()
    waits = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(operator.watching)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not ended.is_set():
        why = None if operator.watching.cancelled() else operator.watching.exception()
        log.error("the watches have ended; this process ends", exc_info=why)
        os._exit(FAILED)
    await operator.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
