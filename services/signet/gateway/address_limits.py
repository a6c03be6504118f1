"""How many streams come from one address (T10). Loopback is not counted.

Each gateway counts for itself: what it protects is its own sockets and handshakes.
"""

from collections import Counter

from signet.core.addresses import Proxies, is_this_machine, network
from signet.core.buckets import Buckets
from signet.core.errors import Code, SignetError
from signet.core.limits import ADDRESS_FULL_RETRY_AFTER
from signet.telemetry.metrics import RATE_LIMITED

_NEW, _OPEN = RATE_LIMITED.labels("streams_new"), RATE_LIMITED.labels("streams_open")


class AddressLimits:
    """Of an address: `new` streams at once, `rate` a second after that, `most` open at a time."""

    def __init__(self, proxies: str, new: float, rate: float, most: int) -> None:
        self.proxies = Proxies.named(proxies)
        self._new: Buckets[str] = Buckets(new, rate)
        self._most = most
        self._open: Counter[str] = Counter()
        self._of: dict[int, str] = {}  # streams, and where each comes from

    def check(self, address: str, now: float) -> None:
        """Count a stream that wants to be opened. Raises SignetError: RATE_LIMITED."""
        if not address or is_this_machine(address):
            return
        at = network(address)
        if self._open[at] >= self._most:
            _OPEN.inc()
            wait = ADDRESS_FULL_RETRY_AFTER
            raise SignetError(Code.RATE_LIMITED, "so many streams of one address", wait)
        if wait := self._new.take(at, now):
            _NEW.inc()
            raise SignetError(Code.RATE_LIMITED, "new streams of one address", wait)

    def opened(self, stream: int, address: str) -> None:
        """A stream was let in."""
        if address and not is_this_machine(address):
            at = self._of[stream] = network(address)
            self._open[at] += 1

    def left(self, stream: int) -> None:
        """It is gone."""
        at = self._of.pop(stream, "")
        if at:
            self._open[at] -= 1
            if not self._open[at]:
                del self._open[at]
