"""Bodies of REST, as strict as the service: the OpenAPI document says each length.

Names are those of keys.proto; bytes are base64 (standard, padded), ids UUIDs. Unknown fields are
ignored, as everywhere in the protocol; a null is an absent field.
"""

import base64
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.limits import (
    MAX_DEVICE_ID,
    MAX_DEVICE_NAME,
    MAX_KEY_ID,
    MAX_PIN,
    MAX_PRE_KEYS,
    MAX_PROOF,
    MAX_REGISTRATION_ID,
    MAX_USER_NAME,
    MIN_PIN,
    MIN_USER_NAME,
)

_B = "[A-Za-z0-9+/]"
# The last character before padding carries few bits: others than these are not canonical.
_32 = f"^{_B}{{42}}[AEIMQUYcgkosw048]=$"
_64 = f"^{_B}{{85}}[AQgw]==$"
# 33 bytes that begin with 0x05, and 1569 that begin with 0x08.
_EC = f"^B[Q-Za-f]{_B}{{42}}$"
_KEM = f"^C[A-P]{_B}{{2090}}$"
_NAME = f"[A-Za-z0-9_.]{{{MIN_USER_NAME},{MAX_USER_NAME}}}"
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def _text(pattern: str, size: int) -> StringConstraints:
    return StringConstraints(pattern=pattern, min_length=size, max_length=size)


Bytes32 = Annotated[str, _text(_32, 44), Field(description="32 bytes in base64")]
Bytes64 = Annotated[str, _text(_64, 88), Field(description="64 bytes in base64")]
EcKey = Annotated[str, _text(_EC, 44), Field(description="X25519: 0x05 and 32 bytes, in base64")]
KemKey = Annotated[
    str, _text(_KEM, 2092), Field(description="Kyber1024: 0x08 and 1568 bytes, in base64")
]
UserIdText = Annotated[
    str,
    StringConstraints(pattern=_UUID, min_length=36, max_length=36),
    Field(description="A user id, as a UUID in lower case"),
]


def _whole(value: object) -> object:
    """JSON has one kind of number: 1.0 is an integer, as the document says."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
KeyId = Annotated[int, Field(ge=0, le=MAX_KEY_ID), WHOLE]
DeviceNumber = Annotated[int, Field(ge=1, le=MAX_DEVICE_ID), WHOLE]
RegistrationId = Annotated[int, Field(ge=1, le=MAX_REGISTRATION_ID), WHOLE]
Count = Annotated[int, Field(ge=0)]
UserName = Annotated[str, StringConstraints(pattern=f"^({_NAME})?$", max_length=MAX_USER_NAME)]
Proof = Annotated[str, StringConstraints(max_length=MAX_PROOF)]
Pin = Annotated[str, StringConstraints(pattern=rf"^([ -~]{{{MIN_PIN},{MAX_PIN}}})?$")]
DeviceName = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]*$", max_length=MAX_DEVICE_NAME)
]
AudienceName = Literal["everyone", "contacts", "nobody"]
ModeName = Literal["open", "invitation", "identity_provider"]
if TYPE_CHECKING:
    CodeName = str
else:
    CodeName = Literal[tuple(code.name for code in Code)]


def data(text: str) -> bytes:
    """The bytes of a field that was validated."""
    return base64.b64decode(text, validate=True)


def text(raw: bytes) -> str:
    """Bytes as a field has them."""
    return base64.b64encode(raw).decode()


def user_of(identifier: str) -> UserId:
    """The id of a field that was validated."""
    return UserId(UUID(identifier).bytes)


class Body(BaseModel):
    """No coercion: "1" is no number, 1 is no text."""

    model_config = ConfigDict(strict=True, frozen=True)


class Problem(Body):
    """A refusal (RFC 9457). `code` is the protocol's; `retry_after_ms` says when to come back."""

    type: str
    title: str
    status: int
    code: CodeName
    detail: str
    retry_after_ms: Count = 0


class Server(Body):
    """What to know before registering. Addresses are where streams are opened."""

    server_name: str
    version: str
    websocket: str
    grpc: str
    registration: ModeName
    proof_of_work_bits: Count


class PreKey(Body):
    """A one-time EC key."""

    id: KeyId
    public_key: EcKey


class SignedPreKey(Body):
    """Signed by the identity key over `public_key` (XEdDSA)."""

    id: KeyId
    public_key: EcKey
    signature: Bytes64


class KyberPreKey(Body):
    """Signed by the identity key over `public_key` (XEdDSA)."""

    id: KeyId
    public_key: KemKey
    signature: Bytes64


class UploadKeysRequest(Body):
    """A list that is not empty replaces all that is stored of its kind."""

    signed_pre_key: SignedPreKey | None = None
    last_resort_kyber_pre_key: KyberPreKey | None = None
    pre_keys: Annotated[list[PreKey], Field(max_length=MAX_PRE_KEYS)] = []
    kyber_pre_keys: Annotated[list[KyberPreKey], Field(max_length=MAX_PRE_KEYS)] = []


class FirstKeys(UploadKeysRequest):
    """Keys of a new device: a signed and a last-resort key must be there."""

    signed_pre_key: SignedPreKey
    last_resort_kyber_pre_key: KyberPreKey


class RegisterRequest(Body):
    """See `RegisterRequest` in keys.proto for what `signature` covers."""

    identity_key: EcKey
    login_key: Bytes32
    registration_id: RegistrationId
    keys: FirstKeys
    signature: Bytes64
    user_name: UserName = ""
    findable: bool = False
    invitation: Proof = ""
    identity_token: Proof = ""
    proof_of_work: Proof = ""
    device_name: DeviceName = ""


class RecoverRequest(Body):
    """Takes an account over, by its recovery key or by the identity provider's token.

    Whose it is, `user_id` says, or `user_name` where that is absent.
    """

    user_id: UserIdText | None = None
    user_name: UserName = ""
    recovery_key: Annotated[str, StringConstraints(max_length=128)] = ""
    registration: RegisterRequest
    registration_lock: Pin = ""


class Token(Body):
    """A JWT (EdDSA); `expires_at` is Unix time in seconds."""

    token: str
    expires_at: Count


class Registered(Body):
    """`recovery_key` is shown this once."""

    user_id: UserIdText
    device_id: DeviceNumber
    recovery_key: str
    token: Token


class GetNonceRequest(Body):
    """For whom the nonce will be good."""

    user_id: UserIdText
    device_id: DeviceNumber


class Nonce(Body):
    """Good once, for 60 s."""

    nonce: Bytes32


class LoginRequest(Body):
    """See `LoginRequest` in keys.proto for what `signature` covers."""

    user_id: UserIdText
    device_id: DeviceNumber
    nonce: Bytes32
    signature: Bytes64


class KeyCount(Body):
    """One-time keys that are left."""

    pre_keys: Count
    kyber_pre_keys: Count


class CheckKeysRequest(Body):
    """See `CheckKeysRequest` in keys.proto for what `digest` covers."""

    digest: Bytes32


class CheckedKeys(Body):
    """Whether client and server have the same long-lived keys."""

    same: bool


class DeviceKeys(Body):
    """`pre_key` is absent when none is left, or for a caller who asks too often."""

    device_id: DeviceNumber
    registration_id: RegistrationId
    signed_pre_key: SignedPreKey
    pre_key: PreKey | None = None
    kyber_pre_key: KyberPreKey


class UserKeys(Body):
    """All devices that can be written to."""

    user_id: UserIdText
    identity_key: EcKey
    devices: list[DeviceKeys]


class FoundUser(Body):
    """Who has the name."""

    user_id: UserIdText


class Device(Body):
    """One of the account's own devices; `created_at` is Unix time in seconds."""

    device_id: DeviceNumber
    registration_id: RegistrationId
    name: str
    created_at: Count
    last_login_at: Count


class Account(Body):
    """The caller's own account."""

    user_id: UserIdText
    user_name: UserName
    findable: bool
    presence: AudienceName
    registration_lock: bool
    devices: list[Device]
    blocked: list[UserIdText]


class UpdateAccountRequest(Body):
    """Absent fields are left as they are; an empty PIN or name takes it away."""

    user_name: UserName | None = None
    findable: bool | None = None
    presence: AudienceName | None = None
    registration_lock: Pin | None = None


class Jwk(Body):
    """A public key that verifies tokens (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    alg: Literal["EdDSA"]
    use: Literal["sig"]
    kid: str
    x: str


class Jwks(Body):
    """Keys of tokens that may still be valid (RFC 7517)."""

    keys: list[Jwk]


class Health(Body):
    """The service is there."""

    status: Literal["ok"] = "ok"
