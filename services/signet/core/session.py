"""The stream's state machine, seen from the server: one table, its rules at the top.

Numbers are those of protos/protocol.md, "States":

- S1 Nothing but Hello opens a stream; a second Hello, or anything before the first, ends it.
- S1 In GREETING (the Hello is being verified, the owner has not attached it yet) a client may
  pipeline heartbeats; nothing else, because nothing else can be carried yet.
- T3 A frame that the server does not know is refused, and the stream goes on.
- S7 A draining stream works as before until it is told to leave.
- T5 A stream ends once: every way out of a state but CLOSED has a code, or the transport is gone.
"""

from enum import Enum, auto
from typing import NamedTuple

from signet.core.errors import Code


class State(Enum):
    """Where a stream is."""

    OPENED = auto()
    GREETING = auto()
    ACTIVE = auto()
    DRAINING = auto()
    CLOSED = auto()


class Input(Enum):
    """What can happen to a stream."""

    HELLO = auto()
    HEARTBEAT = auto()
    REQUEST = auto()  # Send, Ack, Read, SetPresence, Watch
    UNKNOWN = auto()  # a frame of a later protocol
    BYE = auto()  # or the client's half of the stream is over
    ATTACHED = auto()  # the owner follows the inbox
    DRAIN = auto()  # the pod is going
    STAY = auto()  # it is not going after all
    STRAY = auto()  # by the ring the device belongs at another gateway
    LEAVE = auto()  # the time for it is over
    HELLO_LATE = auto()
    OWNER_LATE = auto()  # the owner did not attach it in time
    SILENT = auto()  # too many heartbeats were missed
    FAULT = auto()  # the code comes with it: a bad frame, a refused login, the owner's Drop
    LOST = auto()  # the transport is gone


class Do(Enum):
    """What the driver does."""

    NOTHING = auto()
    GREET = auto()  # verify the Hello, attach at the owner
    WELCOME = auto()
    CARRY = auto()  # hand the request on
    BEAT = auto()  # answer a heartbeat
    REFUSE = auto()  # Refused{UNSUPPORTED_FRAME}
    MOVE = auto()  # Reconnect, to those who understand it
    CLOSE = auto()  # one Close, with the code of the step, or of the input where it has none
    FORGET = auto()  # nobody is there to be told


class Step(NamedTuple):
    """What follows from an input."""

    state: State
    do: Do
    code: Code | None = None


def _close(code: Code | None = None) -> Step:
    return Step(State.CLOSED, Do.CLOSE, code)


_OUT_OF_STATE = _close(Code.OUT_OF_STATE)
_FORGET = Step(State.CLOSED, Do.FORGET)
_CLOSED = Step(State.CLOSED, Do.NOTHING)


def _stay(state: State, do: Do = Do.NOTHING) -> Step:
    return Step(state, do)


def _serving(state: State) -> dict[Input, Step]:
    """ACTIVE and DRAINING carry the same frames."""
    return {
        Input.HELLO: _OUT_OF_STATE,
        Input.HEARTBEAT: _stay(state, Do.BEAT),
        Input.REQUEST: _stay(state, Do.CARRY),
        Input.UNKNOWN: _stay(state, Do.REFUSE),
        Input.BYE: _close(Code.BYE),
        Input.ATTACHED: _stay(state),  # again, at a new owner
        Input.DRAIN: Step(State.DRAINING, Do.MOVE),
        Input.STAY: _stay(State.ACTIVE),
        Input.STRAY: _stay(state, Do.MOVE),
        Input.LEAVE: _close(Code.DRAINING),
        Input.HELLO_LATE: _stay(state),
        Input.OWNER_LATE: _stay(state),  # sends are held, not the stream (P7)
        Input.SILENT: _close(Code.HEARTBEAT_TIMEOUT),
        Input.FAULT: _close(),
        Input.LOST: _FORGET,
    }


TABLE: dict[State, dict[Input, Step]] = {
    State.OPENED: {
        Input.HELLO: Step(State.GREETING, Do.GREET),
        Input.HEARTBEAT: _OUT_OF_STATE,
        Input.REQUEST: _OUT_OF_STATE,
        Input.UNKNOWN: _OUT_OF_STATE,
        Input.BYE: _close(Code.BYE),
        Input.ATTACHED: _stay(State.OPENED),
        Input.DRAIN: _close(Code.DRAINING),
        Input.STAY: _stay(State.OPENED),
        Input.STRAY: _stay(State.OPENED),
        Input.LEAVE: _close(Code.DRAINING),
        Input.HELLO_LATE: _close(Code.HELLO_TIMEOUT),
        Input.OWNER_LATE: _stay(State.OPENED),
        Input.SILENT: _stay(State.OPENED),
        Input.FAULT: _close(),
        Input.LOST: _FORGET,
    },
    State.GREETING: {
        Input.HELLO: _OUT_OF_STATE,
        Input.HEARTBEAT: _stay(State.GREETING),
        Input.REQUEST: _OUT_OF_STATE,
        Input.UNKNOWN: _OUT_OF_STATE,
        Input.BYE: _close(Code.BYE),
        Input.ATTACHED: Step(State.ACTIVE, Do.WELCOME),
        Input.DRAIN: _close(Code.DRAINING),
        Input.STAY: _stay(State.GREETING),
        Input.STRAY: _stay(State.GREETING),
        Input.LEAVE: _close(Code.DRAINING),
        Input.HELLO_LATE: _stay(State.GREETING),
        Input.OWNER_LATE: _close(Code.STORE_UNAVAILABLE),
        Input.SILENT: _stay(State.GREETING),
        Input.FAULT: _close(),
        Input.LOST: _FORGET,
    },
    State.ACTIVE: _serving(State.ACTIVE),
    State.DRAINING: _serving(State.DRAINING)
    | {Input.DRAIN: _stay(State.DRAINING), Input.STRAY: _stay(State.DRAINING)},
    State.CLOSED: dict.fromkeys(Input, _CLOSED),
}


def step(state: State, what: Input) -> Step:
    """What the driver does, and where the stream is then. Total: every pair has an entry."""
    return TABLE[state][what]
