"""Where clients are told to open their streams."""

from dataclasses import dataclass

from signet.adapters.members_memory import MemoryMembers
from signet.core.ids import Incarnation
from signet.keys.entrance import Entrance
from signet.ports.members import Kind, Member, State


@dataclass
class Told:
    """What a keys service would answer to GetServer."""

    websocket: str = ""
    grpc: str = ""

    def announce(self, websocket: str, grpc: str) -> None:
        self.websocket, self.grpc = websocket, grpc

    @property
    def both(self) -> tuple[str, str]:
        return self.websocket, self.grpc


def gateway(name: str, state: State = State.ACTIVE, scheme: str = "ws") -> Member:
    public = f"{scheme}://{name}/v1/connect {name}:1"
    return Member(Kind.GATEWAY, name, "", state, 1, Incarnation(bytes(16)), public=public)


def entrance(told: Told, websocket: str = "", grpc: str = "") -> Entrance:
    return Entrance(told, MemoryMembers(), websocket, grpc)


def test_a_gateway_is_announced_as_long_as_it_is_active() -> None:
    told = Told()
    of = entrance(told)
    of.see([gateway("a", State.JOINING), gateway("b")])
    assert told.both == ("ws://b/v1/connect", "b:1")
    of.see([gateway("a"), gateway("b")])
    assert told.both == ("ws://b/v1/connect", "b:1")  # it stays
    of.see([gateway("a"), gateway("b", State.DRAINING)])
    assert told.both == ("ws://a/v1/connect", "a:1")


def test_with_no_gateway_at_all_the_last_one_is_named() -> None:
    told = Told()
    of = entrance(told)
    of.see([gateway("a")])
    of.see([])
    assert told.both == ("ws://a/v1/connect", "a:1")


def test_what_the_settings_say_stands() -> None:
    told = Told()
    of = entrance(told, websocket="wss://chat.example")
    of.see([gateway("a")])
    assert told.both == ("wss://chat.example", "a:1")


def test_a_gateway_with_tls_has_it_on_both_transports() -> None:
    told = Told()
    entrance(told).see([gateway("a", scheme="wss")])
    assert told.both == ("wss://a/v1/connect", "grpcs://a:1")


async def test_settings_for_both_need_no_member() -> None:
    told = Told()
    of = entrance(told, "wss://chat.example", "chat.example:443")
    of.start()
    assert of.announced == {"websocket": "wss://chat.example", "grpc": "chat.example:443"}
    await of.stop()
