"""JSON bodies of requests: checks their content type, and that a request has only one of its two forms."""

import re
from functools import lru_cache

from google.api.httpbody_pb2 import HttpBody

from events.violations import Violation
from server.ingest.errors import InvalidRequestError

_MEDIA_TYPE = re.compile(r"(application/([\w.+-]+\+)?json|text/plain)?\s*(;.*)?", re.IGNORECASE | re.DOTALL)
"""JSON, text, which navigator.sendBeacon sends for strings, or none."""
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""ASCII is a part of UTF-8."""


def read_body(body: HttpBody, beside: str, *, given: bool) -> bytes:
    """Take the JSON out of a body.

    Args:
        body: as it was sent.
        beside: the field that has the same as a message.
        given: whether that field is set as well.

    Raises:
        InvalidRequestError: both are set, or the content type is not JSON in UTF-8.
    """
    if given:
        raise InvalidRequestError(Violation("body", "CONFLICT", f"is set together with {beside}; keep one of them"))
    problem = _problem_of(body.content_type)
    if problem:
        raise InvalidRequestError(Violation("body", "CONTENT_TYPE", problem))
    data: bytes = body.data
    return data


@lru_cache(maxsize=64)  # a handful of them comes again and again
def _problem_of(content_type: str) -> str:
    """Describe what is wrong with a content type; empty if it is valid."""
    if not _MEDIA_TYPE.fullmatch(content_type):
        return "must be JSON: send it with content-type: application/json"
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in _UTF_8:
        return f"must be JSON in UTF-8, not in the charset {charset[1][:40]!r}: encode it as UTF-8"
    return ""
