"""Another device of somebody at a small server, as if it had been linked."""

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client import Client, prekeys
from signet.client.device_store import DeviceStore, Tx
from signet.client.rest import Json
from tests.support.small_server import SmallServer


async def second_device(server: SmallServer, first: Client, path: Path) -> Client:
    """Not connected yet. Both devices know of each other."""
    env, me = first._env, first._me
    store = DeviceStore.open(path, None, env.randomness, create=True)
    registration = me.account.registration % 0x3FFF + 1

    def make(tx: Tx) -> Json:
        return prekeys.make(tx, me.local.identity, env, prekeys.EVERYTHING).to_json()

    keys = await store.run(make)
    device = server.add_device(server.users[first.user_id], registration, keys)
    account = replace(
        me.account,
        device=device.id,
        registration=registration,
        login_private=Ed25519PrivateKey.from_private_bytes(env.randomness(32)).private_bytes_raw(),
    )
    both = bytes(sorted((me.account.device, device.id)))

    def keep(tx: Tx) -> None:
        tx.settings.put_account(account)
        tx.settings.put("own_devices", both)

    await store.run(keep)
    await first._store.run(lambda tx: tx.settings.put("own_devices", both))
    await store.close()
    return await Client.open(store=path, environment=env)
