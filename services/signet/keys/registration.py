"""Registration and take-over of accounts (K1)."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

from signet.core.addresses import network
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, UserId
from signet.core.limits import (
    INVITATION_TTL,
    LOCK_PERIOD,
    LOCK_TRIES,
    MAX_REGISTRATION_ID,
)
from signet.keys import signatures
from signet.keys.admission import admit, by_provider, invitation_hash
from signet.keys.identity_provider import IdentityTokens
from signet.keys.names import device_name, folded_name
from signet.keys.parts import HOUR, Parts
from signet.keys.passwords import fold_recovery_key, new_recovery_key
from signet.keys.refusals import refuses
from signet.keys.tokens import Token
from signet.ports.directory import (
    Account,
    Admission,
    IdTaken,
    NewAccount,
    NewDevice,
    NoSuchAccount,
    Replacement,
)
from signet.ports.pre_keys import KeyUpload
from signet.telemetry.metrics import REGISTRATIONS

_LABEL = b"signet-register-v1"
_NOBODY = UserId(bytes(16))


@dataclass(frozen=True, slots=True)
class Application:
    """What somebody asks to register with, as in keys.proto."""

    identity_key: bytes
    login_key: bytes
    registration_id: int
    keys: KeyUpload = field(repr=False)
    signature: bytes = field(repr=False)
    user_name: str = ""
    findable: bool = False
    invitation: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    proof_of_work: str = ""
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Who wants which account back, and why they may have it. `user` None: that of `user_name`."""

    user: UserId | None
    application: Application
    recovery_key: str = field(default="", repr=False)
    registration_lock: str = field(default="", repr=False)
    user_name: str = ""


@dataclass(frozen=True, slots=True)
class Registered:
    """`recovery_key` is said this once."""

    user: UserId
    device: int
    recovery_key: str = field(repr=False)
    token: Token


class Registrations:
    """See the module's text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        config = parts.config
        self._provider = (
            IdentityTokens(config.identity_provider, parts.clock)
            if config.identity_provider
            else None
        )

    @refuses()
    async def register(self, application: Application, address: str) -> Registered:
        """Make an account with one device.

        Raises:
            SignetError: RATE_LIMITED (by address), INVALID_ARGUMENT, REGISTRATION_REFUSED,
                BAD_SIGNATURE, USER_NAME_TAKEN, KEY_ID_REUSED, STORE_UNAVAILABLE.
        """
        parts, config = self._parts, self._parts.config
        name = folded_name(application.user_name)
        await parts.limit("register", network(address), config.registrations_an_hour, HOUR)
        admission = await admit(
            config,
            self._provider,
            parts.now_ms(),
            identity_key=application.identity_key,
            invitation=application.invitation,
            identity_token=application.identity_token,
            proof_of_work=application.proof_of_work,
        )
        await self._check(application)
        recovery_key, recovery_hash = await self._new_recovery_key()
        new = NewAccount(
            self._new_id(),
            application.identity_key,
            name,
            application.findable,
            recovery_hash,
            self._device(application),
            admission,
        )
        try:
            account = await parts.directory.create_account(new)
        except IdTaken:  # one of 2^122, or a deleted one's: nothing was spent
            account = await parts.directory.create_account(replace(new, user=self._new_id()))
        REGISTRATIONS.inc()
        parts.audit(account.user, "ACCOUNT_REGISTERED", account.devices[0].id)
        return await self._registered(account, recovery_key)

    @refuses()
    async def recover(self, recovery: Recovery, address: str) -> Registered:
        """Take an account over: new identity, one new device; the old ones and their inboxes go.

        The recovery key, or the identity provider, says whose it is; then the registration lock.
        An unknown account and a wrong recovery key have the same answer (K5).

        Whose answer was lost asks again with the same keys: the recovery key before is good for
        that until the new device's token is first seen, and another one is said.

        Raises:
            SignetError: RATE_LIMITED, INVALID_ARGUMENT, BAD_SIGNATURE, REGISTRATION_REFUSED,
                NOT_FOUND, LOCKED, KEY_ID_REUSED, STORE_UNAVAILABLE.
        """
        parts = self._parts
        await parts.limit("recover", network(address), parts.config.recoveries_an_hour, HOUR)
        await self._check(recovery.application)
        try:
            return await self._take_over(recovery)
        except NoSuchAccount:  # it changed meanwhile, as by the first try of the same: look again
            return await self._take_over(recovery)

    async def _take_over(self, recovery: Recovery) -> Registered:
        """Raises SignetError, and NoSuchAccount where the account is not any more as it was."""
        parts, application = self._parts, recovery.application
        account, admission, again = await self._entitled(recovery)
        await self._unlock(account, recovery.registration_lock)
        recovery_key, recovery_hash = await self._new_recovery_key()
        replacement = Replacement(
            account.generation,
            application.identity_key,
            recovery_hash,
            self._device(application),
            admission,
        )
        if again:
            replaced = await parts.directory.repeat_replacement(account.user, replacement)
        else:
            replaced, _ = await parts.directory.replace_account(account.user, replacement)
            parts.audit(account.user, "ACCOUNT_RECOVERED", replaced.devices[0].id)
        await parts.outbox.tell(account.user)
        return await self._registered(replaced, recovery_key)

    @refuses()
    async def invite(self, ttl_s: float = INVITATION_TTL) -> str:
        """A code that lets one person register within `ttl_s`. For operators."""
        parts, code = self._parts, new_recovery_key(self._parts.randomness)
        now_ms = parts.now_ms()
        expires_ms = now_ms + int(ttl_s * 1000)
        await parts.directory.add_invitation(invitation_hash(code), expires_ms, now_ms)
        return code

    async def _check(self, application: Application) -> None:
        """Ranges, then signatures (in a thread)."""
        if not 1 <= application.registration_id <= MAX_REGISTRATION_ID:
            raise SignetError(Code.INVALID_ARGUMENT, "registration_id is out of its range")
        if not (application.keys.signed and application.keys.last_resort):
            raise SignetError(
                Code.INVALID_ARGUMENT, "a signed and a last-resort pre-key are asked for"
            )
        device_name(application.device_name)
        await asyncio.to_thread(_check_signatures, self._parts.config.server_name, application)

    async def _entitled(self, recovery: Recovery) -> tuple[Account, Admission, bool]:
        """The account, if it is theirs, and whether this is a take-over that is asked for again.

        Raises:
            SignetError: NOT_FOUND, REGISTRATION_REFUSED.
        """
        parts, token = self._parts, recovery.application.identity_token
        account = await parts.directory.account(await self._owner(recovery))
        if token and not recovery.recovery_key:
            admission = await by_provider(self._provider, parts.now_ms(), token)
            if account is None or account.person != admission.person:
                raise SignetError(Code.NOT_FOUND)
            return account, admission, self._is_made_by(account, recovery.application)
        key = fold_recovery_key(recovery.recovery_key)
        kept = account.recovery_hash if account else b""
        if account is not None and await self._is_repeated(account, recovery.application, key):
            return account, Admission(parts.now_ms()), True
        if not await parts.passwords.matches(key, kept) or account is None:
            raise SignetError(Code.NOT_FOUND)
        return account, Admission(parts.now_ms()), False

    async def _is_repeated(self, account: Account, application: Application, key: str) -> bool:
        """Only who has the identity key of the new device comes as far as the former hash."""
        if not self._is_made_by(account, application):
            return False
        return await self._parts.passwords.matches(key, account.former_recovery_hash)

    def _is_made_by(self, account: Account, application: Application) -> bool:
        device = self._device(application)
        return account.replaced_by(application.identity_key, device) is not None

    async def _owner(self, recovery: Recovery) -> UserId:
        """Whose account is meant; NOBODY for a name that nobody has: it costs as much (K5)."""
        if recovery.user is not None:
            return recovery.user
        name = folded_name(recovery.user_name)
        if not name:
            raise SignetError(Code.INVALID_ARGUMENT, "a user id or a user name is asked for")
        return await self._parts.directory.owner_of(name) or _NOBODY

    async def _unlock(self, account: Account, pin: str) -> None:
        """Raises SignetError: LOCKED; RATE_LIMITED after LOCK_TRIES."""
        if not account.lock_hash:
            return
        if not pin:
            raise SignetError(Code.LOCKED)
        parts = self._parts
        period_ms = LOCK_PERIOD * 1000
        counted = await parts.directory.count_try(
            account.user, parts.now_ms(), LOCK_TRIES, period_ms
        )
        if not counted:
            raise SignetError(Code.RATE_LIMITED, "too many PINs were tried", LOCK_PERIOD)
        if not await parts.passwords.matches(pin, account.lock_hash):
            parts.audit(account.user, "REGISTRATION_LOCK_REFUSED")
            raise SignetError(Code.LOCKED)

    def _new_id(self) -> UserId:
        return UserId(UUID(bytes=self._parts.randomness(16), version=4).bytes)

    async def _new_recovery_key(self) -> tuple[str, bytes]:
        key = new_recovery_key(self._parts.randomness)
        return key, await self._parts.passwords.hashed(fold_recovery_key(key))

    def _device(self, application: Application) -> NewDevice:
        return NewDevice(
            application.registration_id,
            application.login_key,
            application.device_name,
            application.keys,
            self._parts.now_ms(),
        )

    async def _registered(self, account: Account, recovery_key: str) -> Registered:
        device = account.devices[0]
        at = DeviceId(account.user, device.id)
        address = DeviceAddress(at, device.registration_id, device.generation)
        token = await self._parts.tokens.issue(address)
        return Registered(account.user, device.id, recovery_key, token)


def _check_signatures(server_name: str, application: Application) -> None:
    """Raises SignetError: INVALID_ARGUMENT, BAD_SIGNATURE."""
    signatures.check_identity(application.identity_key, application.login_key)
    proved = b"".join(
        (
            _LABEL,
            server_name.encode(),
            application.identity_key,
            application.login_key,
            application.registration_id.to_bytes(4, "big"),
        )
    )
    if not signatures.is_signed(application.identity_key, proved, application.signature):
        raise SignetError(Code.BAD_SIGNATURE, "of the registration")
    signatures.check_upload(application.identity_key, application.keys)
