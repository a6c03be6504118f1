"""A new device comes to an account: a mailbox, where an old device lets it in (K7).

Who knows the address may read the mailbox and answer in it; offering and approving is for devices
of an account. Nothing in it says more than that two devices meet: what is handed over is sealed.
"""

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256

from signet.core.addresses import network
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId
from signet.core.limits import (
    LINK_TTL,
    MAX_DEVICES,
    MAX_LINK_ANSWER,
    MAX_LINK_SEALED,
    MAX_REGISTRATION_ID,
)
from signet.keys import signatures
from signet.keys.names import device_name
from signet.keys.parts import HOUR, MINUTE, Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.registration import Registered
from signet.ports.directory import NewDevice
from signet.ports.linking import Approval, DeviceLink
from signet.ports.pre_keys import KeyUpload

ADDRESS_SIZE = 32
OFFER_SIZE = 32
_LABEL = b"signet-link-v1"


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """`address` is said this once; the directory has its hash. `expires_at`: Unix time, seconds."""

    address: bytes = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True)
class Approved:
    """The new device's login key, signed by the account's identity key."""

    login_key: bytes
    registration_id: int
    signature: bytes = field(repr=False)
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkedDevice:
    """What the new device registers with."""

    login_key: bytes
    registration_id: int
    keys: KeyUpload = field(repr=False)
    device_name: str = ""


class Links:
    """Mailboxes. Every call raises SignetError: RATE_LIMITED, STORE_UNAVAILABLE, and but for
    `open` NOT_FOUND (unknown, or over) and INVALID_ARGUMENT.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses()
    async def open(self, caller_address: str) -> OpenedLink:
        """An empty mailbox, for LINK_TTL."""
        parts = self._parts
        most = parts.config.links_an_hour
        await parts.limit("open-link", network(caller_address), most, HOUR)
        address, now_ms = parts.randomness(ADDRESS_SIZE), parts.now_ms()
        expires_ms = now_ms + LINK_TTL * 1000
        await parts.directory.open_link(_hashed(address), expires_ms, now_ms)
        return OpenedLink(address, expires_ms // 1000)

    @refuses()
    async def get(self, address: bytes, caller_address: str) -> DeviceLink:
        """What is in it now."""
        await self._count(caller_address)
        return await self._parts.directory.link(_checked(address), self._parts.now_ms())

    @refuses()
    async def offer(self, caller: Caller, address: bytes, offer: bytes) -> None:
        """The old device's public key. The mailbox is its own from then on.

        Raises:
            SignetError: DEVICE_LIMIT: the account has as many devices as it may. FORBIDDEN: the
                mailbox is another device's.
        """
        if len(offer) != OFFER_SIZE:
            raise SignetError(Code.INVALID_ARGUMENT, f"an offer has {OFFER_SIZE} bytes")
        parts = self._parts
        most = parts.config.links_an_hour
        await parts.limit("offer-link", caller.user.hex(), most, HOUR)
        if len(caller.account.devices) >= MAX_DEVICES:
            raise SignetError(Code.DEVICE_LIMIT)
        at = _checked(address)
        await parts.directory.offer_link(at, caller.device, offer, parts.now_ms())

    @refuses()
    async def answer(self, address: bytes, answer: bytes, caller_address: str) -> None:
        """What the new device says to the offer. Raises SignetError: FORBIDDEN, there is none."""
        if not 1 <= len(answer) <= MAX_LINK_ANSWER:
            raise SignetError(
                Code.INVALID_ARGUMENT, f"an answer has at most {MAX_LINK_ANSWER} bytes"
            )
        await self._count(caller_address)
        at = _checked(address)
        await self._parts.directory.answer_link(at, answer, self._parts.now_ms())

    @refuses()
    async def approve(self, caller: Caller, address: bytes, approved: Approved) -> None:
        """Let the device in, and leave for it what is handed over.

        Raises:
            SignetError: BAD_SIGNATURE; FORBIDDEN, the mailbox is another's or has no answer yet.
        """
        at, parts = _checked(address), self._parts
        _check_device(approved.login_key, approved.registration_id)
        if not 1 <= len(approved.sealed) <= MAX_LINK_SEALED:
            text = f"what is handed over has at most {MAX_LINK_SEALED} bytes"
            raise SignetError(Code.INVALID_ARGUMENT, text)
        signed = b"".join(
            (
                _LABEL,
                parts.config.server_name.encode(),
                address,
                caller.user,
                approved.login_key,
                approved.registration_id.to_bytes(4, "big"),
            )
        )
        identity = caller.account.identity_key
        if not signatures.is_signed(identity, signed, approved.signature):
            raise SignetError(Code.BAD_SIGNATURE, "of the new device")
        approval = Approval(approved.login_key, approved.registration_id, approved.sealed)
        await parts.directory.approve_link(at, caller.device, approval, parts.now_ms())

    @refuses()
    async def complete(
        self, address: bytes, wanted: LinkedDevice, caller_address: str
    ) -> Registered:
        """Add the device that was approved, with its keys; the account's other devices are told.

        Raises:
            SignetError: BAD_SIGNATURE, KEY_ID_REUSED, DEVICE_LIMIT; FORBIDDEN, not the device that
                was approved.
        """
        await self._count(caller_address)
        at, parts = _checked(address), self._parts
        by = (await parts.directory.link(at, parts.now_ms())).by
        account = await parts.directory.account(by.user) if by else None
        if by is None or account is None:
            raise SignetError(Code.FORBIDDEN, "nobody has approved a device")
        device_name(wanted.device_name)
        _check_device(wanted.login_key, wanted.registration_id)
        if not (wanted.keys.signed and wanted.keys.last_resort):
            text = "a signed and a last-resort pre-key are asked for"
            raise SignetError(Code.INVALID_ARGUMENT, text)
        await asyncio.to_thread(signatures.check_upload, account.identity_key, wanted.keys)
        new = NewDevice(
            wanted.registration_id,
            wanted.login_key,
            wanted.device_name,
            wanted.keys,
            parts.now_ms(),
        )
        account, device = await parts.directory.complete_link(at, new, parts.now_ms())
        parts.audit(account.user, "DEVICE_LINKED", device.id)
        await parts.outbox.tell(account.user)
        added = DeviceId(account.user, device.id)
        found = DeviceAddress(added, device.registration_id, device.generation)
        return Registered(account.user, device.id, "", await parts.tokens.issue(found))

    @refuses()
    async def close(self, address: bytes, caller_address: str) -> None:
        """Somebody who knows the address wants it no more."""
        await self._count(caller_address)
        await self._parts.directory.close_link(_checked(address))

    async def _count(self, caller_address: str) -> None:
        most = self._parts.config.link_calls_a_minute
        await self._parts.limit("link", network(caller_address), most, MINUTE)


def _checked(address: bytes) -> bytes:
    """What the directory knows an address by. Raises SignetError: INVALID_ARGUMENT."""
    if len(address) != ADDRESS_SIZE:
        raise SignetError(Code.INVALID_ARGUMENT, f"an address has {ADDRESS_SIZE} bytes")
    return _hashed(address)


def _hashed(address: bytes) -> bytes:
    return sha256(_LABEL + address).digest()


def _check_device(login_key: bytes, registration_id: int) -> None:
    if len(login_key) != signatures.LOGIN_KEY_SIZE:
        raise SignetError(Code.INVALID_ARGUMENT, "login_key is not an Ed25519 key")
    if not 1 <= registration_id <= MAX_REGISTRATION_ID:
        raise SignetError(Code.INVALID_ARGUMENT, "registration_id is out of its range")
