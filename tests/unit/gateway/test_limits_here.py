"""What one gateway takes: of an address, of a device, of an account."""

import os

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId, UserId
from signet.core.limits import ACCOUNT_PARTS
from signet.gateway.address_limits import AddressLimits
from signet.gateway.send_limits import SendLimits

FAR, OTHER = "203.0.113.7", "203.0.113.8"


def refused(limits: AddressLimits, address: str, now: float) -> SignetError:
    with pytest.raises(SignetError) as found:
        limits.check(address, now)
    assert found.value.code is Code.RATE_LIMITED
    return found.value


def test_new_streams_of_an_address_come_at_a_bounded_rate() -> None:
    limits = AddressLimits("", new=2, rate=0.5, most=100)
    limits.check(FAR, 0.0)
    limits.check(FAR, 0.0)
    assert refused(limits, FAR, 0.0).retry_after_s == 2.0
    limits.check(OTHER, 0.0)
    limits.check(FAR, 2.0)


def test_open_streams_of_an_address_are_counted_until_they_leave() -> None:
    limits = AddressLimits("", new=100, rate=1.0, most=2)
    for stream in (1, 2):
        limits.check(FAR, 0.0)
        limits.opened(stream, FAR)
    assert refused(limits, FAR, 0.0).retry_after_s > 0
    limits.check(OTHER, 0.0)
    limits.left(1)
    limits.left(1)  # again: no effect
    limits.check(FAR, 0.0)
    limits.opened(3, FAR)
    assert refused(limits, FAR, 0.0)


def test_a_whole_network_of_ipv6_counts_as_one() -> None:
    limits = AddressLimits("", new=1, rate=0.1, most=100)
    limits.check("2001:db8::1", 0.0)
    refused(limits, "2001:db8::2", 0.0)
    limits.check("2001:db8:0:1::1", 0.0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", ""])
def test_this_machine_is_not_counted(address: str) -> None:
    limits = AddressLimits("", new=1, rate=0.1, most=1)
    for stream in range(10):
        limits.check(address, 0.0)
        limits.opened(stream, address)


def test_an_account_sends_as_much_as_three_devices() -> None:
    limits, user = SendLimits(burst=10, rate=1.0), UserId(os.urandom(16))
    taken = 0
    for device in range(1, 7):
        while not limits.take(DeviceId(user, device), 0.0):
            taken += 1
    assert taken == 10 * ACCOUNT_PARTS
    assert limits.take(DeviceId(user, 1), 1 / ACCOUNT_PARTS) > 0  # the device's own is still empty
    assert limits.take(DeviceId(user, 6), 1 / ACCOUNT_PARTS) == 0.0
    assert limits.take(DeviceId(UserId(os.urandom(16)), 1), 0.0) == 0.0
