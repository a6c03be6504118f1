"""The responder's side of an agreement: from a first message to a session, with our private keys.

https://signal.org/docs/specifications/pqxdh/ section 3.4, and /x3dh/ section 3.4; on replays
section 4.2 of either.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from signet.e2e import pqxdh, x3dh
from signet.e2e.address import LocalDevice
from signet.e2e.errors import DuplicateMessage, UnknownPreKey
from signet.e2e.prekeys import KemPreKey, OneTimePreKey, SignedPreKey
from signet.e2e.ratchet import as_responder
from signet.e2e.record import SessionState
from signet.e2e.wire import PreKeyMessage

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class ReplayMark:
    """Names a first message that used up no one-time key, and so could be played again.

    Store it with the session, and keep it for as long as the keys that it names.
    """

    signed_pre_key_id: int
    kyber_pre_key_id: int | None
    base_key: bytes


class PreKeyLookup(Protocol):
    """Our own private pre-keys, and which first messages were seen. Look-ups without effect."""

    def signed(self, key_id: int) -> SignedPreKey | None: ...

    def one_time(self, key_id: int) -> OneTimePreKey | None: ...

    def kyber(self, key_id: int) -> KemPreKey | None: ...

    def seen(self, mark: ReplayMark) -> bool:
        """Whether that mark was stored before."""
        ...


@dataclass(frozen=True, slots=True)
class UsedKeys:
    """The private keys that a first message was made for."""

    signed: SignedPreKey
    one_time: OneTimePreKey | None
    kyber: KemPreKey | None
    replay: ReplayMark | None

    @classmethod
    def find(cls, first: PreKeyMessage, pre_keys: PreKeyLookup) -> "UsedKeys":
        """Raises UnknownPreKey, or DuplicateMessage when nothing but our memory says so."""
        signed = _held(pre_keys.signed, first.signed_pre_key_id, "signed")
        one_time = kyber = replay = None
        if first.pre_key_id is not None:
            one_time = _held(pre_keys.one_time, first.pre_key_id, "one-time")
        if first.kyber is not None:
            kyber = _held(pre_keys.kyber, first.kyber[0], "Kyber")
        if one_time is None and (kyber is None or kyber.last_resort):
            replay = ReplayMark(signed.id, kyber.id if kyber else None, first.base_key)
            if pre_keys.seen(replay):
                raise DuplicateMessage("this first message was taken before")
        return cls(signed, one_time, kyber, replay)


def _held(lookup: Callable[[int], K | None], key_id: int, kind: str) -> K:
    key = lookup(key_id)
    if key is None:
        raise UnknownPreKey(f"{kind} pre-key {key_id} is not here")
    return key


def respond(first: PreKeyMessage, keys: UsedKeys, local: LocalDevice) -> SessionState:
    """Our side of the agreement, before any message of it is verified."""
    secrets = x3dh.responder_secrets(
        local.identity,
        spk=keys.signed.pair,
        opk=keys.one_time.pair if keys.one_time else None,
        their_ik=first.identity_key,
        ek=first.base_key,
    )
    agreed = x3dh.derive(secrets)
    if keys.kyber is not None and first.kyber is not None:
        agreed = pqxdh.derive(secrets, keys.kyber.pair.decapsulate(first.kyber[1]))
    return SessionState(
        first.version,
        local.identity.public,
        first.identity_key,
        first.registration_id,
        first.base_key,
        as_responder(agreed, keys.signed.pair),
    )
