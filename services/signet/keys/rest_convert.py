"""REST's bodies from and to what the service speaks."""

from signet.core.ids import UserId, show
from signet.keys import rest_models as m
from signet.keys.account import OwnAccount, Wanted
from signet.keys.registration import Application, Registered
from signet.keys.tokens import Token
from signet.ports.pre_keys import (
    Bundles,
    DeviceBundle,
    KeyUpload,
    PreKey,
    Stock,
)
from signet.ports.users import Audience


def upload(body: m.UploadKeysRequest) -> KeyUpload:
    signed, last_resort = body.signed_pre_key, body.last_resort_kyber_pre_key
    return KeyUpload(
        _signed(signed) if signed else None,
        _signed(last_resort) if last_resort else None,
        tuple(PreKey(key.id, m.data(key.public_key)) for key in body.pre_keys),
        tuple(_signed(key) for key in body.kyber_pre_keys),
    )


def application(body: m.RegisterRequest) -> Application:
    return Application(
        m.data(body.identity_key),
        m.data(body.login_key),
        body.registration_id,
        upload(body.keys),
        m.data(body.signature),
        body.user_name,
        body.findable,
        body.invitation,
        body.identity_token,
        body.proof_of_work,
        body.device_name,
    )


def wanted(body: m.UpdateAccountRequest) -> Wanted:
    presence = None if body.presence is None else Audience[body.presence.upper()]
    return Wanted(body.user_name, body.findable, presence, body.registration_lock)


def token(issued: Token) -> m.Token:
    return m.Token(token=issued.token, expires_at=issued.expires_at)


def registered(done: Registered) -> m.Registered:
    return m.Registered(
        user_id=show(done.user),
        device_id=done.device,
        recovery_key=done.recovery_key,
        token=token(done.token),
    )


def count(stock: Stock) -> m.KeyCount:
    return m.KeyCount(pre_keys=stock.one_time, kyber_pre_keys=stock.one_time_kem)


def bundles(user: UserId, found: Bundles) -> m.UserKeys:
    return m.UserKeys(
        user_id=show(user),
        identity_key=m.text(found.identity_key),
        devices=[_device_keys(bundle) for bundle in found.devices],
    )


def account(own: OwnAccount) -> m.Account:
    found = own.account
    devices = [
        m.Device(
            device_id=device.id,
            registration_id=device.registration_id,
            name=device.name,
            created_at=device.created_ms // 1000,
            last_login_at=device.last_login_ms // 1000,
        )
        for device in found.devices
    ]
    return m.Account(
        user_id=show(found.user),
        user_name=found.user_name,
        findable=found.findable,
        presence=_audience(found.presence),
        registration_lock=bool(found.lock_hash),
        devices=devices,
        blocked=[show(user) for user in own.blocked],
    )


def _audience(presence: Audience) -> m.AudienceName:
    match presence:
        case Audience.EVERYONE:
            return "everyone"
        case Audience.CONTACTS:
            return "contacts"
        case Audience.NOBODY:
            return "nobody"


def _signed(key: m.SignedPreKey | m.KyberPreKey) -> PreKey:
    return PreKey(key.id, m.data(key.public_key), m.data(key.signature))


def _device_keys(bundle: DeviceBundle) -> m.DeviceKeys:
    signed, one_time, kem = bundle.signed, bundle.one_time, bundle.kem
    return m.DeviceKeys(
        device_id=bundle.device,
        registration_id=bundle.registration_id,
        signed_pre_key=m.SignedPreKey(
            id=signed.id, public_key=m.text(signed.public), signature=m.text(signed.signature)
        ),
        pre_key=m.PreKey(id=one_time.id, public_key=m.text(one_time.public)) if one_time else None,
        kyber_pre_key=m.KyberPreKey(
            id=kem.id, public_key=m.text(kem.public), signature=m.text(kem.signature)
        ),
    )
