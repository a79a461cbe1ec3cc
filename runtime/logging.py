"""Logging: structlog to stderr, JSON unless a person is watching.

Event names are constants in lower_snake, data are keys. A payload, an address or a credential is never a value.
"""

import logging
import sys

import orjson
import structlog
from structlog.typing import Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(*, level: str, form: str, process: str) -> None:
    """Set up logging for this process; call it once, before the first line.

    Args:
        level: "debug", "info", "warning" or "error"; less severe lines cost next to nothing.
        form: "json", "console", or "auto" for console on a terminal.
        process: this process's role, for example "worker-1"; stands on every line.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if console:
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
            logger_factory=structlog.WriteLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    else:
        structlog.configure(
            processors=[
                *shared,
                # Without local variables: they hold payloads.
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
            logger_factory=structlog.WriteLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
    structlog.contextvars.bind_contextvars(process=process)


def _to_json(value: object, **_: object) -> str:
    return orjson.dumps(value, default=str).decode()
