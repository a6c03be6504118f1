"""The directory's profiles: what people show of themselves, encrypted by their own devices.

What may be relied upon is in directory.py, of which this is a part.
"""

from dataclasses import dataclass, field
from typing import Protocol

from signet.core.ids import UserId


@dataclass(frozen=True, slots=True)
class Profile:
    """The latest of a user. `version` rises with each change."""

    version: int
    sealed: bytes = field(repr=False)


class Profiles(Protocol):
    """One a user."""

    async def set_profile(self, user: UserId, sealed: bytes) -> int:
        """Replace it (by b"": take it away); the version that it has then. Raises NoSuchAccount."""
        ...

    async def profile(self, user: UserId) -> Profile | None:
        """None: there is no such user, or they show nothing."""
        ...
