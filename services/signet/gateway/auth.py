"""Who says Hello: tokens of the keys service, verified without asking anybody."""

from dataclasses import dataclass

from signet.adapters import tokens_jwt
from signet.core.ids import DeviceAddress
from signet.ports.tokens import VerificationKeys


@dataclass(frozen=True, slots=True)
class Tokens:
    """Verifies for one server name."""

    server_name: str
    keys: VerificationKeys

    def verify(self, token: str, now_s: float) -> DeviceAddress:
        """Whose token it is, at this Unix time.

        Raises:
            SignetError: TOKEN_EXPIRED; UNAUTHENTICATED for anything else that is wrong with it.
        """
        key = self.keys.get(tokens_jwt.kid_of(token))
        return tokens_jwt.verify(token, key, self.server_name, now_s)
