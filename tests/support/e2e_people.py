"""People for the tests of end-to-end encryption: a device with its keys, and no network."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import shake_256

from signet.e2e import (
    Address,
    Ciphertext,
    Decrypted,
    IdentityKeyPair,
    KemPreKey,
    LocalDevice,
    OneTimePreKey,
    PreKeyBundle,
    ReplayMark,
    SessionRecord,
    SignedPreKey,
    Version,
    decrypt,
    encrypt,
    initiate,
)


def randomness(seed: str) -> Callable[[int], bytes]:
    """Bytes that are the same in every run, and never the same twice within one."""
    drawn = 0

    def draw(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return shake_256(f"{seed}/{drawn}".encode()).digest(size)

    return draw


@dataclass
class Keyring:
    """The private pre-keys of a device: a PreKeyLookup on dicts."""

    signed_keys: dict[int, SignedPreKey] = field(default_factory=dict)
    one_time_keys: dict[int, OneTimePreKey] = field(default_factory=dict)
    kyber_keys: dict[int, KemPreKey] = field(default_factory=dict)
    marks: set[ReplayMark] = field(default_factory=set)

    def signed(self, key_id: int) -> SignedPreKey | None:
        return self.signed_keys.get(key_id)

    def one_time(self, key_id: int) -> OneTimePreKey | None:
        return self.one_time_keys.get(key_id)

    def kyber(self, key_id: int) -> KemPreKey | None:
        return self.kyber_keys.get(key_id)

    def seen(self, mark: ReplayMark) -> bool:
        return mark in self.marks


class Person:
    """One device of one person. It keeps what `decrypt` says must be kept, as an SDK would."""

    def __init__(self, name: str, *, now: float = 0.0) -> None:
        self.name = name
        self.now = now
        self.draw = randomness(name)
        identity = IdentityKeyPair.generate(self.draw)
        self.local = LocalDevice(Address(self.draw(16), 1), identity, 1000 + len(name))
        self.keyring = Keyring()
        self.sessions: dict[Address, SessionRecord] = {}
        self.next_id = 1
        self.signed = self.add_signed()
        self.last_resort = self.add_kyber(last_resort=True)

    @property
    def address(self) -> Address:
        return self.local.address

    def add_signed(self) -> SignedPreKey:
        key = SignedPreKey.generate(
            self._id(), self.local.identity, now=self.now, randomness=self.draw
        )
        self.keyring.signed_keys[key.id] = key
        return key

    def add_one_time(self) -> OneTimePreKey:
        key = OneTimePreKey.generate(self._id(), randomness=self.draw)
        self.keyring.one_time_keys[key.id] = key
        return key

    def add_kyber(self, *, last_resort: bool = False) -> KemPreKey:
        key = KemPreKey.generate(
            self._id(),
            self.local.identity,
            now=self.now,
            randomness=self.draw,
            last_resort=last_resort,
        )
        self.keyring.kyber_keys[key.id] = key
        return key

    def bundle(self, *, one_time: bool = True, kyber: bool = True) -> PreKeyBundle:
        """What the key service would hand out: fresh one-time keys, or the last resort only."""
        kem = self.add_kyber() if one_time else self.last_resort
        return PreKeyBundle(
            self.local.registration_id,
            self.address.device_id,
            self.local.identity.public,
            self.signed.published(),
            self.add_one_time().published() if one_time else None,
            kem.published() if kyber else None,
        )

    def open(
        self,
        other: "Person",
        bundle: PreKeyBundle | None = None,
        *,
        allow_x3dh: bool = False,
        floor: Version = Version.X3DH,
    ) -> None:
        self.sessions[other.address] = initiate(
            self.sessions.get(other.address),
            bundle or other.bundle(),
            local=self.local,
            remote=other.address,
            now=self.now,
            randomness=self.draw,
            allow_x3dh=allow_x3dh,
            floor=floor,
        )

    def write(self, other: "Person", text: bytes) -> Ciphertext:
        record = self.sessions[other.address]
        self.sessions[other.address], message = encrypt(
            record, text, local=self.local, remote=other.address, now=self.now
        )
        return message

    def read(self, other: "Person", message: Ciphertext, *, allow_x3dh: bool = False) -> bytes:
        return self.take(other, message, allow_x3dh=allow_x3dh).plaintext

    def take(self, other: "Person", message: Ciphertext, *, allow_x3dh: bool = False) -> Decrypted:
        got = decrypt(
            self.sessions.get(other.address),
            message,
            local=self.local,
            remote=other.address,
            pre_keys=self.keyring,
            now=self.now,
            randomness=self.draw,
            allow_x3dh=allow_x3dh,
        )
        self._keep(other, got)
        return got

    def restart(self) -> None:
        """Forget everything that is not at rest."""
        self.sessions = {
            address: SessionRecord.deserialise(record.serialise())
            for address, record in self.sessions.items()
        }

    def _keep(self, other: "Person", got: Decrypted) -> None:
        self.sessions[other.address] = got.record
        if got.used_pre_key_id is not None:
            del self.keyring.one_time_keys[got.used_pre_key_id]
        if got.used_kyber_pre_key_id is not None and not got.kyber_is_last_resort:
            del self.keyring.kyber_keys[got.used_kyber_pre_key_id]
        if got.replay is not None:
            self.keyring.marks.add(got.replay)

    def _id(self) -> int:
        self.next_id += 1
        return self.next_id
