"""Another identity key for this account (K9): for who fears that somebody else has the one it has.

The new key is in the store before the server hears of it, and is this device's when the server has
it: a crash or a lost answer between is made good by the same call again. Sessions are given up, so
that the next word to each person opens a new one; what they sent before stays readable.
"""

from dataclasses import dataclass, field, replace

from signet.client import prekeys
from signet.client.account import Keys
from signet.client.device_store import Tx
from signet.client.prekeys import Upload
from signet.client.rest import Json, b64, unb64
from signet.client.sealing import Self
from signet.client.store.settings import Account
from signet.core.ids import UserId, show
from signet.e2e import IdentityKeyPair, archive, check_digest

_PENDING = "new_identity"
_LABEL = b"signet-identity-v1"


@dataclass(frozen=True, slots=True)
class Change:
    """What the server is asked for; `again`: it may have done it already."""

    identity: IdentityKeyPair = field(repr=False)
    keys: Upload
    again: bool


def prepare(tx: Tx, me: Self) -> Change:
    """Make the new key and pre-keys that it signs; the same again where the outcome is unknown."""
    kept = tx.settings.get(_PENDING)
    identity = (
        IdentityKeyPair.from_private(kept)
        if kept
        else IdentityKeyPair.generate(me.environment.randomness)
    )
    tx.settings.put(_PENDING, identity.private)
    if kept:
        return Change(identity, prekeys.long_lived(tx), True)
    return Change(identity, prekeys.make(tx, identity, me.environment, prekeys.EVERYTHING), False)


async def ask(keys: Keys, me: Self, change: Change) -> None:
    """Have the server change it. Raises SignetError, ServerUnreachable."""
    if change.again and await _is_done(keys, change):
        return
    account = me.account
    who = {"user_id": show(account.user_id), "device_id": account.device}
    nonce = unb64((await keys.call("POST", "/v1/login/nonce", who))["nonce"])
    at = account.user + bytes([account.device])
    signed = _LABEL + account.server_name.encode() + at + change.identity.public + nonce
    draw = me.environment.randomness
    body: Json = {
        "nonce": b64(nonce),
        "identity_key": b64(change.identity.public),
        "keys": change.keys.to_json(),
        "signature": b64(me.local.identity.sign(signed, draw)),
        "possession": b64(change.identity.sign(signed, draw)),
    }
    token = await keys.call("PUT", "/v1/account/identity", body)
    keys.use(token["token"], float(token["expires_at"]))


async def _is_done(keys: Keys, change: Change) -> bool:
    """Whether the server has the new identity key: tokens of before are over then."""
    keys.forget_token()
    signed, last_resort = change.keys.signed, change.keys.last_resort
    assert signed is not None
    assert last_resort is not None
    return await keys.check(check_digest(change.identity.public, signed, last_resort))


def adopt(tx: Tx, me: Self, change: Change) -> Account:
    """The server has it: from now on it is ours. Other devices of ours are gone."""
    account = replace(me.account, identity_private=change.identity.private)
    tx.settings.put_account(account)
    tx.settings.drop(_PENDING)
    tx.settings.drop("resume_token")  # of the generation before
    tx.settings.put("own_devices", bytes([account.device]))
    for device in tx.peers.devices(me.user):
        tx.peers.retire(me.user, device, me.environment.now())
    for peer in tx.peers.pinned():
        _begin_anew(tx, peer.user)
    return account


def _begin_anew(tx: Tx, user: UserId) -> None:
    for device in tx.peers.devices(user):
        record = tx.peers.session(user, device)
        if record is not None:
            tx.peers.put_session(user, device, archive(record))
    tx.peers.set(user, stale=1)


def give_up(tx: Tx, me: Self) -> Upload:
    """The server refused it: pre-keys that the identity key signs which stays, to be uploaded."""
    tx.settings.drop(_PENDING)
    return prekeys.make(tx, me.local.identity, me.environment, prekeys.EVERYTHING)
