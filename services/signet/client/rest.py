"""The keys service over REST: bytes in base64, ids as UUIDs, refusals as problem+json."""

import base64
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from signet.client.errors import ServerUnreachable, refusal
from signet.core.errors import RULES, Code
from signet.core.limits import REST_TIMEOUT

Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text)


class Rest:
    """One server. `token` gives the bearer token of calls that want one."""

    def __init__(self, server: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=server, timeout=REST_TIMEOUT, follow_redirects=False, transport=transport
        )

    async def call(
        self, method: str, path: str, body: Json | None = None, *, token: str = ""
    ) -> Json:
        """Ask and read the answer.

        Raises:
            SignetError: the server refused; one class a code.
            ServerUnreachable: no answer, or one that is not the keys service's.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ServerUnreachable(f"{type(error).__name__} at {method} {path}") from error
        if answer.is_success:
            return _json(answer)
        raise _refused(answer)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "Rest":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _json(answer: httpx.Response) -> Json:
    if not answer.content:
        return {}
    try:
        value = answer.json()
    except ValueError as error:
        raise ServerUnreachable("an answer that is not JSON") from error
    if not isinstance(value, dict):
        raise ServerUnreachable("an answer that is not an object")
    return value


def _refused(answer: httpx.Response) -> Exception:
    try:
        problem = answer.json()
        code = Code[str(problem["code"]).removeprefix("CODE_")]
        return refusal(
            code, str(problem.get("detail") or ""), float(problem.get("retry_after_ms") or 0) / 1000
        )
    except (ValueError, KeyError, TypeError):
        code_of: Callable[[int], Code] = _by_status
        return refusal(code_of(answer.status_code), f"HTTP {answer.status_code}")


def _by_status(status: int) -> Code:
    """The code of an answer that carries none (a proxy's)."""
    known = (Code.UNAUTHENTICATED, Code.FORBIDDEN, Code.NOT_FOUND, Code.RATE_LIMITED)
    for code in known:
        if RULES[code].http == status:
            return code
    return Code.OVERLOADED if status >= 500 else Code.INVALID_ARGUMENT
