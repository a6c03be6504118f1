"""The keys that tokens are verified with, fetched from the keys pods' admin port (`/v1/jwks`).

What may be relied upon: `get` never waits. Keys that are known go on while every keys pod is away,
also over a restart: the last set is kept in a file. A key that is not known makes it ask again at
once, at most every TOKEN_KEYS_RETRY.
"""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signet.core import limits
from signet.ports.members import Kind, Members

log = structlog.get_logger()

TIMEOUT = 3.0  # seconds for one keys pod
KeySet = Mapping[str, Ed25519PublicKey]


class TokenKeys:
    """ports/tokens.VerificationKeys. `start`, then `stop`.

    `file` is where the last set is kept; it holds public keys only. `tls` is the pods' own, None
    for plain HTTP.
    """

    def __init__(
        self, members: Members, file: Path, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        self._members, self._file, self._tls = members, file, tls
        self._keys: KeySet = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def get(self, kid: str) -> Ed25519PublicKey | None:
        """See VerificationKeys."""
        found = self._keys.get(kid)
        if found is None:
            self._wanted.set()
        return found

    @property
    def known(self) -> int:
        """How many keys there are; 0: nobody can log in yet."""
        return len(self._keys)

    def start(self) -> None:
        """Take what the file has, then ask, and go on asking."""
        try:
            self._keys = read_set(json.loads(self._file.read_bytes()))
        except (OSError, ValueError):
            self._keys = {}
        self._task = asyncio.create_task(self._run(), name="token-keys")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._wanted.clear()
            patience = limits.TOKEN_KEYS_REFRESH if await self._fetch() else 0.0
            await asyncio.sleep(limits.TOKEN_KEYS_RETRY)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), patience)

    async def _fetch(self) -> bool:
        """Ask the keys pods one after the other; whether one has answered."""
        verify, scheme = (self._tls(), "https") if self._tls is not None else (False, "http")
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=verify) as http:
            for member in await self._members.list():
                if member.kind is Kind.KEYS and await self._ask(http, scheme, member.address):
                    return True
        return False

    async def _ask(self, http: httpx.AsyncClient, scheme: str, address: str) -> bool:
        try:
            answer = await http.get(f"{scheme}://{address}/v1/jwks")
            document = answer.raise_for_status().json()
            self._keys = read_set(document)
        except (httpx.HTTPError, ValueError) as error:
            log.info("a keys service does not answer", reason=type(error).__name__)
            return False
        self._save(document)
        return True

    def _save(self, document: Any) -> None:
        made = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            made.write_text(json.dumps(document))
            made.replace(self._file)
        except OSError as error:
            log.warning("the keys of tokens are not kept", reason=error.strerror)


def read_set(document: Any) -> KeySet:
    """The Ed25519 keys of a JWK Set (RFC 7517). Raises ValueError."""
    try:
        keys = jwt.PyJWKSet.from_dict(document).keys
        found = {key.key_id: key.key for key in keys if isinstance(key.key, Ed25519PublicKey)}
    except (jwt.PyJWTError, AttributeError, TypeError, KeyError) as error:
        raise ValueError("this is no key set") from error
    return {kid: key for kid, key in found.items() if isinstance(kid, str)}
