"""L2 and L3: how long anything may follow from a write."""

from signet.core.lease import Lease


def test_a_lease_that_was_never_confirmed_is_over() -> None:
    assert Lease(4.0, 0.5).over(0.0)


def test_the_deadline_is_the_lease_less_its_margin_from_before_the_renewal_was_sent() -> None:
    lease = Lease(4.0, 0.5)
    lease.confirmed(10.0)
    assert not lease.over(13.49)
    assert lease.over(13.5)  # L2


def test_a_renewal_moves_the_deadline_on() -> None:
    lease = Lease(4.0, 0.5)
    lease.confirmed(10.0)
    lease.confirmed(13.0)
    assert not lease.over(16.0)


def test_a_confirmation_that_comes_late_moves_no_deadline_back() -> None:
    lease = Lease(4.0, 0.5)
    lease.confirmed(13.0)
    lease.confirmed(10.0)
    assert not lease.over(16.0)


def test_once_over_it_never_comes_back() -> None:
    lease = Lease(4.0, 0.5)
    lease.confirmed(10.0)
    assert lease.over(14.0)
    lease.confirmed(13.9)
    assert lease.over(14.0)  # L3


def test_marked_dead_it_is_over_at_once_and_for_ever() -> None:
    lease = Lease(4.0, 0.5)
    lease.confirmed(10.0)
    lease.end()
    lease.confirmed(10.1)
    assert lease.over(10.2)


def test_a_lease_without_end_is_ended_only_by_a_mark() -> None:
    lease = Lease(float("inf"), 0.5)
    lease.confirmed(0.0)
    assert not lease.over(1e12)
    lease.end()
    assert lease.over(0.0)
