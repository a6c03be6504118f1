"""The end of an account, and a new identity for it: what a stolen token must not be enough for.

Both are signed by the identity key, over a nonce that is good once (K9).
"""

import asyncio
from dataclasses import dataclass, field

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress
from signet.keys import signatures
from signet.keys.parts import Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.tokens import Token
from signet.ports.account_life import NewIdentity
from signet.ports.pre_keys import KeyUpload

_DELETE = b"signet-delete-v1"
_IDENTITY = b"signet-identity-v1"


@dataclass(frozen=True, slots=True)
class Consent:
    """A nonce that `Logins.nonce` gave this device, and the identity key's signature."""

    nonce: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdentityChange:
    """The new identity key; `possession` is its own signature over what `consent` signs."""

    identity_key: bytes
    keys: KeyUpload = field(repr=False)
    consent: Consent
    possession: bytes = field(repr=False)


class AccountLife:
    """See the module's text; keys.proto says what is signed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.ACCOUNT_DELETED)
    async def delete(self, caller: Caller, consent: Consent) -> None:
        """Forget the account and all that hangs on it: inboxes, streams and presence, too.

        Raises:
            SignetError: NONCE_REFUSED, BAD_SIGNATURE, STORE_UNAVAILABLE.
        """
        parts = self._parts
        signed = self._signed(_DELETE, caller, b"", consent)
        self._check(caller.account.identity_key, signed, consent.signature)
        await self._spend(caller, consent)
        await parts.directory.delete_account(caller.user)
        parts.audit(caller.user, "ACCOUNT_DELETED", caller.device.device)
        await parts.outbox.tell(caller.user)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def change_identity(self, caller: Caller, change: IdentityChange) -> Token:
        """Give the account another identity key; the calling device goes on with this token.

        Its inbox stays. The other devices are removed; tokens and streams of before end, and all
        who know the account are told.

        Raises:
            SignetError: INVALID_ARGUMENT, BAD_SIGNATURE, NONCE_REFUSED, KEY_ID_REUSED,
                DEVICE_REMOVED (another change was faster), STORE_UNAVAILABLE.
        """
        parts, at = self._parts, caller.device
        self._check_change(caller, change)
        await asyncio.to_thread(signatures.check_upload, change.identity_key, change.keys)
        await self._spend(caller, change.consent)
        new = NewIdentity(caller.account.generation, change.identity_key, change.keys)
        changed, _ = await parts.directory.change_identity(at, new)
        parts.audit(caller.user, "IDENTITY_CHANGED", at.device)
        await parts.outbox.tell(caller.user)
        registration = caller.address.registration
        return await parts.tokens.issue(DeviceAddress(at, registration, changed.generation))

    def _check_change(self, caller: Caller, change: IdentityChange) -> None:
        """Raises SignetError: INVALID_ARGUMENT, BAD_SIGNATURE."""
        before = caller.account.identity_key
        signatures.check_identity_key(change.identity_key)
        if change.identity_key == before:
            raise SignetError(Code.INVALID_ARGUMENT, "identity_key is not a new one")
        if not (change.keys.signed and change.keys.last_resort):
            text = "a signed and a last-resort pre-key are asked for"
            raise SignetError(Code.INVALID_ARGUMENT, text)
        signed = self._signed(_IDENTITY, caller, change.identity_key, change.consent)
        self._check(before, signed, change.consent.signature)
        self._check(change.identity_key, signed, change.possession)

    def _signed(self, label: bytes, caller: Caller, what: bytes, consent: Consent) -> bytes:
        at = caller.user + bytes([caller.device.device])
        return label + self._parts.config.server_name.encode() + at + what + consent.nonce

    def _check(self, identity_key: bytes, signed: bytes, signature: bytes) -> None:
        """Raises SignetError: BAD_SIGNATURE."""
        if not signatures.is_signed(identity_key, signed, signature):
            raise SignetError(Code.BAD_SIGNATURE, "of the identity key")

    async def _spend(self, caller: Caller, consent: Consent) -> None:
        """Raises SignetError: NONCE_REFUSED."""
        now_ms = self._parts.now_ms()
        if not await self._parts.directory.take_nonce(consent.nonce, caller.device, now_ms):
            raise SignetError(Code.NONCE_REFUSED)
