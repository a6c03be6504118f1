"""A process that was asked to end ends, whatever a thread of it waits for."""

import asyncio
import sys
from asyncio.subprocess import PIPE

STUCK = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
from signet.pod.ending import end_within
from signet.telemetry import logs

logs.configure("json", "info")
end_within(float(sys.argv[1]))
ThreadPoolExecutor().submit(threading.Event().wait)
"""


async def test_a_process_that_a_thread_keeps_ends_in_its_time_and_says_so() -> None:
    command = (sys.executable, "-c", STUCK, "0.2")
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60):
        _, said = await process.communicate()
    assert process.returncode == 0
    assert b"not ready to end in time" in said
