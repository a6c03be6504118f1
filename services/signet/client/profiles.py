"""What people show of themselves, to those whom they write to (K10).

The profile is sealed under a key that the server never has; the key goes along inside messages.
"""

from dataclasses import replace

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from signet.client import own_devices, sealing
from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import NotFound, ServerUnreachable
from signet.client.events import ProfileChanged
from signet.client.outcome import Outcome
from signet.client.sealing import Self
from signet.client.store.outgoing import Row
from signet.client.store.profiles import Shown
from signet.core.errors import SignetError
from signet.core.ids import UserId
from signet.e2e import E2eError, Randomness, pad, unpad
from signet.v1.content_pb2 import Content, ProfileContent
from signet.v1.content_pb2 import ProfileChanged as Told

log = structlog.get_logger()

KEY_SIZE = 32
MAX_NAME = 64  # characters of a name that is shown
_NONCE = 12
_KEY = "profile_key"
_LABEL = b"signet-profile-v1"


def own_key(tx: Tx, draw: Randomness) -> bytes:
    """Our profile's key, made where there is none."""
    key = tx.settings.get(_KEY)
    if key is None:
        key = draw(KEY_SIZE)
        tx.settings.put(_KEY, key)
    return key


def attach(tx: Tx, content: Content) -> Content:
    """Let whoever reads this open our profile, if we show one."""
    content.profile_key = tx.settings.get(_KEY) or b""
    return content


def sealed(key: bytes, user: UserId, content: ProfileContent, draw: Randomness) -> bytes:
    """As the server keeps it."""
    nonce = draw(_NONCE)
    plaintext = pad(content.SerializeToString())
    return nonce + AESGCM(key).encrypt(nonce, plaintext, _LABEL + user)


def opened(key: bytes, user: UserId, data: bytes) -> ProfileContent | None:
    """None: not sealed with this key, or no profile."""
    try:
        plaintext = unpad(AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], _LABEL + user))
        content = ProfileContent.FromString(plaintext)
    except (InvalidTag, ValueError, E2eError, DecodeError):
        return None
    content.name = "".join(c for c in content.name if c.isprintable())[:MAX_NAME]
    return content


def tell(tx: Tx, me: Self, version: int) -> list[Row]:
    """Tell those with whom there is a conversation, and our devices, that it is another now."""
    content = attach(tx, Content(profile_changed=Told(version=version)))
    known = {peer.user for peer in tx.peers.pinned()} - {me.user}
    rows = [sealing.queue(tx, me, peer, content) for peer in tx.messages.peers() if peer in known]
    return rows + own_devices.tell(tx, me, content)


def learn(tx: Tx, me: Self, author: UserId, content: Content, outcome: Outcome) -> None:
    """A key that came inside a message; what it opens is fetched where it may be news."""
    key = content.profile_key
    if len(key) != KEY_SIZE:
        return
    if author == me.user:
        tx.settings.put(_KEY, key)
    known = tx.profiles.get(author)
    if known is None or known.key != key:
        known = Shown(key, 0, known.content if known else ProfileContent())
        tx.profiles.put(author, known)
    if known.version == 0 or content.profile_changed.version > known.version:
        outcome.profiles.add(author)


async def fetch(store: DeviceStore, keys: Keys, user: UserId) -> ProfileChanged | None:
    """Read somebody's profile; what changed. A failure comes again with their next message."""
    try:
        version, data = await keys.profile(user)
    except (SignetError, ServerUnreachable) as error:
        if not isinstance(error, NotFound):
            log.info("a profile was not fetched", why=type(error).__name__)
        return None

    def keep(tx: Tx) -> ProfileChanged | None:
        known = tx.profiles.get(user)
        content = opened(known.key, user, data) if known else None
        if known is None or content is None or version <= known.version:
            return None
        tx.profiles.put(user, replace(known, version=version, content=content))
        return ProfileChanged(peer=user, name=content.name)

    return await store.run(keep)


def name_of(tx: Tx, user: UserId) -> str:
    """By which they were found, else that they show; '' where neither is known."""
    found = tx.peers.get(user).name
    shown = tx.profiles.get(user)
    return found or (shown.content.name if shown else "")
