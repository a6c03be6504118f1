"""Who says Hello: tokens of the keys service (EdDSA JWT), verified without asking anybody.

Claims: `sub` the user's UUID, `dev` the device, `reg` its registration id, `gen` the generation of
its authentication; `iss` is the server's name, `aud` is "signet". The algorithm is ours to say,
never the token's.
"""

from dataclasses import dataclass
from typing import Any

import jwt

from signet.core import limits
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, user_id
from signet.ports.tokens import VerificationKeys

AUDIENCE = "signet"
ALGORITHM = "EdDSA"
MAX_TOKEN = 4096  # characters; ours have about 350
_REQUIRED = ["exp", "iat", "sub", "iss", "aud", "dev", "reg", "gen"]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Verifies for one server name."""

    server_name: str
    keys: VerificationKeys

    def verify(self, token: str, now_s: float) -> DeviceAddress:
        """Whose token it is, at this Unix time.

        Raises:
            SignetError: TOKEN_EXPIRED; UNAUTHENTICATED for anything else that is wrong with it.
        """
        try:
            claims = self._claims(token)
            if claims["exp"] <= now_s:
                raise SignetError(Code.TOKEN_EXPIRED)
            if max(claims["iat"], claims.get("nbf", 0)) > now_s + limits.TOKEN_LEEWAY:
                raise SignetError(Code.UNAUTHENTICATED)
            return _address(claims)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            raise SignetError(Code.UNAUTHENTICATED) from None

    def _claims(self, token: str) -> dict[str, Any]:
        """Signature, issuer, audience and presence; times are compared with our own clock."""
        if len(token) > MAX_TOKEN:
            raise jwt.InvalidTokenError
        kid = jwt.get_unverified_header(token).get("kid")
        key = self.keys.get(kid) if isinstance(kid, str) else None
        if key is None:
            raise jwt.InvalidKeyError
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=self.server_name,
            audience=AUDIENCE,
            options={
                "require": _REQUIRED,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        if not all(isinstance(claims[name], int) for name in ("exp", "iat", "dev", "reg", "gen")):
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
