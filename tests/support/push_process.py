"""A push worker as a process of its own, on Kafka and a webhook, to be killed.

python -m tests.support.push_process BOOTSTRAP PREFIX SPOOL WEBHOOK_URL KEY_HEX
"""

import asyncio
import sys
import time
from pathlib import Path

from signet.adapters.events_kafka import KafkaEvents
from signet.adapters.push_webhook import WebhookPush
from signet.ports.push import PushProviders
from signet.push.worker import Worker
from signet.telemetry import metrics


async def work(bootstrap: str, prefix: str, spool: str, url: str, key_hex: str) -> None:
    key = bytes.fromhex(key_hex)
    dropped = metrics.EVENTS_DROPPED.inc
    events = KafkaEvents(bootstrap, Path(spool), prefix=prefix, dropped=dropped)
    providers = PushProviders({"webhook": WebhookPush(url, key, time.time)})
    worker = Worker(events, providers, None, time.time, key)
    await worker.start()
    print("started", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await worker.stop()
    await events.close()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
