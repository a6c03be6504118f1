"""What all benches share: the load in a process of its own, and what this machine is."""

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from signet.cli.bench_load import Plan, percentile

FSYNCS = 200
PAGE = 4096  # bytes that each fsync writes
LIMITS_OFF = {
    "SIGNET_REGISTRATIONS_AN_HOUR": "1000000",
    "SIGNET_SEND_BURST": "1000000",
    "SIGNET_LOG_LEVEL": "warning",
}


async def load(plan: Plan) -> dict[str, Any]:
    """Run the plan in a process of its own; what it measured."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "signet.cli.bench_load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        told, _ = await process.communicate(plan.write().encode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    measured: dict[str, Any] = {"phases": []}
    for line in told.decode().splitlines():
        figures = json.loads(line)
        match figures.pop("kind"):
            case "idle":
                measured["idle"] = figures
            case "figures":
                measured["phases"].append(figures)
            case "failed":
                measured["failed"] = figures["why"]
    if not measured["phases"] or not (plan.steady or "idle" in measured):
        measured.setdefault("failed", "the load ended early")
    return measured


def machine(folder: Path) -> dict[str, Any]:
    """What the figures must be read with: cores, how busy it was before, how fast it syncs."""
    busy = psutil.cpu_percent(interval=0.5)
    syncs = fsyncs(folder)
    return {
        "cores": psutil.cpu_count(),
        "busy_before": busy,
        "fsync_p50_ms": percentile(syncs, 0.5) * 1000,
        "fsync_p99_ms": percentile(syncs, 0.99) * 1000,
    }


def fsyncs(folder: Path, count: int = FSYNCS) -> list[float]:
    """Seconds that each write of a page and its fsync took, in that folder."""
    took, page = [], os.urandom(PAGE)
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(page)
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return took
