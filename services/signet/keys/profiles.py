"""Profiles: name and picture of a person, sealed by their devices; only contacts have the key."""

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.core.limits import MAX_PROFILE, PROFILES_AN_HOUR
from signet.keys.login import check_user
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.profiles import Profile


class Profiles:
    """What they say is none of the server's business: it bounds their size, and counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.DEVICE_REMOVED)
    async def set(self, caller: Caller, sealed: bytes) -> int:
        """Replace the caller's, by b"" with none; its version then.

        Raises:
            SignetError: PAYLOAD_TOO_LARGE, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        if len(sealed) > MAX_PROFILE:
            raise SignetError(Code.PAYLOAD_TOO_LARGE, f"a profile has at most {MAX_PROFILE} bytes")
        await self._parts.limit("set-profile", caller.user.hex(), PROFILES_AN_HOUR, HOUR)
        return await self._parts.directory.set_profile(caller.user, sealed)

    @refuses()
    async def get(self, caller: Caller, user: UserId) -> Profile:
        """Somebody's, sealed. An unknown user is like one who shows nothing (K5).

        Raises:
            SignetError: INVALID_ARGUMENT, NOT_FOUND, RATE_LIMITED, STORE_UNAVAILABLE.
        """
        check_user(user)
        await self._parts.limit("profile", caller.user.hex(), PROFILES_AN_HOUR, HOUR)
        found = await self._parts.directory.profile(user)
        if found is None:
            raise SignetError(Code.NOT_FOUND)
        return found
