"""The directory: accounts, their devices and keys, and what proves who somebody is.

Pre-keys are in pre_keys.py, what becomes of devices in linking.py; they are parts of it.

What may be relied upon, of every adapter:

- A call that returns is durable, and atomic: all of it or nothing, whatever else goes on.
- A call that raises `StoreUnavailable` (signet.ports.inbox) may have happened or not. Each write is
  safe then: a one-time key that was taken is never given again, a nonce is spent at most once.
- `version` of an account rises with every change that others can see (devices, blocks, presence).
- Where several refusals apply, the first in the order of a docstring's `Raises` is raised.

Times are milliseconds of Unix time and come from the caller; a store has no clock of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from signet.core.ids import DeviceId, UserId
from signet.ports.account_life import IdentityAndRows
from signet.ports.groups import GroupStore
from signet.ports.linking import Linking, OwnDevices
from signet.ports.pre_keys import KeyUpload, PreKeys
from signet.ports.profiles import Profiles
from signet.ports.push_registrations import PushRegistrations
from signet.ports.telling import Telling
from signet.ports.users import Audience, User


class NoSuchAccount(Exception):
    """There is no such account, or no such device of it."""


class NameTaken(Exception):
    """Another account has this user name."""


class TooManyDevices(Exception):
    """The account has MAX_DEVICES devices."""


class AdmissionSpent(Exception):
    """The invitation is unknown, used or over, or the identity token was used before."""


class IdTaken(Exception):
    """Somebody has this id, or had it: an id is never given again."""


class PersonKnown(Exception):
    """The person whom an identity provider names has an account already."""


class TooManyBlocked(Exception):
    """The account blocks MAX_BLOCKED people."""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device that registers. Names are for its owner only."""

    registration_id: int
    login_key: bytes = field(repr=False)
    name: str
    keys: KeyUpload = field(repr=False)
    created_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `generation` is that of the account when it registered."""

    id: int  # 1 – MAX_DEVICE_ID
    registration_id: int
    login_key: bytes
    name: str
    generation: int
    created_ms: int
    last_login_ms: int = 0  # 0: not known


@dataclass(frozen=True, slots=True)
class Admission:
    """What lets somebody in, spent in the transaction that lets them in.

    `invitation` is the SHA-256 of an invitation's code, `token_id` that of an identity token's
    issuer and `jti`, remembered until `token_until_ms`. `person` is the SHA-256 of issuer and
    subject: one account a person.
    """

    now_ms: int
    invitation: bytes = b""
    token_id: bytes = b""
    token_until_ms: int = 0
    person: bytes = b""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account with its first device, which gets id 1."""

    user: UserId
    identity_key: bytes
    user_name: str  # folded; '' for none
    findable: bool
    recovery_hash: bytes = field(repr=False)
    device: NewDevice
    admission: Admission


@dataclass(frozen=True, slots=True)
class Replacement:
    """What replaces identity and devices of an account that is taken over.

    `generation` is that of the account that was looked at; one of another is not replaced. The
    new device gets an id that no device of the account had lately, so that it starts with an
    inbox of its own. Name, blocks, presence, contacts and registration lock stay.
    """

    generation: int
    identity_key: bytes
    recovery_hash: bytes = field(repr=False)
    device: NewDevice
    admission: Admission


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is now. Hashes are those of signet.keys; lock_hash is empty for no lock."""

    user: UserId
    identity_key: bytes
    user_name: str
    findable: bool
    presence: Audience
    recovery_hash: bytes = field(repr=False)
    lock_hash: bytes = field(repr=False)
    person: bytes = field(repr=False)
    generation: int
    version: int
    devices: Sequence[Device]
    former_recovery_hash: bytes = field(default=b"", repr=False)  # see `repeat_replacement`

    def device(self, device: int) -> Device | None:
        """The device of that id, if there is one."""
        return next((one for one in self.devices if one.id == device), None)

    def replaced_by(self, identity_key: bytes, wanted: NewDevice) -> Device | None:
        """The device, if a take-over by just these made the account and is not settled."""
        made = [(one.registration_id, one.login_key) for one in self.devices]
        same = made == [(wanted.registration_id, wanted.login_key)]
        if not self.former_recovery_hash or self.identity_key != identity_key or not same:
            return None
        return self.devices[0]


@dataclass(frozen=True, slots=True)
class Changes:
    """What an account's owner changes; None leaves a field as it is."""

    user_name: str | None = None  # folded; '' gives the name up
    findable: bool | None = None
    presence: Audience | None = None
    lock_hash: bytes | None = field(default=None, repr=False)  # b'' takes the lock off


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens. It is published until nothing it signed is valid."""

    kid: str
    private: bytes = field(repr=False)  # Ed25519 seed, 32 bytes
    created_ms: int
    retired_ms: int  # signs no more from here on
    gone_ms: int  # published until here


class Accounts(Protocol):
    """Accounts and their devices."""

    async def create_account(self, account: NewAccount) -> Account:
        """Make an account with its first device and keys.

        Raises:
            IdTaken, AdmissionSpent, PersonKnown, NameTaken, KeyIdReused: nothing was stored or
                spent.
        """
        ...

    async def replace_account(
        self, user: UserId, replacement: Replacement
    ) -> tuple[Account, Sequence[int]]:
        """Take an account over: new identity, one new device, a higher generation.

        Returns the account and the ids of the devices that were dropped, with all their keys. It
        is `untold` from then on, and the recovery hash that was there is the former one.

        Raises:
            NoSuchAccount: none, or its generation is another. AdmissionSpent, KeyIdReused.
                Nothing was changed or spent.
        """
        ...

    async def repeat_replacement(self, user: UserId, replacement: Replacement) -> Account:
        """The same take-over again, whose answer was lost: its recovery hash and keys are stored.

        The former recovery hash stays.

        Raises:
            NoSuchAccount: the account is not as the last take-over by this identity and login key
                left it, or `settle_replacement` came. KeyIdReused. Nothing was changed.
        """
        ...

    async def settle_replacement(self, device: DeviceId) -> None:
        """The last take-over is known to its device: forget the former recovery hash."""
        ...

    async def add_device(self, user: UserId, device: NewDevice) -> Device:
        """Add a device under the lowest id that was not used lately.

        Raises:
            NoSuchAccount, TooManyDevices, KeyIdReused.
        """
        ...

    async def remove_device(self, device: DeviceId) -> Account:
        """Remove a device with its keys; the account's generation and version rise.

        It is `untold` from then on.

        Raises:
            NoSuchAccount.
        """
        ...

    async def account(self, user: UserId) -> Account | None:
        """The account with its devices, None if there is none."""
        ...

    async def update_account(self, user: UserId, changes: Changes) -> Account:
        """Change what is given.

        Raises:
            NoSuchAccount, NameTaken.
        """
        ...

    async def delete_account(self, user: UserId) -> Sequence[int]:
        """Forget an account and all that hangs on it; returns the ids its devices had.

        No row names it any more, others' blocks of it included, but what is `untold` from then on
        until it is told. Its id is never given again: a hash of it stays, and nothing else. Its
        name is free. An unknown account is no error.
        """
        ...

    async def find(self, user_name: str) -> UserId | None:
        """Whose folded name this is, if they want to be found."""
        ...

    async def owner_of(self, user_name: str) -> UserId | None:
        """Whose folded name this is, found or not: for those who take their account over."""
        ...

    async def count_try(self, user: UserId, now_ms: int, most: int, period_ms: int) -> bool:
        """Count a try of the registration lock; False: `most` were made within `period_ms`.

        A take-over starts the count anew. Unknown accounts have no tries.
        """
        ...


class Proofs(Protocol):
    """What is valid once, or for a while."""

    async def put_nonce(self, nonce: bytes, device: DeviceId, expires_ms: int, now_ms: int) -> None:
        """Remember a nonce for a device, which need not exist. Forgets those that are over."""
        ...

    async def take_nonce(self, nonce: bytes, device: DeviceId, now_ms: int) -> bool:
        """Spend a nonce: True once, for that device, before its end."""
        ...

    async def signing_keys(self, now_ms: int) -> Sequence[SigningKey]:
        """Those that are published now, the newest first."""
        ...

    async def add_signing_key(self, key: SigningKey, after: str, now_ms: int) -> bool:
        """Add a key if the newest published one still is `after` ('': there is none).

        False: another process was faster. Forgets keys that are gone.
        """
        ...

    async def add_invitation(self, invitation: bytes, expires_ms: int, now_ms: int) -> None:
        """Allow one registration for whoever knows the code with this SHA-256."""
        ...


class Relations(Protocol):
    """Who blocks whom, and who has written to whom."""

    async def set_blocked(self, user: UserId, other: UserId, blocked: bool) -> None:
        """Whether `user` hears of `other`, who need not exist (K5).

        Raises:
            NoSuchAccount: (of `user`), TooManyBlocked.
        """
        ...

    async def users(self, users: Sequence[UserId]) -> dict[UserId, User]:
        """Users as routers see them, in one read; unknown ones are absent."""
        ...

    async def blocked(self, user: UserId) -> Sequence[UserId]:
        """Whom a user blocks, in the order of their ids."""
        ...

    async def note_written(self, pairs: Sequence[tuple[UserId, UserId]]) -> None:
        """Each first has written to each second; pairs with an unknown user are skipped."""
        ...

    async def note_seen(self, pairs: Sequence[tuple[UserId, int]]) -> None:
        """Users were last seen at these times (ms); only a later time changes anything."""
        ...

    async def have_written(
        self, pairs: Sequence[tuple[UserId, UserId]]
    ) -> set[tuple[UserId, UserId]]:
        """Those of the pairs of which the first has written to the second."""
        ...

    async def peers(self, user: UserId) -> Sequence[UserId]:
        """Who has written to the user, or was written to by them."""
        ...


class Directory(
    Accounts,
    OwnDevices,
    Linking,
    IdentityAndRows,
    Telling,
    PreKeys,
    Profiles,
    Proofs,
    Relations,
    PushRegistrations,
    GroupStore,
    Protocol,
):
    """All of it, in one store, so that what belongs together is one transaction."""

    async def close(self) -> None:
        """Give back what is held."""
        ...
