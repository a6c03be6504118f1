"""Profiles: sealed by devices, bounded and counted by the service (K10)."""

from typing import Any

import pytest

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.core.limits import MAX_PROFILE, PROFILES_AN_HOUR
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, service

__all__ = ["service"]


async def refused(call: Any) -> Code:
    with pytest.raises(SignetError) as found:
        await call
    return found.value.code


async def test_a_profile_is_there_for_whoever_asks_and_rises(service: Service) -> None:
    ann = await service.caller(await service.register(NewPerson()))
    bob = await service.caller(await service.register(NewPerson()))
    profiles = service.keys.profiles
    assert await profiles.set(ann, b"sealed") == 1
    assert await profiles.set(ann, b"anew") == 2
    found = await profiles.get(bob, ann.user)
    assert (found.version, found.sealed) == (2, b"anew")


async def test_nobody_and_who_shows_nothing_look_the_same(service: Service) -> None:
    ann = await service.caller(await service.register(NewPerson()))
    profiles = service.keys.profiles
    for user in (ann.user, UserId(bytes(16))):
        assert await refused(profiles.get(ann, user)) is Code.NOT_FOUND
    assert await refused(profiles.get(ann, UserId(b"short"))) is Code.INVALID_ARGUMENT


async def test_a_profile_is_bounded(service: Service) -> None:
    ann = await service.caller(await service.register(NewPerson()))
    profiles = service.keys.profiles
    assert await refused(profiles.set(ann, bytes(MAX_PROFILE + 1))) is Code.PAYLOAD_TOO_LARGE
    assert await profiles.set(ann, bytes(MAX_PROFILE)) == 1


async def test_looks_at_profiles_are_counted(service: Service) -> None:
    ann = await service.caller(await service.register(NewPerson()))
    profiles = service.keys.profiles
    for _ in range(PROFILES_AN_HOUR):
        assert await refused(profiles.get(ann, ann.user)) is Code.NOT_FOUND
    assert await refused(profiles.get(ann, ann.user)) is Code.RATE_LIMITED
