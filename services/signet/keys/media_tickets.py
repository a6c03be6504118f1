"""Tickets of media: what may be put under which name, signed so that nothing must be stored.

A JWT like a device's token, by the same keys and for another audience: neither is taken for the
other. It is good for the account that asked for it, at any keys process.
"""

from dataclasses import dataclass, field
from typing import Any

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId, show
from signet.keys.config import Clock
from signet.keys.tokens import Tokens

AUDIENCE = "signet-media"


@dataclass(frozen=True, slots=True)
class Ticket:
    """`size` bytes in parts of `part` bytes, until `expires_at` (Unix time in seconds)."""

    name: str = field(repr=False)
    size: int
    part: int
    expires_at: int


class Tickets:
    """`clock` is Unix time in seconds."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens, self._clock = tokens, clock

    async def signed(self, ticket: Ticket, user: UserId) -> str:
        """Raises StoreUnavailable."""
        claims = {
            "sub": show(user),
            "name": ticket.name,
            "size": ticket.size,
            "part": ticket.part,
            "exp": ticket.expires_at,
        }
        return await self._tokens.sign(claims, AUDIENCE)

    async def read(self, text: str, user: UserId) -> Ticket:
        """Raises SignetError: MEDIA_TICKET_REFUSED. StoreUnavailable."""
        try:
            claims: dict[str, Any] = await self._tokens.claims(text, AUDIENCE)
        except SignetError:
            raise SignetError(Code.MEDIA_TICKET_REFUSED, "not a ticket of this server") from None
        if claims["sub"] != show(user):
            raise SignetError(Code.MEDIA_TICKET_REFUSED, "of another account")
        if claims["exp"] <= self._clock():
            raise SignetError(Code.MEDIA_TICKET_REFUSED, "its time is over")
        return Ticket(claims["name"], claims["size"], claims["part"], claims["exp"])
