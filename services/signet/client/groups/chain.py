"""The chain of a group's changes, as a member verifies it: nothing in it is the server's word.

Pure. Who is a member is what this chain says; sender keys and messages follow it. The rules of
what an actor may do are signet.core.membership's, which servers apply too; that the actor did it
is verified here, over the bytes as they came. What is refused changes nothing.
"""

from collections.abc import Callable, Iterable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.ids import UserId
from signet.core.membership import Change, Join, Membership, What, apply
from signet.e2e import E2eError, IdentityKeyPair, Randomness, verify
from signet.v1.groups import Signed, read_record, write_record


def follow(group: Membership, record: bytes) -> tuple[Membership, Change]:
    """The group after one more record, and what it changed.

    Raises SignetError: BAD_SIGNATURE, and what `apply` raises (GROUP_CHANGED, FORBIDDEN, …). A
    change by which nobody is left is the last: nobody may make another.
    """
    signed = read_record(record)
    change = signed.change
    _check_signature(signed)
    if isinstance(change.what, Join):
        _check_link(group, signed)
    return apply(group, change), change


def follow_all(group: Membership, records: Iterable[bytes]) -> Membership:
    """The group after all of these. Raises as `follow` does."""
    for record in records:
        group, _ = follow(group, record)
    return group


def write(
    group: Membership,
    what: What,
    *,
    actor: UserId,
    identity: IdentityKeyPair,
    randomness: Randomness,
    link: Ed25519PrivateKey | None = None,
) -> bytes:
    """A record that says `what`, signed. `link` proves a join.

    Raises SignetError: the chain's rules refuse it (FORBIDDEN, GROUP_FULL, …), or it proves no
    link.
    """
    draft = Change(
        group.group, group.version + 1, group.hash, actor, identity.public, what, hash=b""
    )

    def sign(message: bytes) -> bytes:
        return identity.sign(message, randomness)

    sign_link: Callable[[bytes], bytes] | None = None if link is None else link.sign
    record = write_record(draft, sign, sign_link)
    follow(group, record)
    return record


def founded(group: GroupId) -> Membership:
    """A chain without a change yet."""
    return Membership(group)


def _check_signature(signed: Signed) -> None:
    try:
        verify(signed.change.actor_identity, signed.signed, signed.signature)
    except E2eError as error:
        raise SignetError(Code.BAD_SIGNATURE, "not signed by its actor") from error


def _check_link(group: Membership, signed: Signed) -> None:
    if not group.link:
        raise SignetError(Code.FORBIDDEN, "there is no link")
    try:
        public = Ed25519PublicKey.from_public_bytes(group.link)
        public.verify(signed.link_signature, signed.joined)
    except (InvalidSignature, ValueError) as error:
        raise SignetError(Code.BAD_SIGNATURE, "not signed by the link's key") from error
