"""The account as its owner sees and changes it; finding others by name."""

from dataclasses import dataclass, field

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId, UserId
from signet.core.limits import MAX_PIN, MIN_PIN
from signet.keys.login import check_device, check_user
from signet.keys.names import device_name, folded_name
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.directory import Account, Changes
from signet.ports.users import Audience


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """What the owner is shown."""

    account: Account
    blocked: tuple[UserId, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the owner wants changed; None leaves a field as it is."""

    user_name: str | None = None  # '' gives the name up
    findable: bool | None = None
    presence: Audience | None = None
    registration_lock: str | None = field(default=None, repr=False)  # a PIN; '' takes it off


class OwnAccounts:
    """All of it is for the caller's own account, but `find`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.DEVICE_REMOVED)
    async def get(self, caller: Caller) -> OwnAccount:
        """As it is now."""
        return await self._own(caller.account)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def update(self, caller: Caller, wanted: Wanted) -> OwnAccount:
        """Change what is given.

        To ask for a name says whether somebody has it, found or not: that counts as a look-up (K5).

        Raises:
            SignetError: INVALID_ARGUMENT, RATE_LIMITED, USER_NAME_TAKEN.
        """
        parts = self._parts
        name = None if wanted.user_name is None else folded_name(wanted.user_name)
        if name and name != caller.account.user_name:
            await self._count_lookup(caller)
        lock = await self._lock(wanted.registration_lock)
        changes = Changes(name, wanted.findable, wanted.presence, lock)
        changed = await parts.directory.update_account(caller.user, changes)
        if lock is not None:
            parts.audit(caller.user, "REGISTRATION_LOCK_CHANGED", caller.device.device)
        if wanted.presence is not None:
            await parts.tell_changed(caller.user)
        return await self._own(changed)

    @refuses()
    async def remove_device(self, caller: Caller, device: int) -> OwnAccount:
        """Remove a device (one's own, too): its tokens, keys and streams end.

        Raises:
            SignetError: INVALID_ARGUMENT, NOT_FOUND.
        """
        gone = DeviceId(caller.user, device)
        check_device(gone)
        changed = await self._parts.directory.remove_device(gone)
        self._parts.audit(caller.user, "DEVICE_REMOVED", device)
        await self._parts.outbox.tell(caller.user)
        return await self._own(changed)

    @refuses()
    async def rename_device(self, caller: Caller, device: int, name: str) -> OwnAccount:
        """Nobody but the owner sees the names of devices.

        Raises:
            SignetError: INVALID_ARGUMENT, NOT_FOUND.
        """
        at = DeviceId(caller.user, device)
        check_device(at)
        directory = self._parts.directory
        await directory.rename_device(at, device_name(name))
        return await self._own(await directory.account(caller.user) or caller.account)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def set_blocked(self, caller: Caller, other: UserId, blocked: bool) -> OwnAccount:
        """Hear of somebody no more, or again; the answer is the same for an unknown id (K5).

        Raises:
            SignetError: INVALID_ARGUMENT, FORBIDDEN (MAX_BLOCKED are blocked).
        """
        check_user(other)
        if other == caller.user:
            raise SignetError(Code.FORBIDDEN, "nobody blocks themselves")
        await self._parts.directory.set_blocked(caller.user, other, blocked)
        await self._parts.tell_changed(caller.user)
        return await self._own(caller.account)

    @refuses()
    async def find(self, caller: Caller, user_name: str) -> UserId:
        """Who has exactly this name, if they want to be found.

        Raises:
            SignetError: RATE_LIMITED, NOT_FOUND (also for what can be no name).
        """
        await self._count_lookup(caller)
        try:
            name = folded_name(user_name)
        except SignetError:
            raise SignetError(Code.NOT_FOUND) from None
        found = await self._parts.directory.find(name) if name else None
        if found is None:
            raise SignetError(Code.NOT_FOUND)
        return found

    @refuses()
    async def delete(self, user: UserId) -> None:
        """Forget an account, its keys and inboxes. For operators; an unknown one is no error."""
        await self._parts.directory.delete_account(user)
        self._parts.audit(user, "ACCOUNT_DELETED")
        await self._parts.outbox.tell(user)

    async def _count_lookup(self, caller: Caller) -> None:
        """Raises SignetError: RATE_LIMITED."""
        most = self._parts.config.lookups_an_hour
        await self._parts.limit("find", caller.user.hex(), most, HOUR)

    async def _lock(self, pin: str | None) -> bytes | None:
        if not pin:
            return None if pin is None else b""
        if not MIN_PIN <= len(pin) <= MAX_PIN:
            raise SignetError(Code.INVALID_ARGUMENT, f"a PIN has {MIN_PIN}–{MAX_PIN} characters")
        return await self._parts.passwords.hashed(pin)

    async def _own(self, account: Account) -> OwnAccount:
        return OwnAccount(account, tuple(await self._parts.directory.blocked(account.user)))
