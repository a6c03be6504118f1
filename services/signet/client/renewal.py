"""A store that is older than the server knows its device: a backup that was put back (K8).

Its ratchets stand where they stood then, so it must not encrypt with them again, and others write
in sessions that it does not know. So it registers anew under its id, with another registration id
and new keys: peers see that the sessions they have are stale, and begin new ones. What cannot be
read on the way is asked for again.
"""

import asyncio
from dataclasses import replace
from functools import partial

import structlog

from signet.client import prekeys
from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import ServerUnreachable, StoreFailed
from signet.client.prekeys import Upload
from signet.client.sealing import Self
from signet.client.store.settings import Account
from signet.core.backoff import Backoff
from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_REGISTRATION_ID
from signet.e2e import archive

log = structlog.get_logger()

_DUE = "renewing"
_GONE = (Code.DEVICE_REMOVED, Code.ACCOUNT_DELETED)
COUNTER_JUMP = 1_000_000
"""How far the connection counter goes up. Raise: older backups come back at the first try."""


def is_due(tx: Tx) -> bool:
    """Whether it was begun, and nobody knows that it was done."""
    return tx.settings.get(_DUE) is not None


async def renew(store: DeviceStore, me: Self, keys: Keys) -> Account:
    """Register anew, however long the server is away. Raises SignetError: the device is gone."""
    backoff = Backoff()
    while True:
        try:
            registration, upload = await store.run(lambda tx: _prepare(tx, me))
            keys.forget_token()
            await keys.renew(registration, upload)
            return await store.run(partial(_adopt, me=me, registration=registration))
        except (SignetError, ServerUnreachable, StoreFailed) as error:
            if isinstance(error, SignetError) and error.code in _GONE:
                await store.run(lambda tx: tx.settings.drop(_DUE))
                raise
            wait = getattr(error, "retry_after_s", 0.0)
            log.warning("registering anew comes again", why=type(error).__name__)
            now, chance = me.environment.monotonic(), me.environment.chance()
            seconds, backoff = backoff.failed(now, chance, wait)
            await asyncio.sleep(max(seconds, wait))


def _prepare(tx: Tx, me: Self) -> tuple[int, Upload]:
    """Another registration id, and keys that are here before they are published."""
    tx.settings.put(_DUE, b"1")
    draw = me.environment.randomness
    step = int.from_bytes(draw(4), "big") % (MAX_REGISTRATION_ID - 1) + 1
    registration = (me.account.registration - 1 + step) % MAX_REGISTRATION_ID + 1
    return registration, prekeys.make(tx, me.local.identity, me.environment, prekeys.EVERYTHING)


def _adopt(tx: Tx, me: Self, registration: int) -> Account:
    """It is done: nothing is encrypted in a session of before; what waits is encrypted anew."""
    account = replace(me.account, registration=registration)
    tx.settings.put_account(account)
    tx.settings.drop(_DUE)
    tx.settings.drop("resume_token")  # of the registration before
    tx.settings.raise_counter(COUNTER_JUMP)
    for user, device in tx.peers.sessions():
        record = tx.peers.session(user, device)
        if record is not None:
            tx.peers.put_session(user, device, archive(record))
        tx.peers.set(user, stale=1)
    tx.outgoing.unseal()
    return account
