"""The keys service without a transport: a table of contents.

REST (`rest`) and gRPC (`grpc_server`) say the same things in other words. Every refusal is a
SignetError with its code.
"""

import secrets
import time
from importlib.metadata import version
from typing import Any

from signet.keys.account import OwnAccounts
from signet.keys.bundles import PreKeyBundles
from signet.keys.config import Clock, KeysConfig, Randomness
from signet.keys.devices import DeviceLife
from signet.keys.export import Exports
from signet.keys.group_outbox import GroupOutbox
from signet.keys.groups import Groups
from signet.keys.life import AccountLife
from signet.keys.linking import Links
from signet.keys.login import Logins
from signet.keys.media import Media
from signet.keys.outbox import Outbox
from signet.keys.parts import Parts
from signet.keys.passwords import Passwords
from signet.keys.profiles import Profiles
from signet.keys.push import PushDevices
from signet.keys.refusals import refuses
from signet.keys.registration import Registrations
from signet.keys.reports import Reports
from signet.keys.tokens import Tokens
from signet.ports.blobs import Blobs
from signet.ports.directory import Directory
from signet.ports.events import Events
from signet.ports.holdings import Owners
from signet.ports.rate_limits import RateLimits


class Keys:
    """`clock` is Unix time in seconds, `randomness` gives bytes that nobody can guess.

    `tokens` is ports/tokens.VerificationKeys for a gateway in the same process, once `ready` or
    `jwks` was awaited.
    """

    def __init__(
        self,
        directory: Directory,
        limits: RateLimits,
        changes: Owners,
        events: Events,
        config: KeysConfig,
        clock: Clock = time.time,
        randomness: Randomness = secrets.token_bytes,
        blobs: Blobs | None = None,
    ) -> None:
        tokens = Tokens(directory, config.server_name, clock, randomness)
        self.outbox = outbox = Outbox(directory, changes)
        parts = Parts(
            directory,
            limits,
            changes,
            events,
            config,
            clock,
            randomness,
            Passwords(randomness),
            tokens,
            outbox,
        )
        self.tokens = tokens
        self.config, self.version = config, version("signet")
        self.websocket = self.grpc = ""
        self.registrations = Registrations(parts)
        self.logins = Logins(parts)
        self.bundles = PreKeyBundles(parts)
        self.accounts = OwnAccounts(parts)
        self.links = Links(parts)
        self.devices = DeviceLife(parts)
        self.profiles = Profiles(parts)
        self.life = AccountLife(parts)
        self.exports = Exports(parts, changes)
        self.reports = Reports(parts)
        self.media = Media(parts, blobs)
        self.group_outbox = GroupOutbox(directory, changes)
        self.groups = Groups(parts, self.group_outbox)
        self.push = PushDevices(parts)
        self._parts = parts

    def announce(self, websocket: str, grpc: str) -> None:
        """Where clients open streams: what GetServer answers from now on."""
        self.websocket, self.grpc = websocket, grpc

    @refuses()
    async def jwks(self) -> dict[str, Any]:
        """The key set that verifies tokens (JWKS). Raises SignetError: STORE_UNAVAILABLE."""
        return await self.tokens.jwks()

    @refuses()
    async def ready(self) -> None:
        """Have the signing keys, read from the directory. Raises SignetError: STORE_UNAVAILABLE."""
        await self.tokens.refresh()
