"""Where a stranger's URL may lead to: public addresses, looked at after the name was resolved.

The connection goes to the very address that was looked at: a name that answers something else when
it is asked again (DNS rebinding) changes nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpcore

from signet.core.limits import PUSH_AT_ONCE

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, for a port. Raises OSError."""

_NAT64 = ip_network("64:ff9b::/96")
_REFUSED = [
    ip_network("168.63.129.16"),  # public by their numbers: metadata and agents of clouds
    ip_network("192.0.0.0/24"),
    ip_network("2001::/32"),  # Teredo, 6to4: tunnels to any IPv4 address
    ip_network("2002::/16"),
    ip_network("64:ff9b:1::/48"),  # NAT64 of a network of one's own
    ip_network("fec0::/10"),
]


class AddressRefused(OSError):
    """A name stands for an address to which a stranger's URL shall not lead."""


def is_public(address: Address) -> bool:
    """Whether it is somebody else's on the Internet, by itself or by what is embedded in it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    usual = address.is_global and not address.is_multicast and not address.is_reserved
    return usual and not any(address in network for network in _REFUSED)


class SystemResolver:
    """The system's resolver, in threads of its own: a name that hangs keeps no others waiting."""

    def __init__(self, threads: int = PUSH_AT_ONCE) -> None:
        self._threads = ThreadPoolExecutor(threads, "push-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """See Resolve; in the resolver's order."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        """Wait for nothing; a name that hangs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CheckedAddresses(httpcore.AsyncNetworkBackend):
    """Opens connections for httpcore, to public addresses only.

    `loopback_hosts` are names whose addresses may be this machine's loopback: for tests.
    """

    def __init__(
        self,
        resolve: Resolve,
        loopback_hosts: Collection[str] = (),
        backend: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._resolve, self._loopback_hosts = resolve, frozenset(loopback_hosts)
        self._backend = backend or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """To the first of the host's addresses that answers.

        Raises:
            AddressRefused: one of them is not public, and nothing was opened.
            httpcore.ConnectError, httpcore.ConnectTimeout, OSError.
        """
        failed: Exception | None = None
        for address in await self._checked(host, port):
            try:
                return await self._backend.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or OSError("the name has no address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise AddressRefused("a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        addresses = await self._resolve(host, port)
        for one in addresses:
            address = ip_address(one)
            local = address.is_loopback and host in self._loopback_hosts
            if not local and not is_public(address):
                raise AddressRefused("not a public address")
        return addresses
