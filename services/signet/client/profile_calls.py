"""The calls about what people show of themselves."""

from dataclasses import dataclass, field

from signet.client import profiles
from signet.client.calls import Calls
from signet.client.device_store import Tx
from signet.client.errors import refusal
from signet.client.store.outgoing import Row
from signet.client.store.profiles import Shown
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.core.limits import MAX_PROFILE
from signet.v1.content_pb2 import ProfileContent

_AROUND = 256  # bytes that sealing adds at most


@dataclass(frozen=True, slots=True)
class Profile:
    """What somebody shows; '' and b"" for what they do not."""

    name: str
    picture: bytes = field(default=b"", repr=False)
    media_type: str = ""


class ProfileCalls(Calls):
    """Part of `Client`."""

    async def set_profile(self, name: str, picture: bytes = b"", media_type: str = "") -> None:
        """Show this to everybody whom one writes to; they are told. The server reads none of it.

        Raises:
            SignetError: INVALID_ARGUMENT (the name is too long), PAYLOAD_TOO_LARGE (63 KiB in
                all), RATE_LIMITED, …; ServerUnreachable.
        """
        content = ProfileContent(name=name, picture=picture, media_type=media_type)
        if len(name) > profiles.MAX_NAME or not name.isprintable():
            raise refusal(Code.INVALID_ARGUMENT, f"a name has up to {profiles.MAX_NAME} characters")
        if content.ByteSize() + _AROUND > MAX_PROFILE:
            raise refusal(Code.PAYLOAD_TOO_LARGE)
        me, draw = self._me, self._env.randomness
        key = await self._store.run(lambda tx: profiles.own_key(tx, draw))
        version = await self._keys.set_profile(profiles.sealed(key, me.user, content, draw))

        def tell(tx: Tx) -> list[Row]:
            tx.profiles.put(me.user, Shown(key, version, content))
            return profiles.tell(tx, me, version)

        self._engine.queue(await self._store.run(tell))

    async def profile_of(self, user: UserId) -> Profile | None:
        """What somebody (or oneself) shows; None: they gave no key, or it was not read yet."""
        shown = await self._store.run(lambda tx: tx.profiles.get(user))
        if shown is None or shown.version == 0:
            return None
        content = shown.content
        return Profile(content.name, content.picture, content.media_type)
