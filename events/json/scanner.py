"""Finds the parts of a JSON text without building its values, and continues after errors, unlike a parser.

Nothing here recurses, and each byte is looked at a fixed number of times: the patterns never give back what they have
matched.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import orjson

Span = tuple[int, int]
"""The start and end of a part of a string."""

_space = re.compile(rb"[ \t\n\r]*+").match
_string = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL).match
_word = re.compile(rb'[^ \t\n\r,:"\[\]{}]++').match
_inside = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL).match
"""A stretch without brackets, except those inside strings."""
_between = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL).match
"""Likewise, and no comma."""
_CLOSER_OF = {ord("["): ord("]"), ord("{"): ord("}")}
MAX_ENDS, MAX_PARSES = 8, 2
"""How many closing braces are tried as the end of an object, and how often it is parsed for that: an event of the usual
form has three braces at most, and is parsed once or twice."""
_COMMA, _CLOSE_LIST = ord(","), ord("]")


class ScanError(Exception):
    """The text is not valid JSON; the message says what is wrong and where, and quotes nothing of the text."""


class Member(NamedTuple):
    """A member of an object."""

    name: str
    key_start: int
    start: int
    """The start of its value."""
    end: int | None
    """The end of its value; None if its brackets or quotes are not closed."""


class Items(NamedTuple):
    """The items of a list."""

    spans: Sequence[Span]
    end: int | None
    """Where the list ends; None where that is missing or cannot be found, and the last span reaches to the text's end,
    or where there are more items than were asked for."""


def value_end(_name: str, text: bytes, start: int) -> int | None:
    """Find the end of a value; None if its brackets do not match or a string is not terminated.

    Raises:
        ScanError: there is no value.
    """
    byte = text[start : start + 1]
    if byte == b'"':
        string = _string(text, start)
        return string.end() if string else None
    if byte not in (b"[", b"{"):
        word = _word(text, start)
        if word is None:
            raise ScanError(f"a value is missing at byte {start + 1}")
        return word.end()
    closers = bytearray()
    place = start
    while True:
        byte_there = text[place] if place < len(text) else -1
        if byte_there in _CLOSER_OF:
            closers.append(_CLOSER_OF[byte_there])
        elif byte_there != closers.pop():
            return None
        place += 1
        if not closers:
            return place
        place = _end_of(_inside, text, place)


def walk_members(text: bytes, find_end: Callable[[str, bytes, int], int | None] = value_end) -> Iterator[Member]:
    """Yield the members of the object that the text is; the last one may be open.

    Values are not looked into. What lies between them is checked.

    Args:
        text: an object.
        find_end: finds the end of a member's value, given its name, the text, and where it begins.

    Raises:
        ScanError: the text is not an object.
    """
    place = _expect(text, 0, b"{")
    if _peek(text, place) == b"}":
        _expect_end(text, _skip(text, place) + 1)
        return
    while True:
        key_start = _skip(text, place)
        key = _string(text, key_start)
        if key is None:
            raise ScanError(f"a key in double quotes is missing at byte {key_start + 1}")
        start = _skip(text, _expect(text, key.end(), b":"))
        name = _decode(key[0])
        end = find_end(name, text, start)
        yield Member(name, key_start, start, end)
        if end is None:
            return
        if _peek(text, end) == b"}":
            _expect_end(text, _skip(text, end) + 1)
            return
        place = _expect(text, end, b",")


def split_list(text: bytes, start: int, most: int) -> Items:
    """Find the items of the list whose bracket stands before `start`, `most` of them at the most.

    An item ends at the next comma outside of its brackets and quotes, whatever it holds. Where brackets do not match,
    or a string does not end, the rest belongs to that item: its end cannot be known, and what lies inside of one event
    must never be taken for another one.
    """
    spans: list[Span] = []
    closers = bytearray()  # of the brackets that are open, within the list
    item_start = place = start
    while len(spans) < most:
        if not closers and place == item_start:
            start = _skip(text, place)
            place = _object_end(text, start) or start
        place = _end_of(_inside if closers else _between, text, place)
        byte = text[place] if place < len(text) else -1
        if byte in _CLOSER_OF:
            closers.append(_CLOSER_OF[byte])
        elif closers and byte == closers[-1]:
            closers.pop()
        elif byte == _COMMA:
            spans.append(_trimmed(text, item_start, place))
            item_start = place + 1
        elif byte == _CLOSE_LIST and not closers:
            span = _trimmed(text, item_start, place)
            if spans or span[0] < span[1]:
                spans.append(span)
            return Items(spans, place + 1)
        else:
            spans.append(_trimmed(text, item_start, len(text)))
            return Items(spans, None)
        place += 1
    return Items(spans, None)


def _object_end(text: bytes, start: int) -> int | None:
    """Find the end of a valid object among the next closing braces, by trying; None where it is none of them.

    A parser is several times faster than the patterns. Text that is one value up to a place is none up to another one,
    so what it takes is the object and nothing else.
    """
    if text[start : start + 1] != b"{":
        return None
    end, parses = start, 0
    for _ in range(MAX_ENDS):
        end = text.find(b"}", end) + 1
        if end == 0 or parses == MAX_PARSES:
            return None
        if _peek(text, end) in (b",", b"]"):
            parses += 1
            with suppress(orjson.JSONDecodeError):
                orjson.loads(text[start:end])
                return end
    return None


def _skip(text: bytes, place: int) -> int:
    return _end_of(_space, text, place)


def _end_of(match: Callable[[bytes, int], re.Match[bytes] | None], text: bytes, place: int) -> int:
    """Return where the match of a pattern ends that also matches the empty string."""
    found = match(text, place)
    return found.end() if found else place


def _peek(text: bytes, place: int) -> bytes:
    place = _skip(text, place)
    return text[place : place + 1]


def _expect(text: bytes, place: int, byte: bytes) -> int:
    """Return where the text goes on behind this byte, which must come next."""
    place = _skip(text, place)
    if text[place : place + 1] != byte:
        raise ScanError(f"{byte.decode()} is missing at byte {place + 1}")
    return place + 1


def _expect_end(text: bytes, place: int) -> None:
    place = _skip(text, place)
    if place < len(text):
        raise ScanError(f"there is extra data after its end, at byte {place + 1}")


def _trimmed(text: bytes, start: int, end: int) -> Span:
    """Cut the space off both ends of a span."""
    start = min(_skip(text, start), end)
    return start, start + len(text[start:end].rstrip(b" \t\n\r"))


def _decode(key: bytes) -> str:
    """Read a name; one that is no text of JSON's is nobody's, so it may be read loosely."""
    try:
        name: str = orjson.loads(key)
    except orjson.JSONDecodeError:
        return key[1:-1].decode("utf-8", "replace")
    return name
