"""Where somebody comes from, for limits by address. Proxies: tests/unit/keys/test_proxies.py."""

import pytest

from signet.core.addresses import host_of_peer, is_this_machine, network


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an address", "unknown"),
    ],
)
def test_a_host_of_ipv6_counts_by_its_network(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_loopback(address: str, is_it: bool) -> None:
    assert is_this_machine(address) is is_it


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:1.2.3.4:5", "1.2.3.4"),
        ("ipv6:%5B2001:db8::1%5D:5", "2001:db8::1"),
        ("unix:/tmp/socket", ""),
        ("", ""),
    ],
)
def test_what_grpc_says_of_a_peer_is_read(peer: str, host: str) -> None:
    assert host_of_peer(peer) == host
