"""All streams of a gateway by number, and what they share: time, keys, limits, counts."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from signet.clocks import unix_ms
from signet.core import resume
from signet.core.errors import Code, SignetError
from signet.core.ids import ID_BYTES, DeviceAddress, SessionId
from signet.core.link import Drop
from signet.gateway.address_limits import AddressLimits
from signet.gateway.admission import Admission
from signet.gateway.auth import Tokens
from signet.gateway.certificate import Certificate
from signet.gateway.config import GatewayConfig
from signet.gateway.edge import Edge
from signet.gateway.freezing import Freezing
from signet.gateway.neighbours import Neighbours
from signet.gateway.routers import Owners
from signet.gateway.send_limits import SendLimits
from signet.gateway.session import Session
from signet.gateway.strays import Strays
from signet.gateway.wheel import Wheel
from signet.ports.links import Routers
from signet.ports.tokens import VerificationKeys
from signet.telemetry import metrics
from signet.v1.messaging_pb2 import Hello

log = structlog.get_logger()


class Hub:
    """`clock` is monotonic, in seconds; `now_ms` is Unix time."""

    def __init__(
        self,
        config: GatewayConfig,
        routers: Routers,
        keys: VerificationKeys,
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = unix_ms,
    ) -> None:
        """Raises OSError: the certificate cannot be read."""
        self.config, self.clock, self.now_ms = config, clock, now_ms
        self.sessions: dict[int, Session] = {}
        self.frames_in = self.frames_out = 0
        self.refusing: Code | None = None  # no more streams, and why
        chain, key = config.tls_certificate, config.tls_key
        self.certificate = Certificate(chain, key) if chain and key else None
        self.owners = Owners(self, routers)
        self.neighbours = Neighbours(config.name)
        self.strays = Strays(self, self.neighbours)
        now = clock()
        self.admission = Admission(
            streams=config.max_streams,
            handshakes=config.max_handshakes,
            burst=config.admit_burst,
            rate=config.admit_rate,
            now=now,
        )
        self._tokens = Tokens(config.server_name, keys)
        self._wheel = Wheel(config.tick, now)
        self._numbers = 0
        self.sends = SendLimits(config.send_burst, config.send_rate)
        self.addresses = AddressLimits(
            config.proxies,
            config.address_streams_burst,
            config.address_streams_rate,
            config.address_streams_open,
        )
        self._slow: dict[int, tuple[int, float]] = {}  # bytes taken, and since when so many
        self._timer: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self._freezing = Freezing()
        self._refusals: Counter[Code] = Counter()

    # --- streams ------------------------------------------------------------------------------

    def open(self, edge: Edge, transport: str, address: str = "") -> Session:
        """A new stream on an edge, of somebody at an address.

        Raises:
            SignetError: it is not admitted; the edge is to be finished with that code.
        """
        if self.refusing is not None:
            raise SignetError(self.refusing)
        self.addresses.check(address, self.clock())
        wait = self.admission.admit(self.clock())
        if wait:
            raise SignetError(Code.OVERLOADED, retry_after_s=wait)
        self._numbers += 1
        session = Session(self, edge, self._numbers, transport)
        self.sessions[session.number] = session
        self.addresses.opened(session.number, address)
        self._schedule(session)
        metrics.STREAMS.labels(transport).inc()
        return session

    def not_now(self) -> SignetError:
        """What one is told who finds no room even for a handshake."""
        if self.refusing is not None:
            return SignetError(self.refusing)
        return SignetError(Code.OVERLOADED, retry_after_s=self.admission.slot(self.clock()))

    def greeted(self, session: Session, *, resumed: bool) -> None:
        """A stream became ACTIVE."""
        self.admission.greeted()
        self.watch_time(session)
        metrics.STREAMS_OPENED.labels(session.transport, str(resumed).lower()).inc()

    def left(self, session: Session, *, greeted: bool) -> None:
        """A stream is over."""
        if self.sessions.pop(session.number, None) is not None:
            self.admission.left(greeted=greeted)
            self.addresses.left(session.number)
            self._slow.pop(session.number, None)
            metrics.STREAMS.labels(session.transport).dec()
            if not self.sessions:
                self._emptied.set()

    async def wait_empty(self) -> None:
        """Until there is no stream."""
        while self.sessions:
            self._emptied.clear()
            await self._emptied.wait()

    def dropped(self, frame: Drop) -> None:
        """The owner has ended a session."""
        session = self.sessions.get(frame.session)
        if session is not None:
            session.fault(SignetError(frame.code, retry_after_s=frame.retry_after_s))

    # --- who says Hello -----------------------------------------------------------------------

    def identify(self, hello: Hello) -> tuple[DeviceAddress, resume.Resume | None]:
        """Whose Hello it is: by resume token, or else by token.

        Raises:
            SignetError: RESUME_REFUSED, TOKEN_EXPIRED, UNAUTHENTICATED.
        """
        if hello.resume_token:
            try:
                known = resume.redeem(hello.resume_token, self.config.resume_key, self.now_ms())
                return known.address, known
            except SignetError:
                if not hello.token:
                    raise
        return self._tokens.verify(hello.token, self.now_ms() / 1000), None

    def issue(self, what: resume.Resume) -> bytes:
        """A resume token of this cluster."""
        return resume.issue(what, self.config.resume_key)

    def new_session_id(self) -> SessionId:
        return SessionId(secrets.token_bytes(ID_BYTES))

    # --- time ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Look at what time has brought, each tick."""
        self._timer = asyncio.get_running_loop().call_later(self.config.tick, self.start)
        try:
            self.tick()
        except Exception:
            log.exception("a tick failed")

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def tick(self) -> None:
        """Everything that depends on time, once."""
        now = self.clock()
        self._look_at(self._wheel.due(now), now)
        self._look_at_slow(now)
        if self.certificate is not None:
            self.certificate.look()
        self._freezing.tick(now, self._numbers)
        self.owners.tick(now)
        self.strays.tick(now)
        self._count()

    def _look_at(self, numbers: Iterable[int], now: float) -> None:
        for number in numbers:
            session = self.sessions.get(number)
            if session is None or session.alarm > now:  # gone, or it has a later entry
                continue
            if now >= session.deadline():
                session.expired()
            if number in self.sessions:
                self._schedule(session)

    def watch_time(self, session: Session) -> None:
        """Its deadline is another one now; a later one is found when the wheel rings."""
        if session.deadline() < session.alarm:
            self._schedule(session)

    def _schedule(self, session: Session) -> None:
        session.alarm = session.deadline()
        self._wheel.put(session.number, session.alarm)

    # --- readers that do not read (S6) --------------------------------------------------------

    def paused(self, session: Session) -> None:
        """More is pending for a stream than the network takes at once: it is watched."""
        if not session.slow and session.number in self.sessions:
            session.slow = True
            self._slow[session.number] = (session.taken, self.clock())

    def resumed(self, session: Session) -> None:
        """It has caught up."""
        session.slow = False
        self._slow.pop(session.number, None)

    def _look_at_slow(self, now: float) -> None:
        pending = 0
        for number, (before, since) in list(self._slow.items()):
            session = self.sessions[number]
            pending += session.pending
            if session.taken > before:
                self._slow[number] = (session.taken, now)
            elif now - since >= self.config.progress_timeout:
                session.fault(SignetError(Code.SLOW_READER))
        metrics.PENDING_BYTES.set(pending)

    # --- counts -------------------------------------------------------------------------------

    def refused(self, code: Code) -> None:
        self._refusals[code] += 1

    def closed(self, code: Code) -> None:
        metrics.CLOSES.labels(code.name).inc()

    def _count(self) -> None:
        """Counted in plain numbers, a frame at a time; told to Prometheus a tick at a time."""
        metrics.FRAMES.labels("in").inc(self.frames_in)
        metrics.FRAMES.labels("out").inc(self.frames_out)
        self.frames_in = self.frames_out = 0
        for code, count in self._refusals.items():
            metrics.REFUSALS.labels(code.name).inc(count)
        self._refusals.clear()
        metrics.GATEWAY_SKEW.set(self.neighbours.skew(len(self.sessions)))
