"""A process that is a pod for the cluster around it, and nothing else: it says where it listens,
answers on its admin port, and ends at SIGTERM. `python -m tests.support.small_pod`.

A file `NAME.refuses` in its data folder keeps it from starting; `NAME.unready` from being ready;
`NAME.stays` from ending.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from signet.telemetry.pages import Pages

SAID = {"websocket": "ws://127.0.0.1:1/v1/connect", "grpc": "127.0.0.1:2", "rest": "http://h:3"}


async def main(name: str, data: Path, admin_port: int) -> None:
    if (data / f"{name}.refuses").exists():
        sys.exit("refused to start")

    def not_ready() -> str:
        return "not yet" if (data / f"{name}.unready").exists() else ""

    pages = Pages(not_ready)
    _, port = await pages.start("127.0.0.1", admin_port)
    ends = asyncio.Event()
    stays = (data / f"{name}.stays").exists()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bool if stays else ends.set)
    said = {**SAID, "admin": f"http://127.0.0.1:{port}", "pid": os.getpid()}
    print(json.dumps(said), flush=True)
    await ends.wait()
    await pages.stop()


if __name__ == "__main__":
    data, port = Path(os.environ["SIGNET_DATA"]), int(os.environ["SIGNET_ADMIN_PORT"])
    asyncio.run(main(os.environ["SIGNET_NAME"], data, port))
