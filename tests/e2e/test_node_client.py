"""A WebSocket client that we did not write, in another language, does Hello, Send and Ack."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from signet.core.errors import RULES, Code
from signet.core.ids import UserId
from tests.support.gateways import ALICE, BOB, World
from tests.support.node_client import NodeClient, node_client, prepare

MESSAGE = b"m" * 16


def text(data: bytes) -> str:
    return b64encode(data).decode()


def hello(here: World, user: UserId) -> dict[str, Any]:
    return {"protocol": 1, "token": here.keys.token(user), "connectionCounter": "1"}


async def greet(here: World, client: NodeClient, user: UserId) -> None:
    opened = await client.until("open")
    assert opened == {"protocol": "signet.v1", "extensions": ""}  # it offered permessage-deflate
    client.send(request="1", hello=hello(here, user))
    welcome = await client.until("welcome")
    assert welcome["limits"]["maxFrameBytes"] == 512 * 1024
    await client.until("caughtUp")


@pytest.mark.lane("node")
async def test_two_clients_in_node_send_receive_and_acknowledge(
    here: World, tmp_path: Path
) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    await prepare(folder)
    async with node_client(folder, here.url) as alice, node_client(folder, here.url) as bob:
        await greet(here, alice, ALICE)
        await greet(here, bob, BOB)
        contents = [{"deviceId": 1, "registrationId": 11, "type": 2, "content": text(b"sealed")}]
        send = {"messageId": text(MESSAGE), "to": text(BOB), "ordinal": "1", "base": "1"}
        alice.send(request="2", send=send | {"contents": contents})
        answer = await alice.until("answer")
        assert int(answer["sent"]["acceptedMs"]) > 0
        item = await bob.until("item")
        assert item["envelope"]["content"] == text(b"sealed")
        bob.send(ack={"upTo": item["position"]})
        receipt = await alice.until("item")
        assert receipt["delivered"]["messageIds"] == [text(MESSAGE)]
        alice.send(bye={})
        assert (await alice.until("close"))["code"] == "CODE_BYE"
        assert await alice.until("closed") == {"code": 1000, "reason": "BYE"}
        bob.send(hello=hello(here, BOB))  # a second Hello
        assert (await bob.until("close"))["code"] == "CODE_OUT_OF_STATE"
        closed = await bob.until("closed")
        assert closed == {"code": RULES[Code.OUT_OF_STATE].websocket, "reason": "OUT_OF_STATE"}
