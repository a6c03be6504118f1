"""People on a small server, with a clock that tests put forward."""

from dataclasses import dataclass, field
from pathlib import Path

from signet.client import Client, Environment, sealing
from signet.client.device_store import Tx
from signet.client.store.outgoing import Row
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Content
from tests.support.small_server import SmallServer

DAY = 86_400.0


@dataclass
class SmallWorld:
    folder: Path
    server: SmallServer = field(default_factory=SmallServer)
    now: float = 1_700_000_000.0

    @property
    def environment(self) -> Environment:
        return Environment(
            now=lambda: self.now,
            dial=self.server.dial,
            http=self.server.http,
            chance=lambda: 0.0,
        )

    async def register(self, name: str) -> Client:
        return await Client.register(
            server="http://small.test",
            store=self.folder / name,
            user_name=name,
            environment=self.environment,
        )


async def say(client: Client, to: UserId, content: Content, message_id: MessageId) -> None:
    """Send a content exactly as it is given, in an envelope of that id: what peers may try."""

    def write(tx: Tx) -> Row:
        now = client._env.now()
        row = Row(to, tx.peers.next_ordinal(to), message_id, now, content, 0)
        tx.outgoing.add(row)
        return sealing.seal(tx, client._me, row) or row

    client._engine.queue([await client._store.run(write)])
