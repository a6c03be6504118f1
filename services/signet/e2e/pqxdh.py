"""PQXDH: the agreement of version 4, X3DH with a Kyber1024 secret at its end.

https://signal.org/docs/specifications/pqxdh/ (sections 3.3 and 3.4). The secret of X3DH comes
from `x3dh`; SS is the shared secret of the KEM.
"""

from signet.e2e.kdf import hkdf
from signet.e2e.x3dh import Agreed

INFO = b"WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024"


def derive(x3dh_secrets: bytes, ss: bytes) -> Agreed:
    keys = hkdf(x3dh_secrets + ss, INFO, 96)
    return Agreed(keys[:32], keys[32:64], keys[64:])
