"""The routes of REST for profiles (K10)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.limits import MAX_PROFILE
from signet.keys import rest_models as m
from signet.keys.parts import Caller
from signet.keys.rest_routes import CALLER, UserInPath, authenticates, refusals
from signet.keys.service import Keys

_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$"
Sealed = Annotated[
    str,
    StringConstraints(pattern=_BASE64, max_length=(MAX_PROFILE + 2) // 3 * 4),
    Field(description="Bytes in base64; '' for none"),
]


class SetProfileRequest(m.Body):
    """Sealed by the caller's device; '' takes the profile away."""

    sealed: Sealed


class ProfileVersion(m.Body):
    """It rises with each change."""

    version: m.Count


class Profile(m.Body):
    """Somebody's, for those who have its key."""

    version: m.Count
    sealed: str


def profile_routes(keys: Keys) -> APIRouter:
    """All of them."""
    router = APIRouter()
    Authenticated = Annotated[Caller, Depends(authenticates(keys))]  # noqa: N806 - a type

    @router.put(
        "/v1/account/profile", tags=["account"], responses=refusals(*CALLER, Code.RATE_LIMITED)
    )
    async def set_profile(caller: Authenticated, body: SetProfileRequest) -> ProfileVersion:
        """Show another name or picture."""
        return ProfileVersion(version=await keys.profiles.set(caller, m.data(body.sealed)))

    @router.get(
        "/v1/users/{user_id}/profile",
        tags=["account"],
        responses=refusals(*CALLER, Code.NOT_FOUND, Code.RATE_LIMITED),
    )
    async def get_profile(caller: Authenticated, user_id: UserInPath) -> Profile:
        """What somebody shows, sealed."""
        found = await keys.profiles.get(caller, UserId(user_id.bytes))
        return Profile(version=found.version, sealed=m.text(found.sealed))

    return router
