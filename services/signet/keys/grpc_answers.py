"""What the calls of all services of keys share over gRPC: answers, refusals, who calls.

A refusal is a status with the protocol's code in the trailing metadata `signet-code`, and where it
says to come back, `retry-after-ms`. The token comes as metadata `authorization: Bearer …`.
"""

import math
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, NoReturn, TypeVar

import grpc
import structlog
from grpc import aio

from signet.core.errors import RULES, Code, SignetError
from signet.telemetry.metrics import REFUSALS, REQUESTS

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
Context = aio.ServicerContext[Any, Any]
Method = Callable[[S, Q, Context], Coroutine[Any, Any, A]]

log = structlog.get_logger()


def answering(service: str) -> Callable[[Method[S, Q, A]], Method[S, Q, A]]:
    """Let a call of signet.v1.SERVICE answer, or end with a status that says the refusal.

    Counted either way.
    """

    def decorate(method: Method[S, Q, A]) -> Method[S, Q, A]:
        route = f"/signet.v1.{service}/{getattr(method, '__name__', '')}"

        @wraps(method)
        async def answer(self: S, request: Q, context: Context) -> A:
            try:
                answered = await method(self, request, context)
            except SignetError as error:
                refusal = error
            except Exception as error:
                log.error("a call ended in a bug", exc_info=error)
                refusal = SignetError(Code.INTERNAL)
            else:
                REQUESTS.labels(route, "OK").inc()
                return answered
            REQUESTS.labels(route, RULES[refusal.code].grpc).inc()
            return await _refuse(context, refusal)

        return answer

    return decorate


def token_of(context: Context) -> str:
    """The bearer token of a call; '' for none."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


async def _refuse(context: Context, error: SignetError) -> NoReturn:
    rule = RULES[error.code]
    REFUSALS.labels(error.code.name).inc()
    trailing: list[tuple[str, str]] = [("signet-code", error.code.name)]
    if error.retry_after_s:
        trailing.append(("retry-after-ms", str(math.ceil(error.retry_after_s * 1000))))
    status = grpc.StatusCode[rule.grpc]
    await context.abort(status, error.detail or rule.meaning, tuple(trailing))
    raise AssertionError("abort always raises")
