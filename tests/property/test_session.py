"""The stream's state machine over every pair of state and input, and over any story."""

from hypothesis import given
from hypothesis import strategies as st

from signet.core.errors import RULES, Code
from signet.core.session import TABLE, Do, Input, State, step

FRAMES = (Input.HELLO, Input.HEARTBEAT, Input.REQUEST, Input.UNKNOWN, Input.BYE)
PAIRS = st.tuples(st.sampled_from(State), st.sampled_from(Input))
STORIES = st.lists(st.sampled_from(Input), max_size=40)


def test_every_state_says_what_follows_from_every_input() -> None:
    assert {(state, what) for state, row in TABLE.items() for what in row} == {
        (state, what) for state in State for what in Input
    }


@given(PAIRS)
def test_a_stream_closes_exactly_where_something_closes_it(pair: tuple[State, Input]) -> None:
    state, what = pair
    then = step(state, what)
    if state is not State.CLOSED:
        assert (then.state is State.CLOSED) == (then.do in (Do.CLOSE, Do.FORGET))


@given(PAIRS)
def test_a_close_has_its_code_unless_the_input_brings_one(pair: tuple[State, Input]) -> None:
    state, what = pair
    then = step(state, what)
    if then.do is Do.CLOSE:
        assert (then.code is None) == (what is Input.FAULT)
        assert then.code is None or RULES[then.code].websocket != 4000
    else:
        assert then.code is None


@given(PAIRS)
def test_nothing_is_carried_before_the_owner_has_attached_the_stream(
    pair: tuple[State, Input],
) -> None:
    state, what = pair
    if step(state, what).do is Do.CARRY:
        assert state in (State.ACTIVE, State.DRAINING)


@given(STORIES)
def test_a_stream_ends_once_and_nothing_follows(story: list[Input]) -> None:
    state, ends, welcomes = State.OPENED, 0, 0
    for what in story:
        then = step(state, what)
        if state is State.CLOSED:
            assert then.do is Do.NOTHING
        ends += then.do in (Do.CLOSE, Do.FORGET)
        welcomes += then.do is Do.WELCOME
        state = then.state
    assert ends == (state is State.CLOSED)
    assert welcomes <= 1


@given(STORIES)
def test_nobody_is_welcomed_without_a_hello(story: list[Input]) -> None:
    state, greeted = State.OPENED, False
    for what in story:
        then = step(state, what)
        greeted |= then.do is Do.GREET
        assert then.do is not Do.WELCOME or greeted
        state = then.state


@given(st.sampled_from(State), st.sampled_from(FRAMES))
def test_a_lost_transport_is_told_nothing(state: State, what: Input) -> None:
    assert step(step(state, Input.LOST).state, what).do is Do.NOTHING


def test_the_codes_of_silence_are_those_of_the_law() -> None:
    assert step(State.OPENED, Input.HELLO_LATE).code is Code.HELLO_TIMEOUT
    assert step(State.ACTIVE, Input.SILENT).code is Code.HEARTBEAT_TIMEOUT
    assert step(State.DRAINING, Input.LEAVE).code is Code.DRAINING
    assert step(State.GREETING, Input.OWNER_LATE).code is Code.STORE_UNAVAILABLE
