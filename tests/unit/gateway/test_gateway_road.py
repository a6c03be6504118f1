"""The road of a message through a gateway, over both transports, to a real router and store."""

from signet.core.errors import Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World
from tests.support.opening import Open
from tests.support.raw_websocket import BINARY, RawWebSocket, frame
from tests.support.streams import WebSocketStream, code_of, hello, send


async def test_a_message_goes_from_hello_to_ack_and_its_receipt_comes_back(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as alice, open_stream(here) as bob:
        await alice.send(hello(here.keys.token(ALICE)))
        await bob.send(hello(here.keys.token(BOB)))
        welcome = await alice.until("welcome")
        assert welcome.request == 1
        assert len(welcome.welcome.session_id) == 16
        assert not welcome.welcome.resumed
        assert welcome.welcome.heartbeat_seconds == 30
        await bob.until("caught_up")
        await alice.send(send(BOB, 1, b"sealed"))
        answer = await alice.until("answer")
        assert answer.request == 1
        assert answer.answer.sent.accepted_ms > 0
        item = (await bob.until("item")).item
        assert item.envelope.content == b"sealed"
        assert item.envelope.sender == ALICE
        await bob.send(pb.ClientFrame(ack=pb.Ack(up_to=item.position)))
        receipt = (await alice.until("item")).item
        assert list(receipt.delivered.message_ids) == [(1).to_bytes(16, "big")]


async def test_bye_ends_the_stream_with_its_own_code(here: World, open_stream: Open) -> None:
    async with open_stream(here) as alice:
        await alice.send(hello(here.keys.token(ALICE)))
        await alice.until("caught_up")
        await alice.send(pb.ClientFrame(bye=pb.Bye()))
        close, ended_with = await alice.end()
        assert code_of(close) is Code.BYE
        assert ended_with in (1000, "OK")


async def test_a_resume_token_spares_the_login(here: World, open_stream: Open) -> None:
    async with open_stream(here) as alice:
        await alice.send(hello(here.keys.token(ALICE)))
        token = (await alice.until("welcome")).welcome.resume_token
    async with open_stream(here) as again:
        await again.send(hello("", 2, resume_token=token))
        assert (await again.until("welcome")).welcome.resumed


async def test_an_ack_right_before_bye_is_heard(here: World) -> None:
    """Both in one segment: the acknowledgement goes to the owner before the end does."""
    async with (
        WebSocketStream(here.url) as alice,
        RawWebSocket(*here.gateway.websocket_address) as bob,
    ):
        await alice.send(hello(here.keys.token(ALICE)))
        bob.write(frame(BINARY, hello(here.keys.token(BOB)).SerializeToString()))
        await alice.until("caught_up")
        await alice.send(send(BOB, 1, b"sealed"))
        item = await pushed(bob)
        ack = pb.ClientFrame(ack=pb.Ack(up_to=item.position)).SerializeToString()
        bye = pb.ClientFrame(bye=pb.Bye()).SerializeToString()
        bob.write(frame(BINARY, ack) + frame(BINARY, bye))
        receipt = (await alice.until("item")).item
        assert list(receipt.delivered.message_ids) == [(1).to_bytes(16, "big")]


async def pushed(stream: RawWebSocket) -> pb.Item:
    while (part := await stream._frame()) is not None:
        server_frame = pb.ServerFrame.FromString(part[1])
        if server_frame.WhichOneof("body") == "item":
            return server_frame.item
    raise AssertionError("the stream ended")
