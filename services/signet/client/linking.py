"""A new device on its way to an account: it shows a link, then a code, then it is there (K7)."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from signet.client import account as accounts
from signet.client import link_mailbox, prekeys
from signet.client.account import NewDevice, Registered, Server
from signet.client.device_store import Tx
from signet.client.entrance import Entrance, refuse_account
from signet.client.errors import LinkOver, ServerUnreachable
from signet.client.link_mailbox import Mailbox
from signet.client.rest import b64, unb64
from signet.client.store.settings import Account
from signet.core.errors import SignetError
from signet.core.ids import ID_BYTES
from signet.core.limits import MAX_REGISTRATION_ID
from signet.e2e import E2eError, EcKeyPair, IdentityKeyPair, unpad
from signet.e2e.linking import NONCE_SIZE, Agreement, Answer, Shown, agree_as_new, raw
from signet.v1.content_pb2 import Provision

if TYPE_CHECKING:
    from signet.client.client import Client

PRIVATE_SIZE = 32
Made = Callable[[Account, Registered], "Client"]


@dataclass(frozen=True, slots=True)
class _Keys:
    """What the new device made for itself."""

    pair: EcKeyPair = field(repr=False)
    login: Ed25519PrivateKey = field(repr=False)
    answer: Answer


class Linking:
    """Show `link`, then `code`; `client` is the device when somebody has let it in.

    `async with` it: what has not become a client by the end is given up, and the store closed.
    """

    def __init__(
        self,
        entrance: Entrance,
        server: Server,
        shown: Shown,
        keys: _Keys,
        mailbox: Mailbox,
        *,
        made: Made,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self.link = link_mailbox.to_text(shown)
        self.expires_at = mailbox.until  # Unix time, seconds
        self._entrance, self._server, self._shown, self._keys = entrance, server, shown, keys
        self._mailbox, self._made, self._close = mailbox, made, close
        self._agreed: Agreement | None = None
        self._is_client = False

    @classmethod
    async def begin(
        cls,
        entrance: Entrance,
        device_name: str,
        *,
        made: Made,
        close: Callable[[], Awaitable[None]],
    ) -> "Linking":
        """Open a mailbox. Raises SignetError, ServerUnreachable, StoreHasAccount."""
        await entrance.store.run(refuse_account)
        rest, env = entrance.rest, entrance.environment
        server = await accounts.find_server(rest)
        address, expires_at = await link_mailbox.open_mailbox(rest)
        keys = _new_keys(env.randomness, device_name)
        shown = Shown(server.name, address, raw(keys.pair), keys.answer.commitment())
        mailbox = Mailbox(rest, address, expires_at, env)
        return cls(entrance, server, shown, keys, mailbox, made=made, close=close)

    async def code(self) -> str:
        """Wait until an old device has seen the link: six digits, which it asks for.

        Raises LinkOver, SignetError.
        """
        if self._agreed is None:
            offer = unb64((await self._mailbox.wait_for("offer"))["offer"])
            try:
                agreed = agree_as_new(self._shown, self._keys.pair, offer, self._keys.answer)
            except E2eError:
                raise LinkOver("the other device offered no key") from None
            await self._mailbox.answer(self._keys.answer.to_bytes())
            self._agreed = agreed
        return self._agreed.code

    async def client(self) -> "Client":
        """Wait for consent, and register. Raises LinkOver, SignetError (DEVICE_LIMIT, …)."""
        await self.code()
        provision = self._opened(unb64((await self._mailbox.wait_for("sealed"))["sealed"]))
        identity = IdentityKeyPair.from_private(provision.identity_key)
        device = await self._entrance.store.run(lambda tx: self._device(tx, identity))
        answer = self._keys.answer
        body = {
            "login_key": b64(answer.login_public),
            "registration_id": answer.registration_id,
            "keys": device.keys.to_json(),
            "device_name": answer.device_name,
        }
        made = accounts.registered(await self._mailbox.patient("POST", "/device", body))
        account = await self._entrance.keep(self._server, device, made, provision.user_name)
        if provision.profile_key:
            key = provision.profile_key
            await self._entrance.store.run(lambda tx: tx.settings.put("profile_key", key))
        await self._learn_devices(made)
        client = self._made(account, made)
        self._is_client = True
        return client

    async def _learn_devices(self, made: Registered) -> None:
        """Which there are from the beginning: none of them is news."""
        with suppress(SignetError, ServerUnreachable):  # it is looked for again when online
            own = await self._entrance.rest.call("GET", "/v1/account", token=made.token)
            ids = bytes(sorted(int(one["device_id"]) for one in own["devices"]))
            await self._entrance.store.run(lambda tx: tx.settings.put("own_devices", ids))

    async def cancel(self) -> None:
        """Give the link up, and close the store."""
        await self._mailbox.close()
        await self._close()

    async def __aenter__(self) -> "Linking":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_client:
            await self.cancel()

    def _opened(self, sealed: bytes) -> Provision:
        assert self._agreed is not None
        try:
            provision = Provision.FromString(unpad(self._agreed.open(sealed)))
        except (E2eError, DecodeError):
            raise LinkOver("what was handed over does not open") from None
        sizes = (len(provision.user_id), len(provision.identity_key))
        if sizes != (ID_BYTES, PRIVATE_SIZE):
            raise LinkOver("what was handed over is no account")
        return provision

    def _device(self, tx: Tx, identity: IdentityKeyPair) -> NewDevice:
        refuse_account(tx)
        keys = prekeys.make(tx, identity, self._entrance.environment, prekeys.EVERYTHING)
        return NewDevice(identity, self._keys.login, self._keys.answer.registration_id, keys)


def _new_keys(draw: Callable[[int], bytes], device_name: str) -> _Keys:
    login = Ed25519PrivateKey.from_private_bytes(draw(32))
    registration = int.from_bytes(draw(4), "big") % MAX_REGISTRATION_ID + 1
    public = login.public_key().public_bytes_raw()
    answer = Answer(draw(NONCE_SIZE), public, registration, device_name)
    return _Keys(EcKeyPair.generate(draw), login, answer)
