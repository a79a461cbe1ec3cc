"""Describes exceptions for logs: by type and place, never by their text.

The strings of database drivers and parsers quote the invalid values.
"""

import errno
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.errors import AnalyticsError

MAX_CHAIN = 8
"""How many exceptions of a chain of causes are described, the newest first."""
MAX_GROUP = 8
"""How many exceptions of a group are described."""
MAX_FRAMES = 40
"""How many calls of a traceback are named, the innermost ones."""
ROOT = Path(__file__).parent.parent


def describe_fault(exc: BaseException) -> list[dict[str, Any]]:
    """Describe an exception and its causes, outermost first.

    Returns:
        For each its `type`; `reason` of our own errors, `sqlstate` of the database's, `errno` of the system's; `frames`
        as "file:line in function", innermost last; and `group`, the descriptions of a group's members.

    Example:
        >>> describe_fault(KeyError("secret"))
        [{'type': 'KeyError', 'frames': []}]
    """
    return [_describe(one) for one in _chain(exc)]


def name_fault(exc: BaseException) -> str:
    """Name an exception in a word or two: "ConnectionRefusedError ECONNREFUSED", "UniqueViolationError 23505"."""
    return " ".join(str(value) for value in _kind(exc).values())


def fault_text(exc: BaseException) -> str:
    """Write the result of `describe_fault` as lines for a terminal."""
    return "\n".join(_lines(describe_fault(exc), ""))


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    one: BaseException | None = exc
    while one is not None and id(one) not in seen and len(seen) < MAX_CHAIN:
        seen.add(id(one))
        yield one
        one = one.__cause__ if one.__cause__ is not None or one.__suppress_context__ else one.__context__


def _kind(exc: BaseException) -> dict[str, str]:
    kind = {"type": type(exc).__qualname__}
    if isinstance(exc, AnalyticsError):
        kind["reason"] = exc.reason
    if isinstance(exc, OSError) and exc.errno is not None and exc.errno in errno.errorcode:
        kind["errno"] = errno.errorcode[exc.errno]
    # Of asyncpg; what an exception calls so might be anything, and only five letters and digits are a SQLSTATE.
    sqlstate = getattr(exc, "sqlstate", None)
    if isinstance(sqlstate, str) and len(sqlstate) == len("00000") and sqlstate.isalnum():
        kind["sqlstate"] = sqlstate
    return kind


def _describe(exc: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = _kind(exc)
    calls = traceback.extract_tb(exc.__traceback__, limit=-MAX_FRAMES)
    described["frames"] = [f"{_short(call.filename)}:{call.lineno} in {call.name}" for call in calls]
    if isinstance(exc, BaseExceptionGroup):
        described["group"] = [describe_fault(member) for member in exc.exceptions[:MAX_GROUP]]
    return described


def _short(filename: str) -> str:
    """Shorten a path to start at the project's own folders, or at an installed package."""
    path = Path(filename)
    if path.is_relative_to(ROOT):
        path = path.relative_to(ROOT)
    return str(path).rpartition("site-packages/")[2]


def _lines(faults: list[dict[str, Any]], indent: str) -> Iterator[str]:
    for number, fault in enumerate(faults):
        kind = " ".join(str(fault[key]) for key in ("type", "reason", "errno", "sqlstate") if key in fault)
        yield f"{indent}{'caused by ' if number else ''}{kind}"
        yield from (f"{indent}  {frame}" for frame in fault["frames"])
        for member in fault.get("group", ()):
            yield from _lines(member, indent + "  | ")
