"""Logging: structlog to stderr, JSON unless a person is watching.

Event names are constants in lower_snake, data are keys. A payload, an address or a credential is never a value, and of
an exception only its type and its place are logged. A line that cannot be written is dropped.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

from runtime.fault import describe_fault, fault_text
from runtime.outlet import STDERR, Outlet

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log = structlog.get_logger(__name__)


def configure_logging(*, level: str, form: str, process: str) -> None:
    """Set up logging for this process; call it once, before the first line.

    Log records of libraries and uncaught exceptions are written the same way, without their strings.

    Args:
        level: "debug", "info", "warning" or "error"; less severe lines cost next to nothing.
        form: "json", "console", or "auto" for console on a terminal.
        process: this process's role, for example "worker-1"; part of every line.
    """
    console = form == "console" or (form == "auto" and os.isatty(STDERR))
    describe: Callable[[BaseException], object] = fault_text if console else describe_fault
    render: Processor = (
        structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            partial(_render_exception, describe),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(Outlet(STDERR)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    _adopt_foreign_lines()


def _render_exception(
    describe: Callable[[BaseException], object],
    logger: object,  # noqa: ARG001 - structlog's signature
    method: str,  # noqa: ARG001 - likewise
    event: EventDict,
) -> EventDict:
    """Replace `exc_info` by a description without values; the one place where exceptions are written."""
    info = event.pop("exc_info", None)
    exc = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else None
    if info is True:
        exc = sys.exc_info()[1]
    if exc is not None:
        event["exception"] = describe(exc)
    return event


class _ForeignLines(logging.Handler):
    """Forwards log records of libraries: logger, place and exception, without the strings, which may quote values."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write(
            "library_message",
            logger=record.name,
            place=f"{record.module}:{record.lineno} in {record.funcName}",
            exc_info=record.exc_info[1] if record.exc_info else None,
        )


def _adopt_foreign_lines() -> None:
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    if not any(isinstance(handler, _ForeignLines) for handler in root.handlers):
        root.addHandler(_ForeignLines())
    # Hooks that somebody else has set, as test runners do, stay.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _log_unraisable


def _log_uncaught(kind: type[BaseException], exc: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, exc, trace)
        return
    log.critical("process_failed", exc_info=exc)


def _log_uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread else None
    log.error("thread_failed", thread=name, exc_info=failed.exc_value)


def _log_unraisable(failed: Any) -> None:
    log.error("exception_ignored", place=type(failed.object).__qualname__, exc_info=failed.exc_value)


def _to_json(value: object, **_: object) -> str:
    return orjson.dumps(value, default=str).decode()
