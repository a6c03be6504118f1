"""How a device comes to an account: it registers one, or takes one over (K1).

Keys are in the store before their public halves leave, and the account is there before anybody
uses it: a crash between costs a registration, never a key that the server has and nobody else.
"""

from contextlib import suppress
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client import account as accounts
from signet.client import prekeys, work
from signet.client.account import Claim, NewDevice, Registered, Registration, Server
from signet.client.device_store import DeviceStore, Tx
from signet.client.environment import Environment
from signet.client.errors import NoAccount, ServerUnreachable, StoreHasAccount
from signet.client.rest import Rest
from signet.client.store.settings import Account
from signet.core.errors import SignetError
from signet.core.limits import MAX_REGISTRATION_ID
from signet.e2e import IdentityKeyPair

_RECOVERING = "recovering"


class Entrance:
    """Of one store that holds no account yet. `transport`: how its streams will be opened."""

    def __init__(
        self, store: DeviceStore, rest: Rest, environment: Environment, server: str, transport: str
    ) -> None:
        self.store, self.rest, self.environment = store, rest, environment
        self._server, self._transport = server, transport

    async def register(self, wanted: Registration) -> tuple[Account, Registered]:
        """Make an account. Raises SignetError, ServerUnreachable, StoreHasAccount."""
        found, device = await self._prepare()
        bits = found.proof_of_work_bits
        proof = await work.prove(found.name, device.identity.public, bits)
        wanted = replace(wanted, proof_of_work=proof)
        made = await accounts.register(self.rest, found, device, wanted, self.environment)
        return await self.keep(found, device, made, wanted.user_name), made

    async def recover(self, claim: Claim) -> tuple[Account, Registered]:
        """Take an account over. Raises SignetError, ServerUnreachable, StoreHasAccount.

        The answer names the new recovery key, and may be lost: the same keys ask again.
        """
        found, device = await self._prepare(_RECOVERING)
        made = await accounts.recover(self.rest, found, device, claim, self.environment)
        account = await self.keep(found, device, made, claim.user_name)
        if not claim.user_name:  # good to know, and nothing worse
            with suppress(SignetError, ServerUnreachable):
                own = await self.rest.call("GET", "/v1/account", token=made.token)
                account = await self.keep(found, device, made, own["user_name"])
        return account, made

    async def _prepare(self, keep_as: str = "") -> tuple[Server, NewDevice]:
        """The server, and a device with keys: those kept under a name, where there are any."""
        env = self.environment
        found = await accounts.find_server(self.rest)

        def make(tx: Tx) -> NewDevice:
            refuse_account(tx)
            kept = tx.settings.get(keep_as) if keep_as else None
            secrets = kept or _secrets(env)
            if keep_as:
                tx.settings.put(keep_as, secrets)
            identity = IdentityKeyPair.from_private(secrets[:32])
            login = Ed25519PrivateKey.from_private_bytes(secrets[32:64])
            registration = int.from_bytes(secrets[64:], "big")
            keys = prekeys.make(tx, identity, env, prekeys.EVERYTHING)
            return NewDevice(identity, login, registration, keys)

        return found, await self.store.run(make)

    async def keep(
        self, server: Server, device: NewDevice, made: Registered, user_name: str
    ) -> Account:
        """What it has come to, in the store."""
        account = Account(
            made.user,
            made.device,
            device.registration_id,
            user_name,
            self._server,
            server.name,
            self._transport,
            device.identity.private,
            device.login.private_bytes_raw(),
        )

        def write(tx: Tx) -> None:
            tx.settings.put_account(account)
            tx.settings.drop(_RECOVERING)

        await self.store.run(write)
        return account


def refuse_account(tx: Tx) -> None:
    """Raises StoreHasAccount."""
    if tx.settings.account() is not None:
        raise StoreHasAccount("this store holds an account: choose another")


def _secrets(environment: Environment) -> bytes:
    """Identity key, login key and registration id of a new device."""
    draw = environment.randomness
    registration = int.from_bytes(draw(4), "big") % MAX_REGISTRATION_ID + 1
    identity = IdentityKeyPair.generate(draw)
    return identity.private + draw(32) + registration.to_bytes(2, "big")


def account_of(tx: Tx, transport: str | None) -> Account:
    """The account of a store, from now on over `transport` where one is given. Raises NoAccount."""
    account = tx.settings.account()
    if account is None:
        raise NoAccount("this store holds no account: register first")
    if transport is not None and transport != account.transport:
        account = replace(account, transport=transport)
        tx.settings.put_account(account)
    return account
