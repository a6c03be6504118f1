"""Every refusal and every close: one name, one code, whether to come back, and when.

The numbers are those of `Code` in protos/signet/v1/messaging.proto; a test holds the two
together, and protos/protocol.md prints this table.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum


class Code(IntEnum):
    """The name of a refusal or close; `RULES` says what it asks of the client."""

    MALFORMED = 1
    UNSUPPORTED_FRAME = 2
    UNSUPPORTED_VERSION = 3
    OUT_OF_STATE = 4
    FRAME_TOO_LARGE = 5
    CONTENT_TOO_LARGE = 6
    INVALID_ARGUMENT = 7
    TEXT_FRAME = 8
    ORIGIN_REFUSED = 9
    UNAUTHENTICATED = 20
    TOKEN_EXPIRED = 21
    RESUME_REFUSED = 22
    DEVICE_REMOVED = 23
    FORBIDDEN = 24
    ACCOUNT_DELETED = 25
    DISPLACED = 40
    HELLO_TIMEOUT = 41
    HEARTBEAT_TIMEOUT = 42
    SLOW_READER = 43
    DRAINING = 44
    NO_SURVIVOR = 45
    OVERLOADED = 46
    BYE = 47
    STALE_CONNECTION = 48
    ACK_BEYOND_SENT = 49
    OUT_OF_ORDER = 60
    ID_REUSED = 61
    WRONG_DEVICES = 62
    UNKNOWN_RECIPIENT = 63
    RATE_LIMITED = 64
    INBOX_FULL = 65
    STRANGER_LIMIT = 66
    TOO_MANY_UNANSWERED = 67
    NOT_A_MEMBER = 68
    WRONG_GROUP = 69
    GROUP_BUSY = 70
    STORE_UNAVAILABLE = 80
    NOT_OWNER = 81
    INTERNAL = 82
    NOT_FOUND = 100
    USER_NAME_TAKEN = 101
    BAD_SIGNATURE = 102
    KEY_ID_REUSED = 103
    NONCE_REFUSED = 104
    REGISTRATION_REFUSED = 105
    DEVICE_LIMIT = 106
    LOCKED = 107
    PAYLOAD_TOO_LARGE = 108
    GROUP_FULL = 109
    GROUP_CHANGED = 110
    LAST_ADMINISTRATOR = 111
    MEDIA_TOO_LARGE = 120
    MEDIA_TICKET_REFUSED = 121
    MEDIA_INCOMPLETE = 122
    MEDIA_WRONG_LENGTH = 123
    PUSH_NOT_OFFERED = 130
    PUSH_REFUSED = 131


class Retry(Enum):
    """What the client may do with the same request, or after the close."""

    NEVER = "never"  # the same again fails again
    CHANGED = "changed"  # after a change that the code names
    LATER = "later"  # the same, after retry_after or a back-off
    NOW = "now"  # at once, elsewhere or anew


@dataclass(frozen=True, slots=True)
class Rule:
    """What one code means on each transport.

    `websocket` is the close code, 4000 for a code that answers a request and ends no stream;
    `grpc` is the status name, `http` the status of REST.
    """

    retry: Retry
    websocket: int
    grpc: str
    http: int
    meaning: str


RULES: dict[Code, Rule] = {
    Code.MALFORMED: Rule(
        Retry.NEVER, 4400, "INVALID_ARGUMENT", 400, "not a frame of this protocol"
    ),
    Code.UNSUPPORTED_FRAME: Rule(
        Retry.NEVER, 4000, "UNIMPLEMENTED", 501, "the server does not know this request"
    ),
    Code.UNSUPPORTED_VERSION: Rule(
        Retry.CHANGED, 4426, "FAILED_PRECONDITION", 426, "the client must be updated"
    ),
    Code.OUT_OF_STATE: Rule(
        Retry.CHANGED, 4400, "FAILED_PRECONDITION", 409, "the frame has no place in this state"
    ),
    Code.FRAME_TOO_LARGE: Rule(
        Retry.NEVER, 4413, "RESOURCE_EXHAUSTED", 413, "over the frame limit"
    ),
    Code.CONTENT_TOO_LARGE: Rule(
        Retry.CHANGED, 4413, "INVALID_ARGUMENT", 413, "longer text is media"
    ),
    Code.INVALID_ARGUMENT: Rule(
        Retry.NEVER, 4400, "INVALID_ARGUMENT", 400, "a field is out of its range"
    ),
    Code.TEXT_FRAME: Rule(Retry.NEVER, 4403, "INVALID_ARGUMENT", 400, "WebSocket text; use binary"),
    Code.ORIGIN_REFUSED: Rule(
        Retry.NEVER, 4405, "PERMISSION_DENIED", 403, "this Origin is not on the allow-list"
    ),
    Code.UNAUTHENTICATED: Rule(
        Retry.CHANGED, 4401, "UNAUTHENTICATED", 401, "no valid token; log in"
    ),
    Code.TOKEN_EXPIRED: Rule(Retry.CHANGED, 4401, "UNAUTHENTICATED", 401, "log in for a new token"),
    Code.RESUME_REFUSED: Rule(
        Retry.CHANGED, 4402, "UNAUTHENTICATED", 401, "say Hello with a token instead"
    ),
    Code.DEVICE_REMOVED: Rule(
        Retry.NEVER, 4410, "PERMISSION_DENIED", 403, "this device is no longer of the account"
    ),
    Code.ACCOUNT_DELETED: Rule(
        Retry.NEVER, 4416, "PERMISSION_DENIED", 410, "the account was deleted, and all of it"
    ),
    Code.FORBIDDEN: Rule(Retry.NEVER, 4406, "PERMISSION_DENIED", 403, "not allowed"),
    Code.DISPLACED: Rule(
        Retry.NEVER,
        4409,
        "ABORTED",
        409,
        "a newer stream of this device is open; never automatically",
    ),
    Code.HELLO_TIMEOUT: Rule(Retry.NOW, 4408, "DEADLINE_EXCEEDED", 408, "no Hello in time"),
    Code.HEARTBEAT_TIMEOUT: Rule(Retry.NOW, 4411, "DEADLINE_EXCEEDED", 408, "no frame in time"),
    Code.SLOW_READER: Rule(
        Retry.LATER, 4412, "RESOURCE_EXHAUSTED", 429, "what is sent is not read"
    ),
    Code.DRAINING: Rule(
        Retry.NOW, 4420, "UNAVAILABLE", 503, "this pod is going; connect elsewhere"
    ),
    Code.NO_SURVIVOR: Rule(
        Retry.LATER, 4421, "UNAVAILABLE", 503, "nobody is left to serve; come back"
    ),
    Code.OVERLOADED: Rule(Retry.LATER, 4429, "UNAVAILABLE", 503, "not admitted now"),
    Code.BYE: Rule(Retry.NOW, 1000, "OK", 200, "the client said Bye"),
    Code.STALE_CONNECTION: Rule(
        Retry.CHANGED, 4414, "ABORTED", 409, "a connection counter that was seen already (O4)"
    ),
    Code.ACK_BEYOND_SENT: Rule(
        Retry.NEVER, 4415, "FAILED_PRECONDITION", 409, "acknowledges what was never sent (R5)"
    ),
    Code.OUT_OF_ORDER: Rule(Retry.NOW, 4000, "ABORTED", 409, "send again from base"),
    Code.ID_REUSED: Rule(
        Retry.NEVER, 4000, "ALREADY_EXISTS", 409, "this message id came with other bytes (O1)"
    ),
    Code.WRONG_DEVICES: Rule(
        Retry.CHANGED,
        4000,
        "FAILED_PRECONDITION",
        409,
        "fetch bundles, encrypt for the right devices",
    ),
    Code.UNKNOWN_RECIPIENT: Rule(Retry.NEVER, 4000, "NOT_FOUND", 404, "nobody to deliver to"),
    Code.RATE_LIMITED: Rule(
        Retry.LATER, 4429, "RESOURCE_EXHAUSTED", 429, "too many; come back later"
    ),
    Code.INBOX_FULL: Rule(
        Retry.LATER, 4000, "RESOURCE_EXHAUSTED", 429, "the recipient's inbox is full"
    ),
    Code.STRANGER_LIMIT: Rule(
        Retry.LATER, 4000, "RESOURCE_EXHAUSTED", 429, "wait until the recipient answers"
    ),
    Code.TOO_MANY_UNANSWERED: Rule(
        Retry.LATER, 4000, "RESOURCE_EXHAUSTED", 429, "wait for answers to earlier sends"
    ),
    Code.NOT_A_MEMBER: Rule(
        Retry.NEVER, 4000, "NOT_FOUND", 404, "the sender is no member, or there is no such group"
    ),
    Code.WRONG_GROUP: Rule(
        Retry.CHANGED,
        4000,
        "FAILED_PRECONDITION",
        409,
        "other members, or other devices of them; bring the new ones the sender key",
    ),
    Code.GROUP_BUSY: Rule(
        Retry.LATER, 4000, "RESOURCE_EXHAUSTED", 429, "too much waits for the group's members"
    ),
    Code.STORE_UNAVAILABLE: Rule(
        Retry.LATER, 4503, "UNAVAILABLE", 503, "the store does not answer; nothing was promised"
    ),
    Code.NOT_OWNER: Rule(Retry.NOW, 4503, "UNAVAILABLE", 503, "between pods only"),
    Code.INTERNAL: Rule(Retry.LATER, 1011, "INTERNAL", 500, "a bug of the server"),
    Code.NOT_FOUND: Rule(Retry.NEVER, 4404, "NOT_FOUND", 404, "unknown, or not for this caller"),
    Code.USER_NAME_TAKEN: Rule(Retry.CHANGED, 4000, "ALREADY_EXISTS", 409, "choose another name"),
    Code.BAD_SIGNATURE: Rule(
        Retry.NEVER, 4000, "INVALID_ARGUMENT", 422, "a signature does not verify"
    ),
    Code.KEY_ID_REUSED: Rule(
        Retry.CHANGED, 4000, "ALREADY_EXISTS", 409, "a key id was used before"
    ),
    Code.NONCE_REFUSED: Rule(
        Retry.CHANGED,
        4000,
        "UNAUTHENTICATED",
        401,
        "the nonce is unknown, used or over; ask for another",
    ),
    Code.REGISTRATION_REFUSED: Rule(
        Retry.CHANGED, 4000, "PERMISSION_DENIED", 403, "the registration mode asks for more"
    ),
    Code.DEVICE_LIMIT: Rule(
        Retry.CHANGED, 4000, "RESOURCE_EXHAUSTED", 409, "remove a device first"
    ),
    Code.LOCKED: Rule(
        Retry.CHANGED, 4000, "PERMISSION_DENIED", 423, "the registration lock's PIN is asked"
    ),
    Code.PAYLOAD_TOO_LARGE: Rule(Retry.NEVER, 4000, "INVALID_ARGUMENT", 413, "over the body limit"),
    Code.GROUP_FULL: Rule(
        Retry.CHANGED, 4000, "RESOURCE_EXHAUSTED", 409, "a group has at most 100 members"
    ),
    Code.GROUP_CHANGED: Rule(
        Retry.CHANGED, 4000, "ABORTED", 409, "another change came first; fetch it, sign again"
    ),
    Code.LAST_ADMINISTRATOR: Rule(
        Retry.CHANGED, 4000, "FAILED_PRECONDITION", 409, "name another administrator first"
    ),
    Code.MEDIA_TOO_LARGE: Rule(
        Retry.NEVER, 4000, "INVALID_ARGUMENT", 413, "more than a blob may have here"
    ),
    Code.MEDIA_TICKET_REFUSED: Rule(
        Retry.CHANGED,
        4000,
        "FAILED_PRECONDITION",
        409,
        "the ticket is over, or not this account's; ask for another",
    ),
    Code.MEDIA_INCOMPLETE: Rule(
        Retry.CHANGED, 4000, "FAILED_PRECONDITION", 409, "parts are missing; put them first"
    ),
    Code.MEDIA_WRONG_LENGTH: Rule(
        Retry.CHANGED,
        4000,
        "FAILED_PRECONDITION",
        409,
        "a part had not its signed length and was deleted; put it again",
    ),
    Code.PUSH_NOT_OFFERED: Rule(
        Retry.CHANGED,
        4000,
        "FAILED_PRECONDITION",
        409,
        "this server wakes no devices by this kind of push",
    ),
    Code.PUSH_REFUSED: Rule(
        Retry.NEVER,
        4000,
        "INVALID_ARGUMENT",
        422,
        "no device can be woken so; the detail names the field",
    ),
}


class SignetError(Exception):
    """A refusal with its code. `retry_after_s` is a hint in seconds, 0 where none is known."""

    def __init__(self, code: Code, detail: str = "", retry_after_s: float = 0.0) -> None:
        super().__init__(f"{code.name}: {detail or RULES[code].meaning}")
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
