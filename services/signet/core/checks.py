"""Whether a Send may be taken, judged by the owner's copy of the recipient (M7, M10, O5)."""

from collections.abc import Mapping

from signet.core import limits
from signet.core.link import Content, Mismatch


def device_mismatch(devices: Mapping[int, int], contents: tuple[Content, ...]) -> Mismatch | None:
    """How the addressed devices differ from `devices` (id → registration id); None: not at all.

    No device is addressed twice: gateways refuse that.
    """
    addressed = {content.device: content.registration for content in contents}
    if addressed == devices:
        return None
    missing = tuple(sorted(devices.keys() - addressed.keys()))
    extra = tuple(sorted(addressed.keys() - devices.keys()))
    stale = tuple(
        sorted(
            device
            for device, registration in addressed.items()
            if device in devices and devices[device] != registration
        )
    )
    return Mismatch(missing, extra, stale) if missing or extra or stale else None


def has_room(items: int, size: int) -> bool:
    """Whether an inbox with so many items and bytes takes another."""
    return items < limits.INBOX_ITEMS and size < limits.INBOX_BYTES


class Strangers:
    """Sends that people got accepted by those who have never written back (M10)."""

    def __init__(self) -> None:
        self._accepted: dict[tuple[bytes, bytes], int] = {}

    def full(self, sender: bytes, recipient: bytes) -> bool:
        """Whether the next one needs the recipient to have written to the sender."""
        return self._accepted.get((sender, recipient), 0) >= limits.STRANGER_UNANSWERED

    def is_answered(self, sender: bytes, recipient: bytes) -> bool:
        """Whether it is remembered that the recipient has written to the sender."""
        return self._accepted.get((sender, recipient), 0) < 0

    def accepted(self, sender: bytes, recipient: bytes) -> None:
        if len(self._accepted) >= limits.REMEMBERED_CONVERSATIONS:
            self._accepted.pop(next(iter(self._accepted)))
        key = (sender, recipient)
        self._accepted[key] = self._accepted.get(key, 0) + 1

    def answered(self, sender: bytes, recipient: bytes) -> None:
        """The recipient has written to the sender: never asked again while remembered."""
        self._accepted[sender, recipient] = -1_000_000_000
