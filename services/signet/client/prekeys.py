"""The device's pre-keys: what is made when, kept before it is published.

A key is in the store before its public half leaves, so that no first message comes for a key
that a crash took. The policy (below 10, by 100, every 2 days, 30 days) is signet.e2e's.
"""

from dataclasses import dataclass

from signet.client.device_store import Tx
from signet.client.environment import Environment
from signet.client.rest import Json, b64
from signet.client.sealing import Self
from signet.client.store.pre_keys import KeyKind
from signet.e2e import (
    Due,
    IdentityKeyPair,
    KemPreKey,
    OneTimePreKey,
    PublicPreKey,
    SignedPreKey,
    SignedPublicPreKey,
    Stock,
    check_digest,
    due,
    ids_from,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """Public halves. An empty list leaves what the server has of its kind."""

    signed: SignedPublicPreKey | None = None
    last_resort: SignedPublicPreKey | None = None
    one_time: tuple[PublicPreKey, ...] = ()
    one_time_kem: tuple[SignedPublicPreKey, ...] = ()

    def to_json(self) -> Json:
        """As `UploadKeysRequest` in JSON."""
        body: Json = {
            "pre_keys": [{"id": k.id, "public_key": b64(k.public)} for k in self.one_time],
            "kyber_pre_keys": [_signed(key) for key in self.one_time_kem],
        }
        if self.signed is not None:
            body["signed_pre_key"] = _signed(self.signed)
        if self.last_resort is not None:
            body["last_resort_kyber_pre_key"] = _signed(self.last_resort)
        return body


EVERYTHING = Due(one_time=100, one_time_kem=100, signed=True, last_resort=True)


def what_is_due(tx: Tx, one_time: int, one_time_kem: int, now: float) -> Due:
    """What should be made, given how many one-time keys the server has left."""
    signed, last_resort = tx.pre_keys.current_signed(), tx.pre_keys.current_last_resort()
    return due(
        Stock(
            one_time,
            one_time_kem,
            signed.created if signed else None,
            last_resort.created if last_resort else None,
        ),
        now,
    )


def make(tx: Tx, identity: IdentityKeyPair, environment: Environment, wanted: Due) -> Upload:
    """Make and keep keys; upload what this returns once it is durable."""
    now, draw = environment.now(), environment.randomness
    long_lived = int(wanted.signed) + int(wanted.last_resort)
    ids = iter(_take_ids(tx, long_lived + wanted.one_time + wanted.one_time_kem))
    signed = last_resort = None
    if wanted.signed:
        signed = SignedPreKey.generate(next(ids), identity, now=now, randomness=draw)
        tx.pre_keys.add(signed, now)
    if wanted.last_resort:
        last_resort = _kem(identity, environment, next(ids), last_resort=True)
        tx.pre_keys.add(last_resort, now)
    if wanted.one_time:
        tx.pre_keys.replace_one_time(KeyKind.ONE_TIME, now)
    if wanted.one_time_kem:
        tx.pre_keys.replace_one_time(KeyKind.KEM_ONE_TIME, now)
    one_time = [OneTimePreKey.generate(next(ids), randomness=draw) for _ in range(wanted.one_time)]
    one_time_kem = [_kem(identity, environment, next(ids)) for _ in range(wanted.one_time_kem)]
    for ec_key in one_time:
        tx.pre_keys.add(ec_key, now)
    for kem_key in one_time_kem:
        tx.pre_keys.add(kem_key, now)
    return Upload(
        signed.published() if signed else None,
        last_resort.published() if last_resort else None,
        tuple(key.published() for key in one_time),
        tuple(key.published() for key in one_time_kem),
    )


def long_lived(tx: Tx) -> Upload:
    """The current signed and last-resort keys, to be published again."""
    signed, last_resort = tx.pre_keys.current_signed(), tx.pre_keys.current_last_resort()
    return Upload(
        signed.published() if signed else None, last_resort.published() if last_resort else None
    )


def digest(tx: Tx, me: Self) -> bytes | None:
    """What the server's `check` compares; None before there are keys."""
    current = long_lived(tx)
    if current.signed is None or current.last_resort is None:
        return None
    return check_digest(me.local.identity.public, current.signed, current.last_resort)


def _kem(
    identity: IdentityKeyPair, environment: Environment, key_id: int, *, last_resort: bool = False
) -> KemPreKey:
    return KemPreKey.generate(
        key_id,
        identity,
        now=environment.now(),
        randomness=environment.randomness,
        last_resort=last_resort,
    )


def _take_ids(tx: Tx, count: int) -> list[int]:
    """Ids that no key of this device had before (until they wrap round)."""
    ids = ids_from(tx.settings.number("next_pre_key", 1), count + 1)
    tx.settings.put_number("next_pre_key", ids[-1])
    return ids[:-1]


def _signed(key: SignedPublicPreKey) -> Json:
    return {"id": key.id, "public_key": b64(key.public), "signature": b64(key.signature)}
