"""End-to-end encryption of clients: PQXDH, the Double Ratchet, sender keys: libsignal's formats.

Pure: no input or output, and no clock; `now` is in seconds, `randomness` a function of a length.
Only clients import this package; a server that could is a broken promise (P5), and import-linter
refuses it. Python cannot wipe memory: a key that was replaced is dropped, not erased. Typed
refusals are in `errors`, every number in `limits`.
"""

from signet.e2e.address import Address, LocalDevice
from signet.e2e.bundle import PreKeyBundle, PublicPreKey, SignedPublicPreKey
from signet.e2e.errors import (
    BadSignature,
    Downgrade,
    DuplicateMessage,
    E2eError,
    InvalidKey,
    InvalidMessage,
    InvalidRecord,
    NoSession,
    StaleSession,
    UnknownPreKey,
)
from signet.e2e.fingerprint import safety_number
from signet.e2e.keys import EcKeyPair, IdentityKeyPair, KemKeyPair, Randomness, verify
from signet.e2e.padding import pad, unpad
from signet.e2e.prekeys import (
    Due,
    KemPreKey,
    OneTimePreKey,
    SignedPreKey,
    Stock,
    check_digest,
    due,
    ids_from,
    may_delete,
)
from signet.e2e.receive import Decrypted, decrypt
from signet.e2e.record import SessionRecord
from signet.e2e.respond import PreKeyLookup, ReplayMark
from signet.e2e.sender_key_wire import SENDER_KEY
from signet.e2e.sender_keys import (
    SenderKeyRecord,
    accept_distribution,
    distribute,
    group_decrypt,
    group_encrypt,
    new_sender_key,
)
from signet.e2e.session import archive, encrypt, initiate
from signet.e2e.wire import PRE_KEY, WHISPER, Ciphertext, Version, message_ratchet_key

__all__ = [
    "PRE_KEY",
    "SENDER_KEY",
    "WHISPER",
    "Address",
    "BadSignature",
    "Ciphertext",
    "Decrypted",
    "Downgrade",
    "Due",
    "DuplicateMessage",
    "E2eError",
    "EcKeyPair",
    "IdentityKeyPair",
    "InvalidKey",
    "InvalidMessage",
    "InvalidRecord",
    "KemKeyPair",
    "KemPreKey",
    "LocalDevice",
    "NoSession",
    "OneTimePreKey",
    "PreKeyBundle",
    "PreKeyLookup",
    "PublicPreKey",
    "Randomness",
    "ReplayMark",
    "SenderKeyRecord",
    "SessionRecord",
    "SignedPreKey",
    "SignedPublicPreKey",
    "StaleSession",
    "Stock",
    "UnknownPreKey",
    "Version",
    "accept_distribution",
    "archive",
    "check_digest",
    "decrypt",
    "distribute",
    "due",
    "encrypt",
    "group_decrypt",
    "group_encrypt",
    "ids_from",
    "initiate",
    "may_delete",
    "message_ratchet_key",
    "new_sender_key",
    "pad",
    "safety_number",
    "unpad",
    "verify",
]
