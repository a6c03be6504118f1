"""What the keys service says of blobs: tickets for putting one, addresses for getting one."""

from dataclasses import dataclass, field

from signet.client.account import Keys
from signet.client.rest import Json


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` … of the ciphertext. `url` '': it is put already."""

    index: int
    start: int
    size: int
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """A ticket, and what is missing of its blob."""

    ticket: str = field(repr=False)
    name: str = field(repr=False)
    parts: tuple[Part, ...]


class Tickets:
    """All raise SignetError and ServerUnreachable."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def create(self, size: int) -> Upload:
        """For so many bytes of ciphertext. SignetError: MEDIA_TOO_LARGE, RATE_LIMITED, …"""
        return _upload(await self._keys.call("POST", "/v1/media", {"size": size}))

    async def look(self, ticket: str) -> Upload:
        """What is there by now. SignetError: MEDIA_TICKET_REFUSED, …"""
        return _upload(await self._keys.call("POST", "/v1/media/upload", {"ticket": ticket}))

    async def complete(self, ticket: str) -> None:
        """SignetError: MEDIA_TICKET_REFUSED, MEDIA_INCOMPLETE, MEDIA_WRONG_LENGTH, …"""
        await self._keys.call("POST", "/v1/media/complete", {"ticket": ticket})

    async def find(self, name: str) -> tuple[Part, ...]:
        """Where a blob is got. SignetError: NOT_FOUND, …"""
        return _parts(await self._keys.call("GET", f"/v1/media/{name}"))


def _upload(answer: Json) -> Upload:
    return Upload(answer["ticket"], answer["name"], _parts(answer))


def _parts(answer: Json) -> tuple[Part, ...]:
    parts, start = [], 0
    for index, one in enumerate(answer["parts"]):
        parts.append(Part(index, start, int(one["size"]), one["url"]))
        start += int(one["size"])
    return tuple(parts)
