"""Messages of signet.v1.Keys from and to what the service speaks."""

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId, UserId
from signet.keys.account import OwnAccount, Wanted
from signet.keys.life import Consent, IdentityChange
from signet.keys.linking import Approved, LinkedDevice
from signet.keys.login import Proof
from signet.keys.registration import Application, Recovery, Registered
from signet.keys.reports import Report
from signet.keys.service import Keys
from signet.keys.tokens import Token
from signet.ports.linking import DeviceLink
from signet.ports.pre_keys import (
    Bundles,
    DeviceBundle,
    KeyUpload,
    PreKey,
    Stock,
)
from signet.ports.users import Audience
from signet.v1 import keys_pb2 as pb


def upload(request: pb.UploadKeysRequest) -> KeyUpload:
    has_signed = request.HasField("signed_pre_key")
    has_last_resort = request.HasField("last_resort_kyber_pre_key")
    return KeyUpload(
        _signed(request.signed_pre_key) if has_signed else None,
        _signed(request.last_resort_kyber_pre_key) if has_last_resort else None,
        tuple(PreKey(key.id, key.public_key) for key in request.pre_keys),
        tuple(_signed(key) for key in request.kyber_pre_keys),
    )


def application(request: pb.RegisterRequest) -> Application:
    return Application(
        request.identity_key,
        request.login_key,
        request.registration_id,
        upload(request.keys),
        request.signature,
        request.user_name,
        request.findable,
        request.invitation,
        request.identity_token,
        request.proof_of_work,
        request.device_name,
    )


def recovery(request: pb.RecoverRequest) -> Recovery:
    return Recovery(
        UserId(request.user_id) if request.user_id else None,
        application(request.registration),
        request.recovery_key,
        request.registration_lock,
        request.user_name,
    )


def proof(request: pb.LoginRequest) -> Proof:
    device = DeviceId(UserId(request.user_id), request.device_id)
    return Proof(device, request.nonce, request.signature)


def wanted(request: pb.UpdateAccountRequest) -> Wanted:
    return Wanted(
        request.user_name if request.HasField("user_name") else None,
        request.findable if request.HasField("findable") else None,
        _audience(request.presence) if request.HasField("presence") else None,
        request.registration_lock if request.HasField("registration_lock") else None,
    )


def server(keys: Keys) -> pb.Server:
    mode = f"REGISTRATION_MODE_{keys.config.registration.name}"
    return pb.Server(
        server_name=keys.config.server_name,
        version=keys.version,
        websocket=keys.websocket,
        grpc=keys.grpc,
        registration=pb.RegistrationMode.Value(mode),
        proof_of_work_bits=keys.config.proof_of_work_bits,
    )


def token(issued: Token) -> pb.Token:
    return pb.Token(token=issued.token, expires_at=issued.expires_at)


def registered(done: Registered) -> pb.Registered:
    return pb.Registered(
        user_id=done.user,
        device_id=done.device,
        recovery_key=done.recovery_key,
        token=token(done.token),
    )


def count(stock: Stock) -> pb.KeyCount:
    return pb.KeyCount(pre_keys=stock.one_time, kyber_pre_keys=stock.one_time_kem)


def bundles(user: bytes, found: Bundles) -> pb.UserKeys:
    return pb.UserKeys(
        user_id=user,
        identity_key=found.identity_key,
        devices=[_device_keys(bundle) for bundle in found.devices],
    )


def account(own: OwnAccount) -> pb.Account:
    found = own.account
    devices = [
        pb.Device(
            device_id=device.id,
            registration_id=device.registration_id,
            name=device.name,
            created_at=device.created_ms // 1000,
            last_login_at=device.last_login_ms // 1000,
        )
        for device in found.devices
    ]
    return pb.Account(
        user_id=found.user,
        user_name=found.user_name,
        findable=found.findable,
        presence=pb.Audience.Value(f"AUDIENCE_{found.presence.name}"),
        registration_lock=bool(found.lock_hash),
        devices=devices,
        blocked=own.blocked,
    )


def identity_change(request: pb.ChangeIdentityRequest) -> IdentityChange:
    return IdentityChange(
        request.identity_key,
        upload(request.keys),
        Consent(request.nonce, request.signature),
        request.possession,
    )


def report(request: pb.ReportRequest) -> Report:
    return Report(
        UserId(request.user_id), request.reason, request.messages, tuple(request.message_ids)
    )


def approved(request: pb.ApproveLinkRequest) -> Approved:
    return Approved(request.login_key, request.registration_id, request.signature, request.sealed)


def linked_device(request: pb.AddDeviceRequest) -> LinkedDevice:
    return LinkedDevice(
        request.login_key, request.registration_id, upload(request.keys), request.device_name
    )


def link_state(found: DeviceLink) -> pb.LinkState:
    return pb.LinkState(
        offer=found.offer,
        answer=found.answer,
        sealed=found.approval.sealed if found.approval else b"",
        expires_at=found.expires_ms // 1000,
        device_id=found.device,
    )


def _audience(value: int) -> Audience:
    """Raises SignetError: INVALID_ARGUMENT."""
    try:
        return Audience(value)
    except ValueError:
        raise SignetError(Code.INVALID_ARGUMENT, "presence is no audience") from None


def _signed(key: pb.SignedPreKey | pb.KyberPreKey) -> PreKey:
    return PreKey(key.id, key.public_key, key.signature)


def _device_keys(bundle: DeviceBundle) -> pb.DeviceKeys:
    signed, one_time, kem = bundle.signed, bundle.one_time, bundle.kem
    return pb.DeviceKeys(
        device_id=bundle.device,
        registration_id=bundle.registration_id,
        signed_pre_key=pb.SignedPreKey(
            id=signed.id, public_key=signed.public, signature=signed.signature
        ),
        pre_key=pb.PreKey(id=one_time.id, public_key=one_time.public) if one_time else None,
        kyber_pre_key=pb.KyberPreKey(id=kem.id, public_key=kem.public, signature=kem.signature),
    )
