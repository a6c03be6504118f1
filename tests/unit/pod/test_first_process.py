"""SIGTERM before a service has its own handler (signet.first_process)."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

STARTS = """
import os, signal, time
from signet.first_process import end_when_told
{told}
print("starts", flush=True)
time.sleep(60)
"""


def ended(told: str, *prefix: str) -> int:
    """The exit status of a process that is told to go while it starts."""
    program = STARTS.format(told=told)
    with subprocess.Popen(
        [*prefix, sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starts\n"
        os.kill(of_namespace(process.pid) if prefix else process.pid, signal.SIGTERM)
        return process.wait(10)


def of_namespace(outside: int) -> int:
    """The first process inside, as it is called here."""
    with open(f"/proc/{outside}/task/{outside}/children") as children:
        return int(children.read().split()[0])


def test_another_process_than_the_first_ends_by_the_signal_itself() -> None:
    assert ended("end_when_told()") == -signal.SIGTERM


def test_the_first_process_ends_at_once() -> None:
    assert ended("end_when_told(os.getpid())") == 128 + signal.SIGTERM


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs a namespace of its own"
)
def test_of_a_container_too() -> None:
    assert ended("end_when_told()", "unshare", "--pid", "--fork") == 128 + signal.SIGTERM
