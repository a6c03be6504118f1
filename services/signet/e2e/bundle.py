"""What a device publishes so that others can open a session while it is away."""

from dataclasses import dataclass

from signet.e2e.keys import verify


@dataclass(frozen=True, slots=True)
class PublicPreKey:
    """A one-time X25519 pre-key as published. `public` has 33 bytes."""

    id: int
    public: bytes


@dataclass(frozen=True, slots=True)
class SignedPublicPreKey:
    """A pre-key with the identity key's signature over its bytes, type byte included."""

    id: int
    public: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class PreKeyBundle:
    """One device's keys, as the key service hands them out (PQXDH, section 3.2).

    Without `kyber_pre_key` only X3DH is possible, which `initiate` refuses by default.
    """

    registration_id: int
    device_id: int
    identity_key: bytes
    signed_pre_key: SignedPublicPreKey
    pre_key: PublicPreKey | None = None
    kyber_pre_key: SignedPublicPreKey | None = None

    def verify(self) -> None:
        """Raises BadSignature if either signed key was not signed by the identity key."""
        for key in (self.signed_pre_key, self.kyber_pre_key):
            if key is not None:
                verify(self.identity_key, key.public, key.signature)
