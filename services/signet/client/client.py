"""The facade: one object a device, asyncio, for one event loop. docs/sdk.md is its manual."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client import account as accounts
from signet.client import prekeys
from signet.client.account import Audience, Device, Keys, KeyStock, Registration
from signet.client.calls import Waiter
from signet.client.device_store import DeviceStore, Tx
from signet.client.engine import Engine
from signet.client.environment import Environment
from signet.client.errors import NoAccount, refusal
from signet.client.events import (
    ConnectionChanged,
    ConnectionState,
    Event,
    ReceiptChanged,
    SendFailed,
)
from signet.client.message_calls import Conversation, MessageCalls
from signet.client.moves import host_of
from signet.client.people_calls import PeopleCalls
from signet.client.rest import Rest
from signet.client.sealing import Self
from signet.client.store.settings import Account
from signet.client.transports import grpc_stream, websocket
from signet.client.transports.stream import Dial
from signet.core.errors import Code
from signet.core.ids import MessageId
from signet.core.limits import MAX_REGISTRATION_ID
from signet.e2e import IdentityKeyPair

Transport = Literal["websocket", "grpc"]
_DIALS: dict[str, Dial] = {"websocket": websocket.dial, "grpc": grpc_stream.dial}
_QUOTE = 80  # characters of a text that its reply repeats


class Client(MessageCalls, PeopleCalls):
    """Make one with `register` or `open`; `async with client` connects and, at the end, closes."""

    def __init__(
        self, store: DeviceStore, account: Account, rest: Rest, environment: Environment
    ) -> None:
        self._store, self._account, self._rest, self._env = store, account, rest, environment
        self._me = Self(account, account.local(), environment)
        self._keys = Keys(rest, account, environment)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._waiters: dict[MessageId, set[Waiter]] = {}
        self._state_changed = asyncio.Event()
        self._address = ""
        self._closed = False
        self._engine = Engine(
            store=store,
            me=self._me,
            keys=self._keys,
            dial=environment.dial or _DIALS[account.transport],
            entry=self._entry,
            domain=host_of(account.server),
            emit=self._emit,
        )
        self.recovery_key: str | None = None  # only right after `register`: show it, once

    # --- life -----------------------------------------------------------------------------------

    @classmethod
    async def register(
        cls,
        *,
        server: str,
        store: Path | str,
        user_name: str = "",
        findable: bool = True,
        device_name: str = "",
        invitation: str = "",
        identity_token: str = "",
        transport: Transport = "websocket",
        passphrase: str | None = None,
        environment: Environment | None = None,
    ) -> "Client":
        """Make an account at a server, and its device store.

        Raises:
            SignetError: USER_NAME_TAKEN, REGISTRATION_REFUSED, …
            ServerUnreachable, StoreInUse: as their names say.
        """
        env = environment or Environment()
        opened = DeviceStore.open(Path(store), passphrase, env.randomness, create=True)
        rest = Rest(server, env.http)
        try:
            wanted = Registration(user_name, findable, device_name, invitation, identity_token)
            return await _register(opened, rest, env, server, transport, wanted)
        except BaseException:
            await rest.close()
            await opened.close()
            raise

    @classmethod
    async def open(
        cls,
        *,
        store: Path | str,
        passphrase: str | None = None,
        transport: Transport | None = None,
        environment: Environment | None = None,
    ) -> "Client":
        """Open a device store that has an account.

        Raises:
            StoreInUse, WrongPassphrase, NoAccount, FileNotFoundError: as their names say.
        """
        env = environment or Environment()
        opened = DeviceStore.open(Path(store), passphrase, env.randomness, create=False)
        try:
            account = await opened.run(lambda tx: _account(tx, transport))
        except BaseException:
            await opened.close()
            raise
        return cls(opened, account, Rest(account.server, env.http), env)

    async def start(self) -> None:
        """Connect, and stay connected. Returns at once; `wait_online` waits."""
        await self._engine.start()

    async def stop(self) -> None:
        """End the stream and give the store back. What waits is durable. Again: no effect."""
        if self._closed:
            return
        self._closed = True
        await self._engine.close()
        await self._rest.close()
        await self._store.close()
        self._events.put_nowait(None)

    close = stop

    async def __aenter__(self) -> "Client":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def reconnect(self) -> None:
        """Connect now, whatever the back-off says; also after DISPLACED."""
        self._engine.connection.reconnect()

    @property
    def device_id(self) -> int:
        return self._account.device

    @property
    def user_name(self) -> str:
        return self._account.user_name

    @property
    def server(self) -> str:
        return self._account.server

    @property
    def state(self) -> ConnectionState:
        return self._engine.state

    async def wait_online(self) -> None:
        """Wait for a stream. Raises SignetError when there will be none (DISPLACED, …)."""
        ended = (ConnectionState.DISPLACED, ConnectionState.REMOVED, ConnectionState.CLOSED)
        while self.state is not ConnectionState.ONLINE:
            if self.state in ended:
                raise refusal(self._engine.code or Code.BYE)
            self._state_changed.clear()
            await self._state_changed.wait()

    async def events(self) -> AsyncIterator[Event]:
        """What happens, and what was not confirmed before. One reader; ends with `stop`."""
        while (event := await self._events.get()) is not None:
            yield event

    # --- the account ----------------------------------------------------------------------------

    async def devices(self) -> list[Device]:
        return await self._keys.devices()

    async def remove_device(self, device_id: int) -> None:
        """Its streams close within a second; its inbox is dropped."""
        await self._keys.remove_device(device_id)

    async def refresh_keys(self) -> KeyStock:
        """Refill and rotate pre-keys where it is due; what the server then has."""
        return await self._engine.upkeep.refresh_keys()

    async def set_privacy(
        self,
        *,
        read_receipts: bool | None = None,
        typing: bool | None = None,
        presence: Audience | None = None,
        findable: bool | None = None,
    ) -> None:
        """Absent: left as it is. All are reciprocal: who hides something does not see it either."""
        changes: dict[str, object] = {}
        if presence is not None:
            changes["presence"] = presence.name.lower()
        if findable is not None:
            changes["findable"] = findable
        if changes:
            await self._keys.update(changes)
        switches = {"read_receipts": read_receipts, "typing": typing}

        def write(tx: Tx) -> None:
            for name, value in switches.items():
                if value is not None:
                    tx.settings.put_number(name, int(value))

        await self._store.run(write)

    # --- inside ---------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        match event:
            case ConnectionChanged():
                self._state_changed.set()
            case ReceiptChanged(message_ids=ids, status=status):
                for message_id in ids:
                    self._wake(message_id, status)
            case SendFailed(message_id=message_id):
                self._wake(message_id, event)
        self._events.put_nowait(event)

    async def _entry(self) -> str:
        """Where streams are opened: the server says it; asked once a life."""
        if not self._address:
            server = await self._keys.server()
            websockets = self._account.transport == "websocket"
            self._address = server.websocket if websockets else server.grpc
        return self._address


async def _register(
    store: DeviceStore,
    rest: Rest,
    env: Environment,
    server: str,
    transport: Transport,
    wanted: Registration,
) -> Client:
    """Keys first, durably; then the account that publishes them."""
    identity = IdentityKeyPair.generate(env.randomness)
    login = Ed25519PrivateKey.from_private_bytes(env.randomness(32))
    registration = int.from_bytes(env.randomness(4), "big") % MAX_REGISTRATION_ID + 1
    found = await accounts.find_server(rest)
    keys = await store.run(lambda tx: prekeys.make(tx, identity, env, prekeys.EVERYTHING))
    made = await accounts.register(
        rest,
        found,
        identity,
        login,
        registration_id=registration,
        keys=keys,
        wanted=wanted,
        environment=env,
    )
    account = Account(
        made.user,
        made.device,
        registration,
        wanted.user_name,
        server,
        found.name,
        transport,
        identity.private,
        login.private_bytes_raw(),
    )
    await store.run(lambda tx: tx.settings.put_account(account))
    client = Client(store, account, rest, env)
    client._keys.use(made.token, made.expires_at)
    client.recovery_key = made.recovery_key
    return client


def _account(tx: Tx, transport: Transport | None) -> Account:
    account = tx.settings.account()
    if account is None:
        raise NoAccount("this store holds no account: register first")
    if transport is not None and transport != account.transport:
        fields = {name: getattr(account, name) for name in Account.__slots__}
        account = Account(**{**fields, "transport": transport})
        tx.settings.put_account(account)
    return account


__all__ = ["Client", "Conversation", "Transport"]
