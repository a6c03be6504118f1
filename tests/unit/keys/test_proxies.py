"""Whose X-Forwarded-For is believed, and how far."""

import pytest

from signet.core.addresses import Proxies

OURS = Proxies.named("10.0.0.0/8, 2001:db8::1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # what the caller wrote is not believed
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.9.9.9"], "1.2.3.4"),  # two proxies, two headers
        ("2001:db8::1", ["2001:db8::2"], "2001:db8::2"),
        ("::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),  # as a socket for both kinds shows IPv4
        ("10.0.0.1", ["1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db8::7]:5678"], "2001:db8::7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["", " , "], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "unknown"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),  # nobody's proxy
        ("", ["1.2.3.4"], ""),
    ],
)
def test_the_nearest_address_that_is_not_ours_counts(
    peer: str, forwarded: list[str], caller: str
) -> None:
    assert OURS.caller(peer, forwarded) == caller


def test_without_proxies_the_peer_counts() -> None:
    for nobody in (Proxies(), Proxies.named(" , ")):
        assert nobody.caller("127.0.0.1", ["1.2.3.4"]) == "127.0.0.1"


@pytest.mark.parametrize("text", ["proxy.example", "10.0.0.1/8", "10.0.0.256", "*"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|host bits|appear"):
        Proxies.named(text)
