"""The keys that tokens are verified with."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class VerificationKeys(Protocol):
    """Published keys of the keys service. Never waits: what is known now."""

    def get(self, kid: str) -> Ed25519PublicKey | None:
        """The key of that id, None where it is not (or no longer) published."""
        ...
