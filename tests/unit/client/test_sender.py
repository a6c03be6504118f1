"""How long a refused send waits at the most, whatever went before (S8, M4)."""

from typing import cast

from signet.client import Environment
from signet.client.account import Keys
from signet.client.device_store import DeviceStore
from signet.client.sealing import Self
from signet.client.sender import Sender
from signet.client.store.outgoing import Row
from signet.core.ids import MessageId, UserId
from signet.core.limits import SEND_BACKOFF_CAP
from signet.v1 import messaging_pb2 as pb
from signet.v1.content_pb2 import Content

BOB = UserId(b"b" * 16)
SEND = pb.Send(message_id=b"m" * 16, to=BOB, ordinal=1)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0


def sender(clock: Clock, sent: list[pb.ClientFrame]) -> Sender:
    """All it needs to send what is sealed already: no store, no keys."""
    environment = Environment(now=lambda: clock.now, chance=lambda: 0.999)
    return Sender(
        store=cast("DeviceStore", None),
        me=Self(None, None, environment),  # type: ignore[arg-type]
        keys=cast("Keys", None),
        transmit=sent.append,
        ended=lambda _: None,
        identity_changed=lambda _: None,
    )


async def test_a_send_goes_again_within_seconds_however_long_the_outage_was() -> None:
    clock, sent = Clock(), list[pb.ClientFrame]()
    one = sender(clock, sent)
    one.opened()
    message = MessageId(SEND.message_id)
    one.add([Row(BOB, 1, message, clock.now, Content(), sealed=SEND.SerializeToString())])
    refused = pb.Answer(message_id=SEND.message_id, ordinal=1)
    refused.refused.code = pb.CODE_STORE_UNAVAILABLE
    for tries in range(1, 30):
        assert len(sent) == tries
        one.answered(refused)
        clock.now += SEND_BACKOFF_CAP
        one.pump_all()
    await one.close()
