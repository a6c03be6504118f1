"""Structured logs of the servers: lines for a person, or JSON for a collector.

Logs hold no user data (P5): no ids of people, no addresses, no content. `error` means a bug.
What libraries log through the standard library comes out in the same form.
"""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

Format = Literal["auto", "console", "json"]
Level = Literal["debug", "info", "warning", "error"]

# Libraries that would log addresses or one line a request. Those of Cassandra and Kafka are
# silenced by their adapters, which commands use that set up no logs.
QUIET = ("uvicorn", "uvicorn.access", "uvicorn.error", "alembic", "sqlalchemy", "asyncio", "httpx")


def configure(form: Format = "auto", level: Level = "info", stream: TextIO | None = None) -> None:
    """Set up logging for the whole process. `auto`: JSON unless `stream` is a terminal."""
    stream = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_renderers(as_json, stream.isatty())
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(as_json: bool, colors: bool) -> list[Processor]:
    """Tracebacks show no local variables: these hold tokens and ciphertext (P5)."""
    strip: Processor = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if as_json:
        return [
            strip,
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(sort_keys=True),
        ]
    return [
        strip,
        structlog.dev.ConsoleRenderer(
            colors=colors, pad_event_to=36, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
