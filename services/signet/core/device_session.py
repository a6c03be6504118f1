"""The stream's state machine, seen from the device: one table, its rules at the top.

Numbers are those of protos/protocol.md, "States":

- S3 Who was displaced by another stream of the same device stays away until somebody asks.
- S7 A move opens the new stream while the old one serves; when it fails, the old one goes on. The
  server may have attached what was given up: who is displaced after that was so by himself, and
  comes back.
- S8 After any other end the device comes back, after a back-off or at once when asked.
- S9 A removed device never comes back, nor one whose account was deleted; nor does one whom the
  server refuses for good.
"""

from enum import Enum, auto
from typing import NamedTuple

from signet.core.errors import RULES, Code, Retry


class State(Enum):
    """Where the device is."""

    CONNECTING = auto()  # dialling, or waiting for Welcome
    ONLINE = auto()
    MOVING = auto()  # online, and another stream is being opened
    UNSURE = auto()  # online; another stream was given up, and may have its Welcome all the same
    WAITING = auto()  # for the back-off to end
    DISPLACED = auto()
    REMOVED = auto()
    CLOSED = auto()


class Input(Enum):
    """What can happen."""

    WELCOMED = auto()
    ENDED = auto()  # the stream broke, or was closed with a code that allows to come back
    DISPLACED = auto()
    REMOVED = auto()
    REFUSED = auto()  # with a code after which nobody comes back
    OFFERED = auto()  # Reconnect, or a better address, that may be followed
    MOVED = auto()  # the other stream has its Welcome
    STUCK = auto()  # the other stream did not open
    DUE = auto()  # the back-off is over
    ASKED = auto()  # the application wants a stream
    CLOSE = auto()  # the application wants none any more


class Do(Enum):
    """What the driver does."""

    NOTHING = auto()
    DIAL = auto()
    SERVE = auto()  # tell who listens, then give out what arrives
    DIAL_OTHER = auto()  # beside the stream that serves
    SWITCH = auto()  # serve the other stream, say Bye on the old one
    BACK_OFF = auto()
    STAY_AWAY = auto()  # until ASKED
    END = auto()


class Step(NamedTuple):
    """What follows from an input."""

    state: State
    do: Do


_BACK_OFF = Step(State.WAITING, Do.BACK_OFF)
_STAY_AWAY = Step(State.DISPLACED, Do.STAY_AWAY)
_REMOVED = Step(State.REMOVED, Do.END)
_CLOSED = Step(State.CLOSED, Do.END)
_ENDS = {
    Input.ENDED: _BACK_OFF,
    Input.DISPLACED: _STAY_AWAY,
    Input.REMOVED: _REMOVED,
    Input.REFUSED: _CLOSED,
    Input.CLOSE: _CLOSED,
}


def _row(state: State, changes: dict[Input, Step]) -> dict[Input, Step]:
    """What is not named has no place in the state, and changes nothing."""
    return dict.fromkeys(Input, Step(state, Do.NOTHING)) | changes


_DIAL = Step(State.CONNECTING, Do.DIAL)
_MOVES = {Input.OFFERED: Step(State.MOVING, Do.DIAL_OTHER)}

TABLE: dict[State, dict[Input, Step]] = {
    State.CONNECTING: _row(
        State.CONNECTING, _ENDS | {Input.WELCOMED: Step(State.ONLINE, Do.SERVE)}
    ),
    State.ONLINE: _row(State.ONLINE, _ENDS | _MOVES),
    State.UNSURE: _row(State.UNSURE, _ENDS | _MOVES | {Input.DISPLACED: _BACK_OFF}),
    State.MOVING: _row(
        State.MOVING,
        _ENDS
        | {
            Input.MOVED: Step(State.ONLINE, Do.SWITCH),
            Input.STUCK: Step(State.UNSURE, Do.NOTHING),
            # Our own new stream displaces the old one; whatever ends it, the new one may be there
            # at once (S7).
            Input.ENDED: Step(State.MOVING, Do.NOTHING),
            Input.DISPLACED: Step(State.MOVING, Do.NOTHING),
        },
    ),
    State.WAITING: _row(
        State.WAITING, {Input.DUE: _DIAL, Input.ASKED: _DIAL, Input.CLOSE: _CLOSED}
    ),
    State.DISPLACED: _row(State.DISPLACED, {Input.ASKED: _DIAL, Input.CLOSE: _CLOSED}),
    State.REMOVED: _row(State.REMOVED, {}),
    State.CLOSED: _row(State.CLOSED, {}),
}


def step(state: State, what: Input) -> Step:
    """What the driver does, and where the device is then. Total: every pair has an entry."""
    return TABLE[state][what]


COMES_BACK = frozenset({Code.RESUME_REFUSED, Code.UNAUTHENTICATED, Code.TOKEN_EXPIRED})
"""Refusals that a login mends; STALE_CONNECTION, a higher counter."""


def ended_by(code: Code | None) -> Input:
    """What the end of a stream with this code is; None: it just broke."""
    if code is Code.DISPLACED:
        return Input.DISPLACED
    if code in (Code.DEVICE_REMOVED, Code.ACCOUNT_DELETED):
        return Input.REMOVED
    if code is None or code in COMES_BACK or code is Code.STALE_CONNECTION:
        return Input.ENDED
    never = RULES[code].retry is Retry.NEVER or code is Code.UNSUPPORTED_VERSION
    return Input.REFUSED if never else Input.ENDED
