"""X3DH: the agreement of version 3, and the classical half of PQXDH.

https://signal.org/docs/specifications/x3dh/ (section 3.3, "Sending the initial message", and
3.4, "Receiving the initial message"). Letters are the specification's: IK identity, EK
ephemeral (the *base key* on the wire), SPK signed pre-key, OPK one-time pre-key.
"""

from dataclasses import dataclass, field

from signet.e2e.kdf import hkdf
from signet.e2e.keys import EcKeyPair

INFO = b"WhisperText"
_F = b"\xff" * 32
"""Keeps these inputs apart from those of XEdDSA (section 2.2)."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides hold after an agreement; 32 bytes each.

    `pq_ratchet_key` (PQXDH only) starts the post-quantum ratchet, where a session has one.
    """

    root_key: bytes = field(repr=False)
    chain_key: bytes = field(repr=False)
    pq_ratchet_key: bytes | None = field(default=None, repr=False)


def initiator_secrets(
    identity: EcKeyPair, ephemeral: EcKeyPair, *, their_ik: bytes, spk: bytes, opk: bytes | None
) -> bytes:
    """F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4] as Alice computes it. Raises InvalidKey."""
    secrets = _F + identity.agree(spk) + ephemeral.agree(their_ik) + ephemeral.agree(spk)
    return secrets if opk is None else secrets + ephemeral.agree(opk)


def responder_secrets(
    identity: EcKeyPair, *, spk: EcKeyPair, opk: EcKeyPair | None, their_ik: bytes, ek: bytes
) -> bytes:
    """The same as Bob computes it. Raises InvalidKey."""
    secrets = _F + spk.agree(their_ik) + identity.agree(ek) + spk.agree(ek)
    return secrets if opk is None else secrets + opk.agree(ek)


def derive(secrets: bytes) -> Agreed:
    keys = hkdf(secrets, INFO, 64)
    return Agreed(keys[:32], keys[32:])
