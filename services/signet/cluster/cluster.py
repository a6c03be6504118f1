"""N processes of each kind on this machine, watched; whatever happens to one is seen here.

What may be relied upon: every process is tied to this one and ended by its pid; a pod that ends
is started again under its name, at its old addresses where they are still free; `kill`, `stop`
return when the process is gone, and everything after that is a new life.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from signet import settings as table
from signet.cluster.child import Child
from signet.cluster.looking import Looking
from signet.cluster.parts import COUNTS, MODULES, Entries, Phase, environment, name_of
from signet.cluster.pod import Pod
from signet.cluster.ports import Ports
from signet.cluster.state import Look, PodState, state
from signet.data_folder import DataFolder
from signet.pod.migrate import migrate
from signet.pod.tls import PodTls
from signet.ports.members import Kind
from signet.settings import Settings

READY_WITHIN = 120.0  # seconds from the start until all are ready, on a busy machine
LOOK_EVERY = 0.1  # seconds between two looks while somebody waits for readiness
STOPS_WITHIN = 20.0  # seconds that SIGTERM is given before SIGKILL
LEAVES_WITHIN = 60.0  # the same for one that has others to give what it holds to
DRAINS_WITHIN = 60.0  # seconds that a pod is given to become empty, when nobody says
TLS = ("tls_ca", "tls_cert", "tls_key")
AWAY = frozenset({Phase.WAITING, Phase.ENDED})


class NoSuchPod(KeyError):
    """No pod of the cluster has that name."""


class NotReady(Exception):
    """Some pods run and do not become ready. The text says which, and why."""


class Cluster:
    """`start` … `close`, or `async with`.

    `data` is the folder that all processes share; logs are beside it, one file a pod.
    `stores` are URLs by setting (`settings.STORES`); what is not given stays embedded. `settings`
    are environment variables of all pods; `settings_of` gives those of one by its name, and is
    asked at each of its starts. `again` says whether a pod that ends is started again.
    """

    def __init__(
        self,
        data: Path,
        counts: Mapping[Kind, int] = COUNTS,
        *,
        stores: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        settings_of: Callable[[str], Mapping[str, str]] = lambda _: {},
        modules: Mapping[Kind, str] = MODULES,
        again: bool = True,
    ) -> None:
        self.data = data.absolute()
        self.logs = self.data.with_name(f"{self.data.name}-logs")
        self.again = again
        self._counts, self.stores = dict(counts), dict(stores or {})
        self._settings = {**os.environ, **(settings or {})}
        self._settings_of = settings_of
        self._modules = {**MODULES, **modules}
        self._pods: dict[str, Pod] = {}
        self._seen: dict[str, Look] = {}
        self._claim = DataFolder(self.data / "cluster")  # one cluster at a time: names are unique
        self._looking = Looking()
        self._ports = Ports(random.Random())  # noqa: S311 - no secret
        self._news = asyncio.Event()

    # --- start and end ------------------------------------------------------------------------

    async def start(self) -> None:
        """All pods are ready when it returns; when one cannot be, all are gone.

        Tables and topics are brought up to date first, as `signet admin migrate` does.

        Raises:
            FolderInUse: another cluster runs on the data.
            StoreRefused: a store cannot be reached.
            DidNotStart: with the end of its log.
            NotReady: after READY_WITHIN.
        """
        self._claim.lock()
        try:
            settings = self._read_settings()
            tls = PodTls.of(settings)
            self._looking = Looking(tls.client() if tls is not None else None)
            await migrate(settings)
            for kind, count in self._counts.items():
                for _ in range(count):
                    self._begin(kind)
            await asyncio.gather(*(self.up(name) for name in self._pods))
            await self.ready()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """SIGTERM to all at once, SIGKILL to those who do not go; nothing is left running."""
        await asyncio.gather(*(pod.end(STOPS_WITHIN) for pod in self._pods.values()))
        await self._looking.close()
        self._claim.unlock()

    def _read_settings(self) -> Settings:
        """What is the same for all pods, as far as this process needs it too."""
        flags: dict[str, Any] = {"data": self.data, **self.stores}
        flags |= {name: self._settings.get(f"{table.PREFIX}{name.upper()}") for name in TLS}
        return table.load(None, **flags)

    async def __aenter__(self) -> "Cluster":
        await self.start()
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self.close()

    def _begin(self, kind: Kind) -> Pod:
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True, mode=0o700)
        name = name_of(kind, self._pods)
        log = self.logs / f"{name}.log"
        log.unlink(missing_ok=True)  # of the cluster before

        async def launch(last: Mapping[str, object]) -> Child:
            told = environment(name, self.data, self.stores, self._settings, last, self._ports.take)
            told |= self._settings_of(name)
            return await Child.start(name, self._modules[kind], ["--json"], told, log)

        pod = Pod(kind, name, log, launch, self._changed, again=self.again)
        self._pods[name] = pod
        pod.begin()
        return pod

    # --- who is there -------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """How many pods it was asked to have at the start."""
        return sum(self._counts.values())

    @property
    def names(self) -> Sequence[str]:
        """Of all pods, also of those who have ended, in the order of their start."""
        return list(self._pods)

    def of(self, kind: Kind) -> Sequence[str]:
        """The names of that kind's pods."""
        return [name for name, pod in self._pods.items() if pod.kind is kind]

    def pod(self, name: str) -> Pod:
        """Raises: NoSuchPod."""
        try:
            return self._pods[name]
        except KeyError:
            raise NoSuchPod(name) from None

    @property
    def entries(self) -> Entries:
        """Where clients enter now: the addresses of pods that run."""
        up = [pod for pod in self._pods.values() if pod.admin]

        def listed(kind: Kind, what: str) -> tuple[str, ...]:
            return tuple(str(p.addresses[what]) for p in up if p.kind is kind)

        return Entries(
            websocket=listed(Kind.GATEWAY, "websocket"),
            grpc=listed(Kind.GATEWAY, "grpc"),
            keys_grpc=listed(Kind.KEYS, "grpc"),
            rest=listed(Kind.KEYS, "rest"),
        )

    async def pods(self) -> Sequence[PodState]:
        """A look at each pod; rates are of the time since the look before."""
        return await asyncio.gather(*(self._look(pod) for pod in list(self._pods.values())))

    async def _look(self, pod: Pod) -> PodState:
        phase = pod.phase
        admin = pod.admin if phase is not Phase.PAUSED else ""
        now = await self._looking.look(pod.pid, admin) if pod.pid else None
        before = self._seen.pop(pod.name, None)
        if now is not None:
            self._seen[pod.name] = now
        failure = pod.failure.last_words if pod.failure is not None else ""
        return state(pod.kind, pod.name, phase, pod.restarts, pod.addresses, before, now, failure)

    # --- waiting ------------------------------------------------------------------------------

    def _changed(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for something that is seen of the pods without asking them (phases, pids)."""
        while not is_so():
            await self._news.wait()

    async def up(self, name: str) -> None:
        """Wait until its process says where it listens.

        Raises:
            DidNotStart: its latest try failed.
        """
        pod = self.pod(name)

        def known() -> bool:
            return pod.failure is not None or pod.phase in {Phase.RUNNING, Phase.ENDED}

        await self.until(known)
        if pod.failure is not None:
            raise pod.failure

    async def ready(self, *names: str, within: float = READY_WITHIN) -> None:
        """Wait until these pods want work, all when none is named.

        Raises:
            NotReady: they did not within so many seconds.
        """
        pods = [self.pod(name) for name in names or self.names]
        why: dict[str, str] = {}
        try:
            async with asyncio.timeout(within):
                while True:
                    why = await self._not_ready(pods)
                    if not why:
                        return
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            text = "; ".join(f"{name}: {reason}" for name, reason in why.items())
            raise NotReady(text) from None

    async def _not_ready(self, pods: Sequence[Pod]) -> dict[str, str]:
        async def asked(pod: Pod) -> str:
            return await self._looking.ready(pod.admin) if pod.admin else pod.phase.value

        answers = zip(pods, await asyncio.gather(*map(asked, pods)), strict=True)
        return {pod.name: why for pod, why in answers if why}

    # --- what is done to pods -----------------------------------------------------------------

    async def kill(self, name: str, *, again: bool = True) -> None:
        """SIGKILL; returns when it is gone. `again` False: it stays away until `begin`."""
        pod = self.pod(name)
        await self._end(pod, pod.leave(0.0), again)

    async def stop(self, name: str, *, again: bool = True, within: float = LEAVES_WITHIN) -> bool:
        """SIGTERM, as when a node is drained; returns when the process is gone.

        False: it did not go within so many seconds, and was killed.
        """
        pod = self.pod(name)
        return await self._end(pod, pod.leave(within), again)

    async def _end(self, pod: Pod, ending: Awaitable[bool], again: bool) -> bool:
        pod.again = self.again and again
        meant = pod.pid
        by_itself = await ending
        await self.until(lambda: pod.pid not in {0, meant} or pod.phase in AWAY)
        return by_itself

    def begin(self, name: str) -> None:
        """Start one again that has ended; nothing happens to one that runs."""
        pod = self.pod(name)
        pod.again = self.again
        pod.begin()

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        self.pod(name).pause()

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.pod(name).resume()

    async def drain(self, name: str, *, within_s: float = DRAINS_WITHIN, rate: float = 0.0) -> None:
        """Ask it to give away what it holds; `rate` a second, 0: what the others accept.

        Its stage says how far it is: `draining`, then `empty`.

        Raises:
            httpx.HTTPError: it does not answer.
        """
        order = {"deadline_s": within_s, "rate": rate}
        await self._looking.order(self.pod(name).admin, "drain", order)

    async def undrain(self, name: str) -> None:
        """Abort a drain. Raises: httpx.HTTPError: no answer, or there is none (any more)."""
        await self._looking.order(self.pod(name).admin, "undrain", {})

    def add(self, kind: Kind) -> str:
        """One more; its name. `up` and `ready` wait for it."""
        return self._begin(kind).name

    async def remove(self, name: str) -> None:
        """SIGTERM, and forget it."""
        await self.pod(name).end(STOPS_WITHIN)
        del self._pods[name]
