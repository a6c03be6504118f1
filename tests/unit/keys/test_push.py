"""What devices may register to be woken by: each kind, its bounds, and by whom."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_PUSH_ENDPOINT, MAX_PUSH_TOKEN
from signet.keys.push import PushState
from signet.ports.push_registrations import (
    Apns,
    ApnsEnvironment,
    Fcm,
    PushKind,
    Registration,
    WebPush,
)
from tests.support.identities import NewPerson
from tests.support.keys_service import generous, keys_service

POINT = (
    ec.generate_private_key(ec.SECP256R1())
    .public_key()
    .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
)
BROWSER = WebPush("https://push.example.net/send/abc?x=1", POINT, os.urandom(16))
IPHONE = Apns("ab" * 32, "org.example.chat", ApnsEnvironment.SANDBOX)
ANDROID = Fcm("cX1:APA91b_token-")
ALL = (PushKind.WEB_PUSH, PushKind.APNS, PushKind.FCM)
VAPID = "B" * 87


async def refused(registration: Registration, folder: Path) -> SignetError:
    async with keys_service(folder, generous(push_kinds=ALL)) as service:
        caller = await service.caller(await service.register(NewPerson()))
        with pytest.raises(SignetError) as error:
            await service.keys.push.register(caller, registration)
        assert await service.directory.push_of([caller.device]) == {}
        return error.value


async def test_a_device_is_woken_as_it_registered_last_until_it_takes_it_back(
    tmp_path: Path,
) -> None:
    config = generous(push_kinds=ALL, vapid_public_key=VAPID)
    async with keys_service(tmp_path, config) as service:
        caller = await service.caller(await service.register(NewPerson()))
        push, directory = service.keys.push, service.directory
        assert await push.get(caller) == PushState(None, ALL, VAPID)
        for registration in (BROWSER, IPHONE, ANDROID):
            state = await push.register(caller, registration)
            assert state == await push.get(caller) == PushState(registration.kind, ALL, VAPID)
            assert await directory.push_of([caller.device]) == {caller.device: registration}
        assert await push.remove(caller) == PushState(None, ALL, VAPID)
        assert await directory.push_of([caller.device]) == {}
        assert await push.remove(caller) == PushState(None, ALL, VAPID)


async def test_a_kind_that_is_not_offered_is_refused_by_name(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(push_kinds=(PushKind.FCM,))) as service:
        caller = await service.caller(await service.register(NewPerson()))
        await service.keys.push.register(caller, ANDROID)
        with pytest.raises(SignetError) as error:
            await service.keys.push.register(caller, IPHONE)
        assert error.value.code is Code.PUSH_NOT_OFFERED
        assert (await service.keys.push.get(caller)).registered is PushKind.FCM


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"endpoint": "http://push.example.net/"}, "endpoint: an https URL"),
        ({"endpoint": "https:///path"}, "endpoint: an https URL"),
        ({"endpoint": "https://push.example.net:0/"}, "endpoint: an https URL"),
        ({"endpoint": "https://push.example.net:70000/"}, "endpoint: an https URL"),
        ({"endpoint": "https://[::1/"}, "endpoint: an https URL"),
        ({"endpoint": "https://user@push.example.net/"}, "endpoint: no user"),
        ({"endpoint": "https://:pass@push.example.net/"}, "endpoint: no user"),
        ({"endpoint": "https://push.example.net/#x"}, "endpoint: no user and no fragment"),
        ({"endpoint": "https://push.example.net/ä"}, "endpoint: a URL"),
        ({"endpoint": "https://push.example.net/a b"}, "endpoint: a URL"),
        ({"endpoint": "https://push.example.net/\r\nX: y"}, "endpoint: a URL"),
        ({"endpoint": "https://" + "a" * MAX_PUSH_ENDPOINT}, "endpoint: a URL"),
        ({"endpoint": ""}, "endpoint: a URL"),
        ({"endpoint": "https://127.0.0.1/"}, "endpoint: not a public address"),
        ({"endpoint": "https://169.254.169.254/latest"}, "endpoint: not a public address"),
        ({"endpoint": "https://[fd00:ec2::254]/"}, "endpoint: not a public address"),
        ({"p256dh": b"\x04" + bytes(64)}, "p256dh"),
        ({"p256dh": b""}, "p256dh"),
        ({"p256dh": b"\x02" + POINT[1:33]}, "p256dh"),
        ({"auth": bytes(15)}, "auth: 16 bytes"),
    ],
)
async def test_what_is_no_subscription_is_refused_by_its_field(
    tmp_path: Path, change: dict[str, object], says: str
) -> None:
    error = await refused(replace(BROWSER, **change), tmp_path)  # type: ignore[arg-type]
    assert error.code is Code.PUSH_REFUSED
    assert error.detail.startswith(says)


@pytest.mark.parametrize(
    ("registration", "says"),
    [
        (replace(IPHONE, token="ab" * 31), "token: 64 to 200 hex digits"),
        (replace(IPHONE, token="AB" * 32), "token: 64 to 200 hex digits"),
        (replace(IPHONE, token="../../x" * 10), "token: 64 to 200 hex digits"),
        (replace(IPHONE, topic="chat"), "topic"),
        (replace(IPHONE, topic="org.example\r\nx: y"), "topic"),
        (replace(IPHONE, topic="o." + "x" * 200), "topic"),
        (Fcm(""), "token"),
        (Fcm("a" * (MAX_PUSH_TOKEN + 1)), "token"),
        (Fcm("a token"), "token"),
    ],
)
async def test_what_is_no_token_is_refused_by_its_field(
    tmp_path: Path, registration: Registration, says: str
) -> None:
    error = await refused(registration, tmp_path)
    assert error.code is Code.PUSH_REFUSED
    assert error.detail.startswith(says)


async def test_who_registers_without_end_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(push_kinds=ALL, push_an_hour=3)) as service:
        caller = await service.caller(await service.register(NewPerson()))
        for _ in range(3):
            await service.keys.push.register(caller, ANDROID)
        with pytest.raises(SignetError) as error:
            await service.keys.push.register(caller, ANDROID)
        assert error.value.code is Code.RATE_LIMITED
        assert error.value.retry_after_s > 0
        await service.keys.push.remove(caller)


async def test_a_device_that_is_removed_registers_nothing(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(push_kinds=ALL)) as service:
        caller = await service.caller(await service.register(NewPerson()))
        await service.keys.accounts.remove_device(caller, caller.device.device)
        with pytest.raises(SignetError) as error:
            await service.keys.push.register(caller, ANDROID)
        assert error.value.code is Code.DEVICE_REMOVED
