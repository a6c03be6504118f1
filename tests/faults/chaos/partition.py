"""Packets of a process that do not arrive, by iptables in a network namespace of our own.

The whole run (pods, stores, people) lives in that namespace, so the machine's own addresses and
rules stay as they are. A partition is between one process and some ports: no packet passes either
way, the kernel's own answers included, and connections stay open, as when a cable is pulled.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Collection, Sequence

import psutil

INSIDE = "SIGNET_CHAOS_INSIDE"
LOOK = 0.05  # seconds between two looks for new connections of the process
_numbers = itertools.count()


def possible() -> str:
    """Why there can be no namespace of our own; '' when there can."""
    if os.geteuid() != 0:
        return "not root"
    for tool in ("unshare", "ip", "iptables"):
        if shutil.which(tool) is None:
            return f"no {tool}"
    tried = subprocess.run(
        ["unshare", "--net", "iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", "9", "-j", "DROP"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else tried.stderr.decode().strip()


def inside() -> bool:
    """Whether this process is in the namespace that `enter` made."""
    return bool(os.environ.get(INSIDE))


def enter(arguments: Sequence[str]) -> None:
    """Become the same program in a network namespace with nothing but a loopback. No return."""
    again = f'ip link set lo up && exec "{sys.executable}" -m tests.faults.chaos "$@"'
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", again, "sh", *arguments])


@contextlib.asynccontextmanager
async def partition(pid: int, ports: Collection[int]) -> AsyncIterator[None]:
    """Nothing passes between a process and these ports of others."""
    chain = f"chaos-{next(_numbers)}"
    await _iptables("-N", chain)
    await _iptables("-I", "OUTPUT", "-p", "tcp", "-j", chain)
    looking = asyncio.create_task(_follow(pid, ports, chain))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await _iptables("-D", "OUTPUT", "-p", "tcp", "-j", chain)
        await _iptables("-F", chain)
        await _iptables("-X", chain)


async def _follow(pid: int, ports: Collection[int], chain: str) -> None:
    """A rule for each connection of the process, also for those that it tries to make anew."""
    known: set[tuple[int, int]] = set()
    while True:
        for own, other in _connections(pid, ports) - known:
            known.add((own, other))
            for one, two in ((own, other), (other, own)):
                ends = ("--sport", str(one), "--dport", str(two))
                await _iptables("-A", chain, "-p", "tcp", *ends, "-j", "DROP")
        await asyncio.sleep(LOOK)


def _connections(pid: int, ports: Collection[int]) -> set[tuple[int, int]]:
    """Local and remote port of those to `ports`."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return {
            (one.laddr.port, one.raddr.port)
            for one in psutil.Process(pid).net_connections("tcp")
            if one.raddr and one.raddr.port in ports
        }
    return set()


async def _iptables(*arguments: str) -> None:
    done = await asyncio.create_subprocess_exec("iptables", "-w", *arguments)
    if await done.wait() != 0:
        raise RuntimeError(f"iptables {' '.join(arguments)} failed")
