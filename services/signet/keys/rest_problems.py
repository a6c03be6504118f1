"""Refusals over REST: problem+json (RFC 9457) with the protocol's code."""

import math

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from signet.core.errors import RULES, Code, SignetError
from signet.keys.rest_models import Problem
from signet.telemetry.metrics import REFUSALS

PROBLEM = "application/problem+json"
_TYPE = "https://signet.invalid/codes/"

log = structlog.get_logger()


def problem(error: SignetError, status: int = 0) -> Response:
    """The answer for a refusal; counted. `status` overrides the code's own."""
    rule = RULES[error.code]
    retry_after_ms = math.ceil(error.retry_after_s * 1000)
    body = Problem(
        type=f"{_TYPE}{error.code.name.lower()}",
        title=rule.meaning,
        status=status or rule.http,
        code=error.code.name,
        detail=error.detail,
        retry_after_ms=retry_after_ms,
    )
    headers = {"Cache-Control": "no-store"}
    if retry_after_ms:
        headers["Retry-After"] = str(math.ceil(retry_after_ms / 1000))
    if rule.http == 401:
        headers["WWW-Authenticate"] = "Bearer"
    REFUSALS.labels(error.code.name).inc()
    return JSONResponse(body.model_dump(), body.status, headers, media_type=PROBLEM)


def handle_problems(app: FastAPI) -> None:
    """Let everything that is raised come out as a problem."""
    app.add_exception_handler(SignetError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, SignetError)
    return problem(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    """Says which field and why, never its value."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return problem(SignetError(Code.MALFORMED, "not JSON"))
    where = ".".join(str(part) for part in first["loc"])
    return problem(SignetError(Code.INVALID_ARGUMENT, f"{where}: {first['msg']}"))


async def _http(request: Request, error: Exception) -> Response:
    """The router's own: no such path, no such method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    code = {404: Code.NOT_FOUND, 405: Code.UNSUPPORTED_FRAME}.get(error.status_code, Code.MALFORMED)
    answer = problem(SignetError(code), error.status_code)
    if error.status_code == 405:
        answer.headers["Allow"] = ", ".join(_methods(request))
    return answer


def _methods(request: Request) -> list[str]:
    """Those of all routes of this path; the router itself names only the first route's."""
    template = getattr(request.scope.get("route"), "path_format", "")
    return sorted(name.upper() for name in request.app.openapi()["paths"].get(template, {}))


async def _bug(_request: Request, error: Exception) -> Response:
    log.error("a request ended in a bug", exc_info=error)
    return problem(SignetError(Code.INTERNAL))
