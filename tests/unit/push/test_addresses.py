"""A stranger's URL leads to public addresses alone, and to the very ones that were looked at."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address

import httpcore
import pytest

from signet.adapters.push_addresses import (
    AddressRefused,
    CheckedAddresses,
    SystemResolver,
    is_public,
)

REFUSED = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:0a00:0001::1",
    "2002:0808:0808::1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
]
PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_nobody_elses_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_on_the_internet_is_not(address: str) -> None:
    assert is_public(ip_address(address))


class Opened(httpcore.AsyncNetworkBackend):
    """Remembers to where connections were opened; those of `down` do not answer."""

    def __init__(self, down: Sequence[str] = ()) -> None:
        self.to: list[str] = []
        self._down = down

    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        self.to.append(host)
        if host in self._down:
            raise httpcore.ConnectError("down")
        return httpcore.AsyncMockStream([])


def answering(*answers: Sequence[str]) -> Callable[[str, int], asyncio.Future[Sequence[str]]]:
    """A name whose answer is another one each time that it is asked for."""
    left = list(answers)

    def resolve(_: str, __: int) -> asyncio.Future[Sequence[str]]:
        found: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
        found.set_result(left.pop(0))
        return found

    return resolve


async def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """Rebinding: whoever asks twice gets the second answer."""
    opened = Opened()
    backend = CheckedAddresses(answering(["8.8.8.8"], ["127.0.0.1"]), backend=opened)
    await backend.connect_tcp("rebinding.example", 443)
    assert opened.to == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        await backend.connect_tcp("rebinding.example", 443)
    assert opened.to == ["8.8.8.8"]


async def test_one_private_address_among_public_ones_refuses_all() -> None:
    opened = Opened()
    backend = CheckedAddresses(answering(["8.8.8.8", "10.0.0.1"]), backend=opened)
    with pytest.raises(AddressRefused):
        await backend.connect_tcp("mixed.example", 443)
    assert opened.to == []


async def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    opened = Opened(down=["2606:4700::1111"])
    backend = CheckedAddresses(answering(["2606:4700::1111", "8.8.8.8"]), backend=opened)
    await backend.connect_tcp("two.example", 443)
    assert opened.to == ["2606:4700::1111", "8.8.8.8"]


async def test_a_host_of_tests_may_be_on_loopback_and_nowhere_else_that_is_private() -> None:
    opened = Opened()
    answers = answering(["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"])
    backend = CheckedAddresses(answers, ["push.test"], opened)
    await backend.connect_tcp("push.test", 443)
    for host in ("push.test", "other.test"):
        with pytest.raises(AddressRefused):
            await backend.connect_tcp(host, 443)
    assert opened.to == ["127.0.0.1"]


async def test_a_name_without_addresses_and_a_socket_of_this_machine_are_errors() -> None:
    backend = CheckedAddresses(answering([]), backend=Opened())
    with pytest.raises(OSError, match="address"):
        await backend.connect_tcp("empty.example", 443)
    with pytest.raises(AddressRefused):
        await backend.connect_unix_socket("/run/socket")


async def test_the_systems_resolver_reads_numbers_in_every_spelling() -> None:
    """What the system takes for an address is looked at as one: 127.1 is loopback."""
    resolve = SystemResolver(threads=1)
    assert set(await resolve("127.1", 443)) == {"127.0.0.1"}
    assert set(await resolve("2130706433", 443)) == {"127.0.0.1"}
    with pytest.raises(socket.gaierror):
        await resolve("no-such-name.invalid", 443)
