"""Pages of lists: their sizes, and page tokens, which are opaque to callers, signed, and bound to their request.

A token is base64url of: 16 bytes of HMAC-SHA-256 over the rest; 8 bytes that stand for the request; and a JSON array of
the range that the first page settled, in microseconds since 1970, and the place after which the next page begins.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import orjson
from google.protobuf.message import Message

from server.reports.errors import QuestionError
from server.reports.scope import EARLIEST, LATEST

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000
"""A page of the largest events still fits a message that clients take by default."""
MAX_TOKEN_CHARACTERS = 4096
"""Our longest token holds an actor id of 256 characters of four bytes each, and has some 1,500 characters."""

SIGNATURE_BYTES = 16
"""128 bits, the shortest that RFC 2104 recommends for SHA-256."""
REQUEST_BYTES = 8
"""They only detect mistakes: the signature prevents callers from searching for two requests with the same digest."""
MAX_INTEGER = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class InvalidPageTokenError(QuestionError):
    """A page token was not issued by this service, or not for this request."""

    reason: ClassVar[str] = "INVALID_PAGE_TOKEN"

    def __init__(self, description: str) -> None:
        """Take the description: what is wrong with the token, and what to do."""
        super().__init__("page_token", description)


@dataclass(frozen=True, slots=True)
class PageToken:
    """The end of a page, and the range that was fixed for the first page.

    The range is part of the token so that "the last 24 hours" means the same hours on every page.

    Attributes:
        start: the range's start, aware.
        end: its end, exclusive.
        cursor: the place of the page's last item in the order of the list: times, integers and strings, for example its
            timestamp, sequence and id.
    """

    start: datetime
    end: datetime
    cursor: tuple[Any, ...]


class PageTokens:
    """Writes and reads the tokens of all lists.

    Servers with the same key read each other's tokens.
    """

    def __init__(self, key: bytes) -> None:
        """Take the key that tokens are signed with."""
        self._key = key

    def write(self, token: PageToken, request: Message) -> str:
        """Write the token of the page after `token`'s; the next request must equal this one in all other fields."""
        values = [_to_json(value) for value in (token.start, token.end, *token.cursor)]
        body = _digest(request) + orjson.dumps(values)
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def read(self, request: Any, *kinds: type) -> PageToken | None:
        """Read the token of a request; None if it has none.

        Args:
            request: any with the fields page_size and page_token.
            kinds: the types of the cursor's values, in order.

        Raises:
            InvalidPageTokenError: this service did not issue it, or issued it for another request.
        """
        text: str = request.page_token
        if not text:
            return None
        signed = _decode(text)
        body = signed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signed[:SIGNATURE_BYTES], self._sign(body)):
            raise _not_ours()
        if body[:REQUEST_BYTES] != _digest(request):
            raise InvalidPageTokenError(
                "belongs to another request: repeat all other fields of the first page, or start again without a token"
            )
        try:
            return _read_values(orjson.loads(body[REQUEST_BYTES:]), kinds)
        except (ValueError, OverflowError):
            raise _not_ours() from None

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:SIGNATURE_BYTES]


def read_page_size(asked: int) -> int:
    """Read how many items a page may have: the default for 0, and the maximum for more than that.

    Raises:
        QuestionError: it is negative.
    """
    if asked < 0:
        raise QuestionError(
            "page_size",
            f"must not be negative, but is {asked}: 0 means {DEFAULT_PAGE_SIZE}, and the maximum is {MAX_PAGE_SIZE}",
        )
    return min(asked, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE


def _decode(text: str) -> bytes:
    """Decode base64url, only in the canonical form that this module writes."""
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise _not_ours()
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise _not_ours() from None
    if base64.urlsafe_b64encode(signed).decode().rstrip("=") != text:
        raise _not_ours()
    return signed


def _digest(request: Message) -> bytes:
    """Compute the digest of a request without its page fields."""
    asked = type(request)()
    asked.CopyFrom(request)
    for field in ("page_size", "page_token"):
        asked.ClearField(field)
    text = asked.DESCRIPTOR.full_name.encode() + b"\0" + asked.SerializeToString(deterministic=True)
    return hashlib.blake2b(text, digest_size=REQUEST_BYTES).digest()


def _read_values(values: Any, kinds: Sequence[type]) -> PageToken:
    """Check the bounds and types of a token's values; a valid signature alone is not enough.

    Raises:
        ValueError: something does not fit.
        OverflowError: a time lies beyond the calendar.
    """
    start, end, *cursor = (
        _from_json(value, kind) for value, kind in zip(values, (datetime, datetime, *kinds), strict=True)
    )
    if not start < end:
        raise ValueError(values)
    return PageToken(start, end, tuple(cursor))


def _to_json(value: Any) -> Any:
    return (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value


def _from_json(value: Any, kind: type) -> Any:
    if kind is datetime:
        moment = _EPOCH + _from_json(value, int) * _MICROSECOND
        if EARLIEST <= moment <= LATEST:
            return moment
    elif kind is int:
        if type(value) is int and 0 <= value <= MAX_INTEGER:
            return value
    elif type(value) is str and "\0" not in value:
        return value
    raise ValueError(value)


def _not_ours() -> InvalidPageTokenError:
    return InvalidPageTokenError(
        "must be an unchanged next_page_token of an earlier response; a service with another key refuses it, too. "
        "Start again without a token"
    )
