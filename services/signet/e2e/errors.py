"""Everything the end-to-end layer refuses, by name.

A function that raises one of these has changed nothing: the record that was passed in is still
the truth.
"""


class E2eError(Exception):
    """The base of all refusals of this package."""


class InvalidKey(E2eError):
    """Bytes that are not a key of the expected kind, or a key that gives away the secret."""


class BadSignature(E2eError):
    """A pre-key that its identity key did not sign. Never open a session with that bundle."""


class InvalidMessage(E2eError):
    """Not a message of ours, or altered: no session's tag verifies. Ask the sender again."""


class DuplicateMessage(E2eError):
    """A message that was decrypted before (or fell out of the kept keys). Acknowledge, drop."""


class NoSession(E2eError):
    """Nothing agreed with that device yet: fetch its bundle, or ask it to send again."""


class UnknownPreKey(E2eError):
    """The message names a pre-key that is not here: used before, or expired. Ask again."""


class Downgrade(E2eError):
    """The other side offers an older agreement than is allowed, or than it showed before."""


class StaleSession(E2eError):
    """Nobody answered this session for too long: fetch a bundle and initiate again."""


class InvalidRecord(E2eError):
    """Stored bytes that are not a record of a version we know."""


class InvalidAttachment(E2eError):
    """A file beside a message that is not the one that was meant: cut, longer, or altered."""
