"""Where a caller comes from, as limits by address see it: X-Forwarded-For of known proxies only."""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

FORWARDED = "x-forwarded-for"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_Asgi = Callable[[_Message, _Receive, _Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Proxies:
    """Addresses that are our own proxies. With none, the peer's own address counts."""

    networks: tuple[_Network, ...] = ()

    @classmethod
    def named(cls, text: str) -> "Proxies":
        """Of addresses and networks with commas between. Raises ValueError."""
        names = [name.strip() for name in text.split(",")]
        return cls(tuple(ipaddress.ip_network(name) for name in names if name))

    def caller(self, peer: str, forwarded: Iterable[str]) -> str:
        """The nearest address that is none of our proxies.

        `forwarded` are values of X-Forwarded-For in their order. What is left of the first
        address that is not ours was written by anybody, and is not looked at.
        """
        hops = [hop for value in forwarded for hop in map(_bare, value.split(",")) if hop]
        at = peer
        while hops and self._are(at):
            at = hops.pop()
        return at

    def _are(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if parsed.version == 6 and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


def _bare(hop: str) -> str:
    """Without the port that some proxies add: "1.2.3.4:5", "[::1]:5"."""
    hop = hop.strip()
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def behind(proxies: Proxies, app: _Asgi) -> _Asgi:
    """The application, told its callers' addresses instead of those of the proxies."""

    async def forwarded(scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http" and scope.get("client"):
            name = FORWARDED.encode()
            values = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
            host, port = scope["client"]
            scope = {**scope, "client": (proxies.caller(host, values), port)}
        await app(scope, receive, send)

    return forwarded
