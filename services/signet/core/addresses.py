"""Where somebody comes from, as limits by address see it."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

FORWARDED = "x-forwarded-for"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


def network(address: str) -> str:
    """What limits by address count: an IPv6 host has a whole /64 to itself."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def is_this_machine(address: str) -> bool:
    """Whether it is a loopback address: a proxy beside us that is not named, a test, a demo."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    return (mapped or parsed).is_loopback


def host_of_peer(peer: str) -> str:
    """The address in what gRPC says of a peer, "ipv4:1.2.3.4:5" or "ipv6:%5B::1%5D:5"; or ''."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""
