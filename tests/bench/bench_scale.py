"""`signet bench scale` on real stores: the lanes' Cassandra, PostgreSQL, Redis and Kafka.

Run by hand: `python -m tests.bench.bench_scale [options of signet bench scale]`. The servers share
the machine with what is measured, and are reached through this process, which passes their bytes
on: CPU a message is that of Signet's pods alone, the times are of everything.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.faults.chaos.stores_real import MEMBERS, Real

SCALE = ("-m", "signet.cli", "bench", "scale", "--stores", "real")


async def main(folder: Path, options: list[str]) -> int:
    """The exit status of the command."""
    stores = Real(folder, MEMBERS[0])
    try:
        urls = await stores.start()
        named = {f"SIGNET_{name.upper()}": url for name, url in urls.items()}
        command = await asyncio.create_subprocess_exec(
            sys.executable, *SCALE, *options, env={**os.environ, **named}
        )
        return await command.wait()
    finally:
        await stores.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        sys.exit(asyncio.run(main(Path(folder), sys.argv[1:])))
