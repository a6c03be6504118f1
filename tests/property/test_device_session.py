"""The device's side of a stream: every state has an answer to everything that can happen."""

from hypothesis import given
from hypothesis import strategies as st

from signet.core.device_session import TABLE, Do, Input, State, Step, ended_by, step
from signet.core.errors import RULES, Code, Retry

GONE = (State.REMOVED, State.CLOSED)


def test_every_state_and_input_has_an_entry() -> None:
    assert {(state, what) for state in TABLE for what in TABLE[state]} == {
        (state, what) for state in State for what in Input
    }


@given(st.lists(st.sampled_from(Input)))
def test_whatever_happens_a_device_serves_only_what_was_welcomed(inputs: list[Input]) -> None:
    state, serving = State.CONNECTING, False
    for what in inputs:
        before, (state, do) = state, step(state, what)
        if do in (Do.SERVE, Do.SWITCH):
            assert what in (Input.WELCOMED, Input.MOVED)
            serving = True
        elif do in (Do.BACK_OFF, Do.STAY_AWAY, Do.END):
            serving = False
        assert serving == (state in (State.ONLINE, State.MOVING, State.UNSURE))
        if before in GONE:
            assert (state, do) == (before, Do.NOTHING)  # S9


@given(st.lists(st.sampled_from([what for what in Input if what is not Input.ASKED])))
def test_the_displaced_come_back_only_when_asked(inputs: list[Input]) -> None:
    state = step(State.ONLINE, Input.DISPLACED).state
    for what in inputs:
        state, do = step(state, what)
        assert do is not Do.DIAL  # S3
    assert step(State.DISPLACED, Input.ASKED) == Step(State.CONNECTING, Do.DIAL)


def test_a_move_serves_the_old_stream_until_the_new_one_is_there() -> None:
    moving = step(State.ONLINE, Input.OFFERED)
    assert moving == Step(State.MOVING, Do.DIAL_OTHER)
    assert step(State.MOVING, Input.DISPLACED) == Step(State.MOVING, Do.NOTHING)  # S7: by oneself
    assert step(State.MOVING, Input.STUCK) == Step(State.UNSURE, Do.NOTHING)
    assert step(State.MOVING, Input.MOVED) == Step(State.ONLINE, Do.SWITCH)


def test_who_is_displaced_after_a_move_was_given_up_was_so_by_himself() -> None:
    assert step(State.UNSURE, Input.DISPLACED) == Step(State.WAITING, Do.BACK_OFF)
    others = [what for what in Input if what is not Input.DISPLACED]
    for what in others:
        (after, do), (as_online, same) = step(State.UNSURE, what), step(State.ONLINE, what)
        stays = as_online is State.ONLINE
        assert (after, do) == (State.UNSURE if stays else as_online, same)


def test_after_a_code_that_says_never_nobody_comes_back() -> None:
    for code, rule in RULES.items():
        comes_back = ended_by(code) is Input.ENDED
        if rule.retry is Retry.NEVER:
            assert not comes_back, code
        elif rule.retry in (Retry.NOW, Retry.LATER):
            assert comes_back, code
    assert ended_by(None) is Input.ENDED
    assert ended_by(Code.TOKEN_EXPIRED) is Input.ENDED
    assert ended_by(Code.UNSUPPORTED_VERSION) is Input.REFUSED
