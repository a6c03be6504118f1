"""The admin port of a pod: what it is, and how it is asked to leave (docs/admin.md)."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from signet.telemetry.pages import Answer

JSON = "application/json"
Document = Callable[[], Awaitable[Mapping[str, Any]]]


class DrainRequest(BaseModel):
    """`POST /v1/drain`; no body is `{}`. `rate` 0 leaves it to what the survivors accept."""

    model_config = ConfigDict(extra="forbid")

    deadline_s: float | None = Field(None, ge=0, le=24 * 3600)  # None: the setting leave_s
    rate: float = Field(0.0, ge=0, le=1e6)


class Controls(Protocol):
    """What the admin port does to a pod."""

    async def describe(self) -> Mapping[str, Any]:
        """Plain JSON values, no user data."""
        ...

    def drain(self, within_s: float | None, rate: float) -> bool:
        """False: it is empty or gone already."""
        ...

    def rebalance(self) -> None:
        """Let what is misplaced move, also what was asked to before and stayed."""
        ...

    def undrain(self) -> bool:
        """False: it is not draining, or a signal has ended that choice."""
        ...


class Admin:
    """telemetry/pages.Api. `documents` are further pages of this kind of pod, by their paths."""

    def __init__(self, pod: Controls, documents: Mapping[str, Document]) -> None:
        self._pod, self._documents = pod, documents

    async def __call__(self, method: str, path: str, body: bytes) -> Answer | None:
        match method, path:
            case "GET" | "HEAD", "/v1/pod":
                return _answer(200, await self._pod.describe())
            case "POST", "/v1/drain":
                return await self._drain(body)
            case "POST", "/v1/undrain":
                return await self._undrain()
            case "POST", "/v1/rebalance":
                return await self._rebalance()
            case "GET" | "HEAD", known if known in self._documents:
                return _answer(200, await self._documents[known]())
        return None

    async def _undrain(self) -> Answer:
        if not self._pod.undrain():
            return _refuse(409, "NOT_DRAINING", "there is no drain that can be aborted")
        return _answer(200, await self._pod.describe())

    async def _rebalance(self) -> Answer:
        self._pod.rebalance()
        return _answer(202, await self._pod.describe())

    async def _drain(self, body: bytes) -> Answer:
        try:
            wanted = DrainRequest.model_validate_json(body or b"{}")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "body"
            return _refuse(400, "BAD_REQUEST", f"{where}: {first['msg']}")
        self._pod.drain(wanted.deadline_s, wanted.rate)
        return _answer(202, await self._pod.describe())


def _answer(status: int, document: Mapping[str, Any]) -> Answer:
    return status, JSON, json.dumps(document).encode() + b"\n"


def _refuse(status: int, code: str, detail: str) -> Answer:
    return _answer(status, {"error": code, "detail": detail})
