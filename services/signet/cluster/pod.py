"""One pod of a local cluster: a process that is started again when it has ended."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from signet.cluster.child import Child, DidNotStart
from signet.cluster.parts import Phase
from signet.ports.members import Kind

# Seconds before a pod that ended is started again: doubled each time, forgotten after CALM of life.
# Raise: a pod that cannot live costs less. Lower: kills by hand and the fault suite's are over
# sooner.
AGAIN_AFTER = 0.25
AGAIN_CAP = 8.0
CALM = 10.0

Launch = Callable[[Mapping[str, Any]], Awaitable[Child]]


def next_wait(last: float, lived: float) -> float:
    """The back-off after a life of so many seconds, when the one before it was `last`."""
    return AGAIN_AFTER if not last or lived >= CALM else min(AGAIN_CAP, 2 * last)


class Pod:
    """`begin`, then it lives until `end`, or as long as `again` says.

    `launch` starts the process; it is given what the life before said (where it listened).
    `changed` is called after each change of what is seen here.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        log: Path,
        launch: Launch,
        changed: Callable[[], None],
        *,
        again: bool,
    ) -> None:
        self.kind, self.name, self.log = kind, name, log
        self.again = again  # what happens at its next end
        self.phase = Phase.STARTING
        self.addresses: dict[str, Any] = {}
        self.restarts = 0
        self.failure: DidNotStart | None = None  # of the latest try to start
        self._launch, self._changed = launch, changed
        self._child: Child | None = None
        self._keeping: asyncio.Task[None] | None = None

    # --- its life -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Start it, also again after it has ended for good."""
        if self._keeping is None or self._keeping.done():
            self.failure = None
            self._is(Phase.STARTING)
            self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    async def _keep(self) -> None:
        wait = 0.0
        while True:
            began = time.monotonic()
            try:
                await self._life()
            except DidNotStart as failure:
                # Somebody may have taken a port meanwhile: the next try takes free ones.
                self.failure, self.addresses = failure, {}
            if self._stays_away():
                break
            wait = next_wait(wait, time.monotonic() - began)
            self._is(Phase.WAITING)
            await asyncio.sleep(wait)
            if self._stays_away():  # somebody has changed their mind meanwhile
                break
            self.restarts += 1
            self._is(Phase.STARTING)
        self._is(Phase.ENDED)

    async def _life(self) -> None:
        self._child = await self._launch(self.addresses)
        self._changed()
        self.addresses = await self._child.told()
        self.failure = None
        self._is(Phase.RUNNING)
        await self._child.gone()

    def _stays_away(self) -> bool:
        return not self.again

    def _is(self, phase: Phase) -> None:
        self.phase = phase
        self._changed()

    async def end(self, within: float) -> None:
        """SIGTERM, SIGKILL after so many seconds; it does not come back. Nothing is left of it."""
        self.again = False
        if self._child is not None and self._child.running:
            await self._child.end(within)
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self._child is not None:
            await self._child.kill()  # one that was started while we waited
        self._is(Phase.ENDED)

    # --- what is done to its process ----------------------------------------------------------

    @property
    def pid(self) -> int:
        """0 while there is no process."""
        return self._child.pid if self._child is not None and self._child.running else 0

    @property
    def admin(self) -> str:
        """Of its admin port, '' while it does not say."""
        up = self.phase in {Phase.RUNNING, Phase.PAUSED}
        return str(self.addresses.get("admin", "")) if up else ""

    @property
    def paused(self) -> bool:
        return self.phase is Phase.PAUSED

    def signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.signal(number)

    async def leave(self, within: float) -> bool:
        """End the process that runs now: SIGTERM, SIGKILL after so many seconds, at once for 0.

        Whether it went by itself. True where there was none.
        """
        if self._child is None or not self._child.running:
            return True
        status = await (self._child.end(within) if within else self._child.kill())
        return status != -signal.SIGKILL

    def pause(self) -> None:
        """SIGSTOP."""
        self.signal(signal.SIGSTOP)
        if self.phase is Phase.RUNNING:
            self._is(Phase.PAUSED)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)
        if self.phase is Phase.PAUSED:
            self._is(Phase.RUNNING)
