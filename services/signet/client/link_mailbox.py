"""Where a new device and an old one meet: the `signet:` link, and the mailbox at keys (K7)."""

import asyncio
import base64
import binascii
from contextlib import suppress
from urllib.parse import quote, unquote

from signet.client.environment import Environment
from signet.client.errors import LinkOver, NotALink, NotFound, ServerUnreachable
from signet.client.rest import Json, Rest, b64, unb64
from signet.core.errors import RULES, Retry, SignetError
from signet.core.limits import LINK_POLL
from signet.e2e.linking import Shown

_SCHEME = "signet:link/"
_VERSION = b"\x01"
_SIZE = 1 + 3 * 32


def to_text(shown: Shown) -> str:
    """What is shown: about 150 characters, none of which a shell or a QR code minds."""
    data = _VERSION + shown.address + shown.public + shown.commitment
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return f"{_SCHEME}{quote(shown.server_name, safe='')}/{text}"


def from_text(text: str) -> Shown:
    """Raises NotALink."""
    name, slash, encoded = text.strip().removeprefix(_SCHEME).partition("/")
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except (binascii.Error, ValueError):
        data = b""
    if not slash or len(data) != _SIZE or data[:1] != _VERSION:
        raise NotALink("this is no link of a new device")
    return Shown(unquote(name), data[1:33], data[33:65], data[65:])


async def open_mailbox(rest: Rest) -> tuple[bytes, float]:
    """The address of a new one, and when it is over (Unix time).

    Raises SignetError, ServerUnreachable.
    """
    opened = await rest.call("POST", "/v1/links")
    return unb64(opened["address"]), float(opened["expires_at"])


class Mailbox:
    """One mailbox, as either device has it; `until` is when nobody waits any more."""

    def __init__(self, rest: Rest, address: bytes, until: float, environment: Environment) -> None:
        self._rest, self._env = rest, environment
        self.path, self.until = f"/v1/links/{address.hex()}", until

    async def look(self) -> Json:
        """What is there now. Raises LinkOver, SignetError, ServerUnreachable."""
        try:
            return await self._rest.call("GET", self.path)
        except NotFound:
            raise LinkOver("it was refused, used, or its time is over") from None

    async def wait_for(self, place: str) -> Json:
        """What is there when the place is filled. Raises LinkOver, SignetError."""
        while True:
            found = await self.patient("GET", "")
            if found[place]:
                return found
            await asyncio.sleep(LINK_POLL)

    async def patient(self, method: str, more: str, body: Json | None = None) -> Json:
        """Call until there is an answer. Raises LinkOver, SignetError."""
        while self._env.now() < self.until:
            try:
                return await self._rest.call(method, self.path + more, body)
            except ServerUnreachable:
                await asyncio.sleep(LINK_POLL)
            except NotFound:
                raise LinkOver("it was refused, used, or its time is over") from None
            except SignetError as error:
                if RULES[error.code].retry in (Retry.NEVER, Retry.CHANGED):
                    raise
                await asyncio.sleep(max(LINK_POLL, error.retry_after_s))
        raise LinkOver("its time is over")

    async def answer(self, answer: bytes) -> None:
        """Raises LinkOver, SignetError."""
        await self.patient("PUT", "/answer", {"answer": b64(answer)})

    async def close(self) -> None:
        """Nobody wants it any more; what cannot be told is over by itself."""
        with suppress(SignetError, ServerUnreachable):
            await self._rest.call("DELETE", self.path)
