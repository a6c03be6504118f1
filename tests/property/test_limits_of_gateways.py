"""Token buckets, admission, the wheel and resume tokens over any story of times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.core.buckets import Bucket
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, SessionId, UserId
from signet.core.limits import BACKOFF_CAP
from signet.core.resume import TOKEN_BYTES, Resume, issue, redeem
from signet.gateway.admission import Admission, Patience
from signet.gateway.wheel import Wheel

STEPS = st.lists(st.floats(0, 3, allow_nan=False), max_size=60)
KEY = b"k" * 32


@given(STEPS)
def test_a_bucket_never_gives_more_than_its_burst_and_rate(steps: list[float]) -> None:
    bucket, now, taken = Bucket(5, 0.0), 0.0, 0
    for step in steps:
        now += step
        taken += not bucket.take(now, 5, 1.0)
        assert taken <= 5 + now + 1e-6


@given(STEPS)
def test_who_waits_as_long_as_told_gets_a_token(steps: list[float]) -> None:
    bucket, now = Bucket(3, 0.0), 0.0
    for step in steps:
        now += step
        wait = bucket.take(now, 3, 2.0)
        if wait:
            assert 0 < wait <= 0.5
            now += wait + 1e-9
            assert bucket.take(now, 3, 2.0) == 0.0


def test_a_clock_that_steps_back_fills_nothing() -> None:
    bucket = Bucket(1, 100.0)
    assert bucket.take(100.0, 1, 1.0) == 0.0
    assert bucket.take(50.0, 1, 1.0) == 1.0
    assert bucket.take(100.5, 1, 1.0) == 0.5


@given(STEPS)
def test_a_full_bucket_is_full_when_it_said(steps: list[float]) -> None:
    bucket, now = Bucket(4, 0.0), 0.0
    for step in steps:
        now += step
        bucket.take(now, 4, 1.0)
    full = bucket.full_at(4, 1.0)
    assert all(bucket.take(max(now, full) + 1e-6, 4, 1.0) == 0.0 for _ in range(4))


# --- admission ----------------------------------------------------------------------------------


def test_a_storm_is_let_in_at_the_rate_and_told_to_come_as_a_queue() -> None:
    admission = Admission(streams=10_000, handshakes=10_000, burst=10, rate=10, now=0.0)
    waits = [admission.admit(0.0) for _ in range(110)]
    assert waits[:10] == [0.0] * 10
    told = waits[10:]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1 + 100 / 10)


def test_who_comes_when_told_is_let_in() -> None:
    admission = Admission(streams=100, handshakes=100, burst=1, rate=10, now=0.0)
    times = [admission.admit(0.0) for _ in range(20)][1:]
    assert [admission.admit(time) for time in times] == [0.0] * 19


@given(st.integers(1, 20))
def test_streams_and_handshakes_are_bounded(most: int) -> None:
    admission = Admission(streams=most, handshakes=most, burst=100, rate=100, now=0.0)
    assert [admission.admit(1.0) for _ in range(most)] == [0.0] * most
    assert admission.admit(1.0) > 0
    admission.left(greeted=False)
    assert admission.admit(1.0) == 0.0
    admission.greeted()
    assert admission.handshakes == most - 1
    assert admission.admit(1.0) > 0  # streams are still full


@given(st.integers(1, 5_000))
def test_nobody_is_told_to_stay_away_for_long(storm: int) -> None:
    admission = Admission(streams=0, handshakes=0, burst=1, rate=50, now=0.0)
    assert all(1.0 <= admission.admit(0.0) <= BACKOFF_CAP + 1 for _ in range(storm))


def test_a_full_house_is_waited_for_as_long_as_its_handshakes_end() -> None:
    patience, now = Patience(100, 10.0), 0.0
    assert patience.full(now) == patience.window == 1.0
    for _ in range(40):  # ten in each second, as if each took its ten seconds
        now += 0.1
        patience.ended()
        assert 0 < patience.full(now) <= patience.window


def test_where_they_do_not_end_nobody_waits_until_they_do_again() -> None:
    patience = Patience(100, 10.0)
    assert patience.full(0.0) == 1.0
    for _ in range(9):
        patience.ended()
    assert patience.full(0.9) == pytest.approx(0.1)
    assert patience.full(1.0) == patience.full(1.9) == 0.0
    for _ in range(10):
        patience.ended()
    assert patience.full(2.0) == 1.0


def test_a_house_that_fills_after_a_quiet_time_is_waited_for_again() -> None:
    patience = Patience(100, 10.0)
    assert (patience.full(0.0), patience.full(1.0)) == (1.0, 0.0)
    assert patience.full(3.5) == 1.0


# --- the wheel ----------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100, allow_nan=False), max_size=50), STEPS)
def test_the_wheel_rings_once_for_each_never_early_and_at_most_a_tick_late(
    alarms: list[float], steps: list[float]
) -> None:
    wheel, now = Wheel(0.5, 0.0), 0.0
    for number, at in enumerate(alarms):
        wheel.put(number, at)
    rung: list[int] = []
    for step in [*steps, 200.0]:
        before, now = now, now + step
        for number in wheel.due(now):
            assert now >= alarms[number]
            assert alarms[number] > before - 0.5 - 1e-9
            rung.append(number)
    assert sorted(rung) == list(range(len(alarms)))


def test_an_alarm_of_the_past_rings_with_the_next_tick() -> None:
    wheel = Wheel(1.0, 10.0)
    wheel.put(1, 3.0)
    assert wheel.due(10.5) == []
    assert wheel.due(11.0) == [1]


# --- resume tokens ------------------------------------------------------------------------------

RESUMES = st.builds(
    Resume,
    st.builds(
        DeviceAddress,
        st.builds(DeviceId, st.binary(min_size=16, max_size=16).map(UserId), st.integers(1, 127)),
        st.integers(1, 0x3FFF),
        st.integers(0, 2**63),
    ),
    st.integers(0, 2**63),
    st.binary(min_size=16, max_size=16).map(SessionId),
    st.integers(1, 2**50),
)


@given(RESUMES)
def test_a_resume_token_says_what_it_was_issued_with(resume: Resume) -> None:
    assert redeem(issue(resume, KEY), KEY, resume.expires_ms - 1) == resume


@given(RESUMES)
def test_a_resume_token_ends(resume: Resume) -> None:
    refused(issue(resume, KEY), KEY, resume.expires_ms)


@given(RESUMES, st.integers(0, TOKEN_BYTES * 8 - 1))
def test_a_changed_bit_is_refused(resume: Resume, bit: int) -> None:
    token = bytearray(issue(resume, KEY))
    token[bit // 8] ^= 1 << bit % 8
    refused(bytes(token), KEY, 0)


@given(st.binary(max_size=2 * TOKEN_BYTES))
def test_random_bytes_are_refused(token: bytes) -> None:
    refused(token, KEY, 0)


@given(RESUMES)
def test_a_token_of_another_key_is_refused(resume: Resume) -> None:
    refused(issue(resume, KEY), b"o" * 32, 0)


def refused(token: bytes, key: bytes, now_ms: int) -> None:
    with pytest.raises(SignetError) as error:
        redeem(token, key, now_ms)
    assert error.value.code is Code.RESUME_REFUSED
