"""Members in ZooKeeper: one ephemeral node a pod, whose name is the whole record.

The children of one node are thus the list: one watch sees every change, and one call reads all
of it. A change of one's own record is one transaction (the old node deleted, the new one made).

What may be relied upon (L6): a record lives as long as its pod's session, and is made again after
a session was lost. ZooKeeper away, restarted or partitioned moves nothing: see core/roster.py.
kazoo works in threads of its own; no call here blocks the event loop, and none waits for longer
than SHARED_STORE_TIMEOUT.
"""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import structlog
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException, NoNodeError, RolledBackError
from kazoo.retry import KazooRetry

from signet.adapters.members_view import Key, View, decode, encode, is_urgent, key_of
from signet.core import limits
from signet.ports.members import Member

ROOT = "/signet/members"
TRY_S = 0.1  # the first wait between connections
LOOKS = 4  # at most so many in a MEMBER_POLL, however often others' records change
FAILURES = (KazooException, OSError, TimeoutError)

log = structlog.get_logger(__name__)


class ZooKeeperMembers:
    """Members on ZooKeeper 3.5 or later. `hosts` is as in "a:2181,b:2181".

    `settings` are kazoo's, for TLS.
    """

    def __init__(
        self,
        hosts: str,
        *,
        session_s: float = limits.ZOOKEEPER_SESSION,
        poll_s: float = limits.MEMBER_POLL,
        settle_s: float = limits.MEMBERS_SETTLE,
        timeout_s: float = limits.SHARED_STORE_TIMEOUT,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        quiet = logging.getLogger("signet.kazoo")
        quiet.setLevel(logging.ERROR)  # a server that is away is logged once, here
        retry = KazooRetry(max_tries=-1, delay=TRY_S, max_delay=limits.MEMBER_POLL)
        self._client = KazooClient(
            hosts=hosts,
            timeout=session_s,
            connection_retry=retry,
            logger=quiet,
            **(settings or {}),
        )
        self._poll_s, self._timeout_s = poll_s, timeout_s
        self._view = View(settle_s)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._put: dict[Key, Member] = {}  # what was put last
        self._own: dict[Key, str] = {}  # which nodes are to be there, by whose they are
        self._made: dict[Key, tuple[str, int]] = {}  # which are, and in which session
        self._tried: dict[Key, set[str]] = {}  # which may be
        self._writing = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._look_again = asyncio.Event()
        self._connected = asyncio.Event()
        self._is_away = False
        self._following: asyncio.Task[None] | None = None

    async def put(self, member: Member) -> None:
        """See Members.

        Raises:
            ConnectionError: ZooKeeper is away. The record is written as soon as it is back.
        """
        key = key_of(member)
        urgent = is_urgent(self._put.get(key), member)
        self._put[key], self._own[key] = member, _node(member)
        if urgent:
            await self._write()

    async def remove(self, member: Member) -> None:
        """See Members. The goodbye stays until this pod closes; then its session ends."""
        self._put.pop(key_of(member), None)
        self._own[key_of(member)] = _node(member, left=True)
        with contextlib.suppress(ConnectionError):
            await self._write()

    async def list(self) -> Sequence[Member]:
        """See Members."""
        await self._look()
        return self._view.members()

    async def watch(self) -> AsyncIterator[Sequence[Member]]:
        """See Members. ZooKeeper says when to look; a look is taken every MEMBER_POLL besides."""
        await self._look()
        async for members in self._view.watch():
            yield members

    async def ping(self) -> None:
        """Ask whether ZooKeeper is there. Raises ConnectionError."""
        self._start()
        try:
            await self._ask(self._client.exists_async, ROOT)
        except FAILURES as error:
            raise ConnectionError(f"ZooKeeper: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """End watches and the session: own records go with it at once."""
        self._view.close()
        if self._following is None:
            return
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with contextlib.suppress(*FAILURES):
            self._client.stop()
            self._client.close()

    def _start(self) -> None:
        """Connect, once, without waiting for it."""
        if self._following is None:
            self._loop = asyncio.get_running_loop()
            self._client.add_listener(self._state_changed)
            self._client.start_async()
            self._following = asyncio.create_task(self._follow())

    def _state_changed(self, state: KazooState) -> None:
        """In a thread of kazoo's, which must not be held up."""
        if state == KazooState.CONNECTED:
            self._on_loop(self._connected.set)
            self._wake()
        else:
            self._on_loop(self._connected.clear)

    def _wake(self, _event: object = None) -> None:
        self._on_loop(self._look_again.set)

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended before the thread
                self._loop.call_soon_threadsafe(call)

    async def _follow(self) -> None:
        """Look, and make own records again, whenever something has happened and now and then."""
        while True:
            await asyncio.sleep(self._poll_s / LOOKS)  # many loads that change are one look
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._look_again.wait()
            self._look_again.clear()
            with contextlib.suppress(ConnectionError):
                await self._write()
            await self._look()

    async def _look(self) -> None:
        self._start()
        async with self._looking:
            try:
                names = await self._ask(self._client.get_children_async, ROOT, self._wake)
            except NoNodeError:
                names = []
            except FAILURES as error:
                self._failed(error)
                return
            self._is_away = False
            records = (_record(name) for name in names)
            self._view.see(record for record in records if record is not None)

    async def _write(self) -> None:
        """Make the nodes that are to be there and are not, in this session."""
        self._start()
        async with self._writing:
            for key, node in tuple(self._own.items()):
                try:
                    await self._make(key, node)
                except FAILURES as error:
                    self._failed(error)
                    raise ConnectionError(f"ZooKeeper: {error or type(error).__name__}") from error

    async def _make(self, key: Key, node: str) -> None:
        """One transaction, so that nobody sees a moment without a record, or with two.

        What was tried and may be there goes: an earlier record, or this one in a session that
        is lost and would take it along when it runs out.
        """
        session = self._session()
        if self._made.get(key) == (node, session) and session:
            return
        tried = self._tried.setdefault(key, set())
        tried.add(node)
        await self._ask(self._client.ensure_path_async, ROOT)
        change = self._client.transaction()
        for one in sorted(tried):
            if await self._ask(self._client.exists_async, f"{ROOT}/{one}"):
                change.delete(f"{ROOT}/{one}")
        change.create(f"{ROOT}/{node}", ephemeral=True)
        outcome = await self._ask(change.commit_async)
        for failed in outcome:
            if isinstance(failed, Exception) and not isinstance(failed, RolledBackError):
                raise failed
        self._tried[key] = {node}
        self._made[key] = (node, session)

    def _session(self) -> int:
        client = self._client.client_id
        return 0 if client is None else int(client[0])

    async def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Bridge a call of kazoo's, which answers in its own thread, to the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def done(result: Any) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, answer, result)

        async with asyncio.timeout(self._timeout_s):
            await self._connected.wait()
            call(*arguments).rawlink(done)
            return await answer

    def _failed(self, error: BaseException) -> None:
        self._view.away()
        # A ZooKeeper that lost its data refuses whoever has seen later changes than it has.
        # What this costs: a server that lags may show an older list for a moment.
        self._client.last_zxid = 0
        if not self._is_away:
            log.warning("zookeeper is away", reason=type(error).__name__)
        self._is_away = True


def _settle(answer: "asyncio.Future[Any]", result: Any) -> None:
    if answer.done():  # nobody waits any more
        return
    if result.exception is not None:
        answer.set_exception(result.exception)
    else:
        answer.set_result(result.value)


def _node(member: Member, *, left: bool = False) -> str:
    return base64.urlsafe_b64encode(encode(member, left=left).encode()).decode().rstrip("=")


def _record(node: str) -> tuple[Member, bool] | None:
    try:
        return decode(base64.urlsafe_b64decode(node + "=" * (-len(node) % 4)))
    except ValueError:
        return None
