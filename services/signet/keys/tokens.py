"""Tokens of devices: JWT signed with EdDSA by a key that is rotated (K2).

`adapters/tokens_jwt` says what is in one. The key set (JWKS) has a key until nothing it signed
is valid.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signet.adapters.tokens_jwt import ALGORITHM, AUDIENCE, kid_of, signed_claims, verify
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, show
from signet.core.limits import (
    MEDIA_TICKET_TTL,
    SIGNING_KEY_TTL,
    STORE_RETRY_AFTER,
    TOKEN_TTL,
)
from signet.keys.config import Clock, Randomness
from signet.ports.directory import Proofs, SigningKey

_RELOAD_S = 1.0  # how often an unknown `kid` makes the directory be asked
_KEPT = max(TOKEN_TTL, MEDIA_TICKET_TTL)  # how long a retired key still verifies


@dataclass(frozen=True, slots=True)
class Token:
    """`expires_at`: Unix time in seconds."""

    token: str = field(repr=False)
    expires_at: int


class Tokens:
    """Issues and verifies. Its copy of the signing keys is read again when it lacks one."""

    def __init__(
        self, proofs: Proofs, server_name: str, clock: Clock, randomness: Randomness
    ) -> None:
        self._proofs, self._server_name = proofs, server_name
        self._clock, self._randomness = clock, randomness
        self._keys: Sequence[SigningKey] = ()
        self._public: Mapping[str, tuple[Ed25519PublicKey, int]] = {}
        self._read_at = float("-inf")

    async def issue(self, address: DeviceAddress) -> Token:
        """A token for a device, good for TOKEN_TTL. Raises StoreUnavailable."""
        now = int(self._clock())
        claims = {
            "sub": show(address.device.user),
            "dev": address.device.device,
            "reg": address.registration,
            "gen": address.generation,
            "iat": now,
            "exp": now + TOKEN_TTL,
        }
        return Token(await self.sign(claims, AUDIENCE), now + TOKEN_TTL)

    async def sign(self, claims: Mapping[str, Any], audience: str) -> str:
        """Something that this server says to itself, for later; `exp` at most _KEPT from now.

        Raises:
            StoreUnavailable.
        """
        key = await self._signer()
        said = {"iss": self._server_name, "aud": audience, **claims}
        private = Ed25519PrivateKey.from_private_bytes(key.private)
        return jwt.encode(said, private, algorithm=ALGORITHM, headers={"kid": key.kid})

    async def claims(self, text: str, audience: str) -> dict[str, Any]:
        """What `sign` has signed. Whether its time is over is not looked at.

        Raises:
            SignetError: UNAUTHENTICATED. StoreUnavailable.
        """
        public = await self._key(kid_of(text))
        try:
            if public is None:
                raise jwt.InvalidTokenError
            return signed_claims(text, public, self._server_name, audience)
        except jwt.PyJWTError:
            raise SignetError(Code.UNAUTHENTICATED, "not signed here") from None

    async def verify(self, token: str) -> DeviceAddress:
        """Whose token it is; whether the device is still there is not looked at.

        Raises:
            SignetError: UNAUTHENTICATED, TOKEN_EXPIRED. StoreUnavailable.
        """
        public = await self._key(kid_of(token))
        return verify(token, public, self._server_name, self._clock())

    def get(self, kid: str) -> Ed25519PublicKey | None:
        """ports/tokens.VerificationKeys, for a gateway in the same process."""
        public, gone_ms = self._public.get(kid, (None, 0))
        return public if gone_ms > self._clock() * 1000 else None

    async def refresh(self) -> None:
        """Read the signing keys, and see that one signs now. Raises StoreUnavailable."""
        await self._read()
        await self._signer()

    async def jwks(self) -> dict[str, Any]:
        """The public keys, as a JWK Set (RFC 7517, RFC 8037). Raises StoreUnavailable."""
        await self._signer()
        now_ms = self._clock() * 1000
        return {"keys": [_jwk(key) for key in self._keys if key.gone_ms > now_ms]}

    async def _key(self, kid: str) -> Ed25519PublicKey | None:
        public = self.get(kid)
        if public is None and self._clock() - self._read_at >= _RELOAD_S:
            await self._read()
            public = self.get(kid)
        return public

    async def _signer(self) -> SigningKey:
        """The key that signs now; the first one, or the next, is made where it is time."""
        now_ms = int(self._clock() * 1000)
        for _ in range(3):
            if self._keys and self._keys[0].retired_ms > now_ms:
                return self._keys[0]
            await self._read()
            newest = self._keys[0] if self._keys else None
            if newest is None or newest.retired_ms <= now_ms:
                made = self._make(now_ms)
                await self._proofs.add_signing_key(made, newest.kid if newest else "", now_ms)
        wait = STORE_RETRY_AFTER
        raise SignetError(Code.STORE_UNAVAILABLE, "no signing key could be agreed on", wait)

    def _make(self, now_ms: int) -> SigningKey:
        retired_ms = now_ms + SIGNING_KEY_TTL * 1000
        return SigningKey(
            self._randomness(12).hex(),
            self._randomness(32),
            now_ms,
            retired_ms,
            retired_ms + _KEPT * 1000,
        )

    async def _read(self) -> None:
        self._read_at = self._clock()
        self._keys = await self._proofs.signing_keys(int(self._read_at * 1000))
        self._public = {key.kid: (_public_key(key), key.gone_ms) for key in self._keys}


def _public_key(key: SigningKey) -> Ed25519PublicKey:
    return Ed25519PrivateKey.from_private_bytes(key.private).public_key()


def _jwk(key: SigningKey) -> dict[str, str]:
    x = base64.urlsafe_b64encode(_public_key(key).public_bytes_raw()).rstrip(b"=").decode()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": ALGORITHM,
        "use": "sig",
        "kid": key.kid,
        "x": x,
    }
