"""Who may register: the modes, and what each asks for beside the keys."""

from hashlib import sha256

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_PROOF
from signet.keys.config import KeysConfig, RegistrationMode
from signet.keys.identity_provider import IdentityTokens
from signet.ports.directory import Admission

_WORK_LABEL = b"signet-work-v1"


def invitation_hash(code: str) -> bytes:
    """What the directory keeps of an invitation."""
    return sha256(b"signet-invitation-v1" + code.strip().encode()).digest()


def work_done(server_name: str, identity_key: bytes, proof: str) -> int:
    """Leading zero bits of SHA-256("signet-work-v1" ‖ server name ‖ identity key ‖ proof)."""
    digest = sha256(_WORK_LABEL + server_name.encode() + identity_key + proof.encode()).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


async def admit(
    config: KeysConfig,
    provider: IdentityTokens | None,
    now_ms: int,
    *,
    identity_key: bytes,
    invitation: str,
    identity_token: str,
    proof_of_work: str,
) -> Admission:
    """What the directory is to spend with the registration.

    Raises:
        SignetError: REGISTRATION_REFUSED, with what the mode asks for.
    """
    if max(len(invitation), len(identity_token), len(proof_of_work)) > MAX_PROOF:
        raise SignetError(Code.INVALID_ARGUMENT, "a proof is too long")
    bits = config.proof_of_work_bits
    if bits and work_done(config.server_name, identity_key, proof_of_work) < bits:
        raise _refused(f"a proof of work of {bits} bits is asked for")
    match config.registration:
        case RegistrationMode.INVITATION:
            if not invitation:
                raise _refused("an invitation is asked for")
            return Admission(now_ms, invitation=invitation_hash(invitation))
        case RegistrationMode.IDENTITY_PROVIDER:
            return await by_provider(provider, now_ms, identity_token)
        case RegistrationMode.OPEN:
            return Admission(now_ms)


async def by_provider(
    provider: IdentityTokens | None, now_ms: int, identity_token: str
) -> Admission:
    """Raises SignetError: REGISTRATION_REFUSED."""
    if provider is None or not identity_token:
        raise _refused("a token of the identity provider is asked for")
    person = await provider.verify(identity_token)
    return Admission(
        now_ms, token_id=person.token_id, token_until_ms=person.until_ms, person=person.person
    )


def _refused(detail: str) -> SignetError:
    return SignetError(Code.REGISTRATION_REFUSED, detail)
