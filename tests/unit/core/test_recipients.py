"""Buckets by key, and how much one person is written to."""

from signet.core.buckets import Buckets
from signet.core.recipients import Pace, Recipients

ANN, BOB, CAROL = b"a" * 16, b"b" * 16, b"c" * 16


def test_each_key_has_a_bucket_that_fills_again() -> None:
    buckets: Buckets[str] = Buckets(2, 0.5)
    assert [buckets.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 2.0]
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 1.0) == 1.0
    assert buckets.take("a", 2.0) == 0.0


def test_to_look_takes_nothing() -> None:
    buckets: Buckets[str] = Buckets(1, 1.0)
    assert buckets.wait("a", 0.0) == 0.0
    assert buckets.take("a", 0.0) == 0.0
    assert [buckets.wait("a", 0.5) for _ in range(3)] == [0.5] * 3
    assert buckets.wait("a", 1.0) == 0.0


def test_buckets_that_are_full_again_are_forgotten() -> None:
    buckets: Buckets[int] = Buckets(1, 1.0)
    for number in range(10_000):
        buckets.take(number, float(number))
    assert len(buckets) < 2_000
    assert buckets.take(9_999, 9_999.0) == 1.0, "one that is not full is not forgotten"


def test_one_pair_does_not_use_up_another() -> None:
    recipients = Recipients(pair=Pace(2, 1.0))
    for _ in range(2):
        assert recipients.hurried(ANN, BOB, 0.0) == 0.0
        recipients.written(ANN, BOB, 0.0)
    assert recipients.hurried(ANN, BOB, 0.0) == 1.0
    assert recipients.hurried(ANN, CAROL, 0.0) == 0.0
    assert recipients.hurried(CAROL, BOB, 0.0) == 0.0
    assert recipients.hurried(BOB, ANN, 0.0) == 0.0
    assert recipients.hurried(ANN, BOB, 1.0) == 0.0


def test_strangers_share_what_a_person_takes_of_them() -> None:
    recipients = Recipients(strangers=Pace(2, 0.1))
    assert recipients.crowded(BOB, 0.0) == 0.0
    recipients.by_stranger(BOB, 0.0)
    recipients.by_stranger(BOB, 0.0)
    assert recipients.crowded(BOB, 0.0) == 10.0
    assert recipients.crowded(CAROL, 0.0) == 0.0
    assert recipients.crowded(BOB, 10.0) == 0.0


def test_without_limits_everything_passes() -> None:
    recipients = Recipients()
    for _ in range(10_000):
        recipients.written(ANN, BOB, 0.0)
        recipients.by_stranger(BOB, 0.0)
    assert recipients.crowded(BOB, 0.0) == 0.0
    assert recipients.hurried(ANN, BOB, 0.0) == 0.0
