"""Where clients may be sent to one gateway."""

import pytest

from signet import settings as table
from signet.gateway.configured import public_addresses

HERE = ("ws://gateway-0:7400/v1/connect", "gateway-0:7401")


@pytest.mark.parametrize(
    ("websocket", "grpc", "told"),
    [
        ("", "", "ws://gateway-0:7400/v1/connect gateway-0:7401"),
        ("wss://g0.chat.example/v1/connect", "", "wss://g0.chat.example/v1/connect gateway-0:7401"),
        ("", "grpcs://g0.chat.example:443", "ws://gateway-0:7400/v1/connect g0.chat.example:443"),
        ("-", "g0.chat.example:443", "g0.chat.example:443"),
        ("-", "-", ""),
    ],
)
def test_the_settings_say_where_clients_may_be_sent_and_where_not(
    websocket: str, grpc: str, told: str
) -> None:
    settings = table.load(None, public_websocket=websocket, public_grpc=grpc)
    assert public_addresses(settings, *HERE) == told
