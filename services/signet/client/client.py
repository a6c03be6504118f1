"""The facade: one object a device, asyncio, for one event loop. docs/sdk.md is its manual."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Literal

import structlog

from signet.client import renewal
from signet.client.account import Claim, Keys, Registered, Registration
from signet.client.account_calls import AccountCalls
from signet.client.calls import Waiter
from signet.client.device_store import DeviceStore
from signet.client.engine import Engine
from signet.client.entrance import Entrance, account_of
from signet.client.environment import Environment
from signet.client.errors import ServerUnreachable, refusal
from signet.client.events import (
    ConnectionChanged,
    ConnectionState,
    Event,
    GroupChanged,
    ReceiptChanged,
    SendFailed,
)
from signet.client.groups.calls import GroupCalls
from signet.client.life_calls import LifeCalls
from signet.client.linking import Linking
from signet.client.media.calls import MediaCalls
from signet.client.media.transfer import Transfer
from signet.client.message_calls import Conversation, MessageCalls
from signet.client.moves import host_of
from signet.client.people_calls import PeopleCalls
from signet.client.profile_calls import ProfileCalls
from signet.client.push_calls import PushCalls
from signet.client.rest import Rest
from signet.client.sealing import Self
from signet.client.store.settings import Account
from signet.client.transports import grpc_stream, websocket
from signet.client.transports.stream import Dial
from signet.core.errors import Code, SignetError
from signet.core.ids import MessageId, UserId

log = structlog.get_logger()

Transport = Literal["websocket", "grpc"]
_DIALS: dict[str, Dial] = {"websocket": websocket.dial, "grpc": grpc_stream.dial}


class Client(
    MessageCalls,
    GroupCalls,
    MediaCalls,
    PeopleCalls,
    ProfileCalls,
    AccountCalls,
    PushCalls,
    LifeCalls,
):
    """Make one with `register` or `open`; `async with client` connects and, at the end, closes."""

    def __init__(
        self, store: DeviceStore, account: Account, rest: Rest, environment: Environment
    ) -> None:
        self._store, self._account, self._rest, self._env = store, account, rest, environment
        self._me = Self(account, account.local(), environment)
        self._keys = Keys(rest, account, environment)
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._waiters: dict[MessageId, set[Waiter]] = {}
        self._state_changed, self._group_news = asyncio.Event(), asyncio.Event()
        self._address, self._address_in_doubt = "", False
        self._closed = False
        self._changing = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._engine = self._new_engine()
        self._open_media(Transfer(account.server, environment.http), self._queue)
        self.recovery_key: str | None = None  # right after `register` and `recover`: show it once

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
            ServerUnreachable, StoreInUse, StoreHasAccount: as their names say.
        """
        wanted = Registration(user_name, findable, device_name, invitation, identity_token)
        entering = _Entering(server, Path(store), passphrase, transport, environment)
        async with entering as entrance:
            return entering.client(*await entrance.register(wanted))

    @classmethod
    async def recover(
        cls,
        *,
        server: str,
        store: Path | str,
        user_name: str = "",
        user_id: UserId | None = None,
        recovery_key: str = "",
        identity_token: str = "",
        registration_lock: str = "",
        device_name: str = "",
        transport: Transport = "websocket",
        passphrase: str | None = None,
        environment: Environment | None = None,
    ) -> "Client":
        """Take an account over, by its recovery key or the identity provider's token.

        It gets a new identity key, this device and no other, and a new recovery key; its inbox is
        empty. Those who wrote with it are told, and asked whether they trust the new key. After
        ServerUnreachable the same call, into the same store, goes on where it was cut off.

        Raises:
            SignetError: NOT_FOUND (also for a wrong recovery key), LOCKED (`registration_lock` is
                asked for, or wrong), RATE_LIMITED, …
            ServerUnreachable, StoreInUse, StoreHasAccount: as their names say.
        """
        claim = Claim(
            user_id, user_name, recovery_key, identity_token, registration_lock, device_name
        )
        entering = _Entering(server, Path(store), passphrase, transport, environment)
        async with entering as entrance:
            return entering.client(*await entrance.recover(claim))

    @classmethod
    async def link(
        cls,
        *,
        server: str,
        store: Path | str,
        device_name: str = "",
        transport: Transport = "websocket",
        passphrase: str | None = None,
        environment: Environment | None = None,
    ) -> Linking:
        """Come to an account that is on another device, which lets this one in (docs/devices.md).

        Raises:
            SignetError, ServerUnreachable, StoreInUse, StoreHasAccount: as their names say.
        """
        entering = _Entering(server, Path(store), passphrase, transport, environment)
        async with entering as entrance:
            return await Linking.begin(
                entrance, device_name, made=entering.client, close=entering.close
            )

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
            account = await opened.run(lambda tx: account_of(tx, transport))
        except BaseException:
            await opened.close()
            raise
        return cls(opened, account, Rest(account.server, env.http), env)

    async def start(self) -> None:
        """Connect, and stay connected. Returns at once; `wait_online` waits."""
        await self._engine.start()
        await self._open_media_folder()

    async def stop(self) -> None:
        """End the stream and give the store back. What waits is durable. Again: no effect."""
        if self._closed:
            return
        self._closed = True
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self._uploads.close()
        await self._engine.close()
        await self._rest.close()
        await self._transfer.close()
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
        """Connect now, whatever the back-off says (once in BACKOFF_HURRY); also after DISPLACED."""
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
        is_between = self._changing.locked() and not self._closed
        return ConnectionState.CONNECTING if is_between else self._engine.state

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

    # --- inside ---------------------------------------------------------------------------------

    def _new_engine(self) -> Engine:
        return Engine(
            store=self._store,
            me=self._me,
            keys=self._keys,
            dial=self._env.dial or _DIALS[self._account.transport],
            entry=self._entry,
            doubt_entry=self._doubt_entry,
            domain=host_of(self._account.server),
            emit=self._emit,
            fell_behind=self._fell_behind,
        )

    def _fell_behind(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew(), name="signet-renewal")

    async def _renew(self) -> None:
        """This store is a backup that was put back: register the device anew."""
        async with self._changing:
            await self._pause()
            account = self._account
            try:
                account = await renewal.renew(self._store, self._me, self._keys)
            except SignetError as error:  # the next stream ends with the same, and says it
                log.warning("this device could not register anew", code=error.code.name)
            await self._go_on(account)

    async def _leave_groups(self) -> None:
        for group in await self.groups():
            if group.is_member:
                await self.leave_group(group.id)

    async def _pause(self) -> None:
        await self._engine.close()

    async def _go_on(self, account: Account) -> None:
        self._account, self._me = account, Self(account, account.local(), self._env)
        self._engine = self._new_engine()
        if not self._closed:
            await self._engine.start()

    def _emit(self, event: Event) -> None:
        match event:
            case ConnectionChanged(state=ConnectionState.CLOSED) if self._changing.locked():
                return  # another stream follows, of the account as it is then
            case ConnectionChanged(state=state):
                self._state_changed.set()
                if state is ConnectionState.ONLINE:
                    self._uploads.hurry()
            case ReceiptChanged(message_ids=ids, status=status):
                for message_id in ids:
                    self._wake(message_id, status)
            case SendFailed(message_id=message_id):
                self._wake(message_id, event)
            case GroupChanged():
                self._group_news.set()
        self._events.put_nowait(event)

    async def _entry(self) -> str:
        """Where streams are opened: the server says it; asked again when nobody answers there.

        Without a balancer it is one of the gateways, and another one when that one has gone.
        """
        if not self._address or self._address_in_doubt:
            try:
                server = await self._keys.server()
            except (OSError, SignetError, ServerUnreachable):
                if not self._address:
                    raise
                return self._address  # it may answer again before the keys service does
            websockets = self._account.transport == "websocket"
            self._address = server.websocket if websockets else server.grpc
            self._address_in_doubt = False
        return self._address

    def _doubt_entry(self) -> None:
        self._address_in_doubt = True


class _Entering:
    """Open a new store and a way to the keys service; close both where it comes to nothing."""

    def __init__(
        self,
        server: str,
        store: Path,
        passphrase: str | None,
        transport: Transport,
        environment: Environment | None,
    ) -> None:
        self._env = environment or Environment()
        self._server, self._transport = server, transport
        self._rest = Rest(server, self._env.http)
        self._store = DeviceStore.open(store, passphrase, self._env.randomness, create=True)

    async def __aenter__(self) -> Entrance:
        return Entrance(self._store, self._rest, self._env, self._server, self._transport)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            await self.close()

    async def close(self) -> None:
        await self._rest.close()
        await self._store.close()

    def client(self, account: Account, made: Registered) -> Client:
        """With the token and the recovery key that came with the account."""
        client = Client(self._store, account, self._rest, self._env)
        client._keys.use(made.token, made.expires_at)
        client.recovery_key = made.recovery_key or None
        return client


__all__ = ["Client", "Conversation", "Transport"]
