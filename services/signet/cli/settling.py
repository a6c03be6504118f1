"""What is on its way when a program is about to end."""

import asyncio

from signet.client import Client, ConnectionState
from signet.core.ids import UserId

PATIENCE = 20.0  # seconds
LOOKS_EVERY = 0.1


async def settled(client: Client, peer: UserId) -> None:
    """Let the server have what waits for a person or a group, while it is there to take it.

    It is durable here anyhow, and goes when the program runs again: which may be never.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while client.state is ConnectionState.ONLINE and loop.time() < until:
        if not await client.waiting(peer):
            return
        await asyncio.sleep(LOOKS_EVERY)
