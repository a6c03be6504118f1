"""Invitation links: `server/group#secret`. The secret proves itself and never leaves in a request.

Browsers and apps do not send what stands behind `#`. It is 32 bytes, from which the link's key
pair follows (its public half is in the group's chain), and the key of the group's profile as it
was when the link was made, so that who is invited sees the group's name.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client.errors import NotAGroupLink
from signet.core.groups import GroupId
from signet.core.ids import show, user_id
from signet.e2e.kdf import hkdf

SECRET_SIZE = 32
_PATH = "/group/"
_INFO = b"signet-group-link-v1"


@dataclass(frozen=True, slots=True)
class GroupLink:
    """What an invitation holds. `profile_key` may be empty."""

    group: GroupId
    secret: bytes = field(repr=False)
    profile_key: bytes = field(default=b"", repr=False)

    def key(self) -> Ed25519PrivateKey:
        """Whoever has it may join; the chain has its public half."""
        return Ed25519PrivateKey.from_private_bytes(hkdf(self.secret, _INFO, 32))

    def to_url(self, server: str) -> str:
        fragment = urlsafe_b64encode(self.secret + self.profile_key).decode().rstrip("=")
        return f"{server.rstrip('/')}{_PATH}{show(self.group)}#{fragment}"

    @classmethod
    def from_url(cls, url: str) -> "GroupLink":
        """Raises NotAGroupLink."""
        parts = urlsplit(url.strip())
        fragment = parts.fragment + "=" * (-len(parts.fragment) % 4)
        try:
            group = GroupId(user_id(parts.path.rpartition(_PATH)[2]))
            secret = urlsafe_b64decode(fragment)
        except (ValueError, Base64Error):
            raise NotAGroupLink("no invitation to a group") from None
        if len(secret) not in (SECRET_SIZE, 2 * SECRET_SIZE):
            raise NotAGroupLink("an invitation without its secret")
        return cls(group, secret[:SECRET_SIZE], secret[SECRET_SIZE:])
