"""What a device's token is (a JWT signed with EdDSA, K2), for whoever verifies one.

`{iss: server name, aud: "signet", sub: user, dev, reg, gen, iat, exp}`, `kid` in the header. The
algorithm is ours to say, never the token's. Times are compared with the caller's clock: the library
would ask its own.
"""

from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signet.core import limits
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, user_id

AUDIENCE = "signet"
ALGORITHM = "EdDSA"
_NUMBERS = ("exp", "iat", "dev", "reg", "gen")


def kid_of(token: str) -> str:
    """Which key it says that it is signed by. Raises SignetError: UNAUTHENTICATED."""
    try:
        if len(token) > limits.MAX_TOKEN:
            raise jwt.InvalidTokenError
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, AttributeError):
        raise SignetError(Code.UNAUTHENTICATED, "not a token") from None
    if not isinstance(kid, str):
        raise SignetError(Code.UNAUTHENTICATED, "not a token")
    return kid


def verify(
    token: str, key: Ed25519PublicKey | None, server_name: str, now_s: float
) -> DeviceAddress:
    """Whose token it is, at this Unix time. `key` None: nobody known has signed it.

    Raises:
        SignetError: TOKEN_EXPIRED; UNAUTHENTICATED for anything else that is wrong with it.
    """
    if key is None:
        raise SignetError(Code.UNAUTHENTICATED, "signed by nobody known")
    try:
        claims = _claims(token, key, server_name)
        if claims["exp"] <= now_s:
            raise SignetError(Code.TOKEN_EXPIRED)
        if max(claims["iat"], claims.get("nbf", 0)) > now_s + limits.TOKEN_LEEWAY:
            raise SignetError(Code.UNAUTHENTICATED, "not valid yet")
        return _address(claims)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise SignetError(Code.UNAUTHENTICATED, "not a token of this server") from None


def signed_claims(
    token: str, key: Ed25519PublicKey, server_name: str, audience: str
) -> dict[str, Any]:
    """Signature, issuer and audience are right; times are not looked at. Raises jwt.PyJWTError."""
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=server_name,
        audience=audience,
        options={
            "require": ["sub", "iss", "aud", "exp"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    return claims


def _claims(token: str, key: Ed25519PublicKey, server_name: str) -> dict[str, Any]:
    """Those of a device's token, all there."""
    claims = signed_claims(token, key, server_name, AUDIENCE)
    if any(name not in claims for name in _NUMBERS):
        raise jwt.InvalidTokenError
    if not all(isinstance(claims[name], int) for name in _NUMBERS):
        raise jwt.InvalidTokenError
    return claims


def _address(claims: dict[str, Any]) -> DeviceAddress:
    device, registration, generation = claims["dev"], claims["reg"], claims["gen"]
    if not (
        0 < device <= limits.MAX_DEVICE_ID
        and 0 < registration <= limits.MAX_REGISTRATION_ID
        and 0 <= generation < 2**63
    ):
        raise ValueError("a claim is out of its range")
    return DeviceAddress(DeviceId(user_id(claims["sub"]), device), registration, generation)
