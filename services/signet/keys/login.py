"""Login of a device by its own key (K2), and who a token belongs to."""

from dataclasses import dataclass, field

from signet.core.addresses import is_this_machine, network
from signet.core.errors import Code, SignetError
from signet.core.ids import ID_BYTES, DeviceAddress, DeviceId, UserId
from signet.core.limits import MAX_DEVICE_ID, NONCE_TTL
from signet.keys import signatures
from signet.keys.parts import MINUTE, Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.tokens import Token
from signet.ports.directory import Account

NONCE_SIZE = 32
_LABEL = b"signet-login-v1"
# Verified for a device that there is not, so that its answer takes as long.
_NOBODY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")


@dataclass(frozen=True, slots=True)
class Proof:
    """A nonce that this service gave, and the device's signature."""

    device: DeviceId
    nonce: bytes = field(repr=False)
    signature: bytes = field(repr=False)


class Logins:
    """Unknown devices get nonces too, and fail like a wrong signature: no oracle (K5)."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses()
    async def nonce(self, device: DeviceId, address: str) -> bytes:
        """32 bytes, good once, for NONCE_TTL, for this device.

        Raises:
            SignetError: INVALID_ARGUMENT, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        check_device(device)
        await self._limit("nonce", address)
        value, now_ms = self._parts.randomness(NONCE_SIZE), self._parts.now_ms()
        expires_ms = now_ms + int(NONCE_TTL * 1000)
        await self._parts.directory.put_nonce(value, device, expires_ms, now_ms)
        return value

    @refuses()
    async def login(self, proof: Proof, address: str) -> Token:
        """A token for the device whose login key signed the nonce.

        Raises:
            SignetError: INVALID_ARGUMENT, RATE_LIMITED, NONCE_REFUSED, UNAUTHENTICATED,
                STORE_UNAVAILABLE.
        """
        check_device(proof.device)
        await self._limit("login", address)
        parts, at = self._parts, proof.device
        if not await parts.directory.take_nonce(proof.nonce, at, parts.now_ms()):
            raise SignetError(Code.NONCE_REFUSED)
        account = await parts.directory.account(at.user)
        device = account.device(at.device) if account else None
        label = _LABEL + parts.config.server_name.encode()
        signed = label + at.user + bytes([at.device]) + proof.nonce
        login_key = device.login_key if device else _NOBODY
        if not signatures.is_login(login_key, signed, proof.signature) or device is None:
            raise SignetError(Code.UNAUTHENTICATED, "no such device, or not its signature")
        await self._settle(account, at)
        await parts.directory.note_login(at, parts.now_ms())
        found = DeviceAddress(at, device.registration_id, device.generation)
        return await parts.tokens.issue(found)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def authenticate(self, token: str, address: str = "") -> Caller:
        """Who calls: the token is valid, and its device is still there, of that generation.

        Raises:
            SignetError: RATE_LIMITED (by address, by account), UNAUTHENTICATED, TOKEN_EXPIRED,
                ACCOUNT_DELETED, DEVICE_REMOVED, STORE_UNAVAILABLE.
        """
        if not token:
            raise SignetError(Code.UNAUTHENTICATED)
        await self._count_address(address)
        bearer = await self._parts.tokens.verify(token)
        await self._count_account(bearer.device.user)
        account = await self._parts.directory.account(bearer.device.user)
        if account is None:
            raise SignetError(Code.ACCOUNT_DELETED)
        device = account.device(bearer.device.device)
        if device is None or device.generation != bearer.generation:
            raise SignetError(Code.DEVICE_REMOVED)
        await self._settle(account, bearer.device)
        return Caller(bearer, account)

    async def _count_address(self, address: str) -> None:
        """One machine asks for as many as it likes of itself (K10). Raises SignetError."""
        if address and not is_this_machine(address):
            most = self._parts.config.address_requests_a_minute
            await self._parts.limit("address_requests", network(address), most, MINUTE)

    async def _count_account(self, user: UserId) -> None:
        """Raises SignetError: RATE_LIMITED."""
        most = self._parts.config.requests_a_minute
        await self._parts.limit("account_requests", user.hex(), most, MINUTE)

    async def _settle(self, account: Account | None, at: DeviceId) -> None:
        """A device that was made by a take-over has its answer: the key before is over."""
        if account is not None and account.former_recovery_hash:
            await self._parts.directory.settle_replacement(at)

    async def _limit(self, name: str, address: str) -> None:
        most = self._parts.config.logins_a_minute
        await self._parts.limit(name, network(address), most, MINUTE)


def check_device(device: DeviceId) -> None:
    """Raises SignetError: INVALID_ARGUMENT."""
    check_user(device.user)
    if not 1 <= device.device <= MAX_DEVICE_ID:
        raise SignetError(Code.INVALID_ARGUMENT, "device_id is out of its range")


def check_user(user: UserId) -> None:
    """Raises SignetError: INVALID_ARGUMENT."""
    if len(user) != ID_BYTES:
        raise SignetError(Code.INVALID_ARGUMENT, f"user_id has {ID_BYTES} bytes")
