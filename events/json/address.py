"""Takes a client's address out of the bytes of a JSON event, which are otherwise kept as they were sent."""

import re

from events.json.scanner import ScanError, walk_members

NAMES = frozenset({"ipAddress", "ip_address"})
EMPTY = b'""'

_ascii_escape = re.compile(rb"\\u00([0-7][0-9A-Fa-f])")
_names_address = re.compile(rb"ip_?address", re.IGNORECASE).search


def blank_addresses(raw: bytes, *, is_object: bool) -> bytes | None:
    r"""Replace each address among an event's own members by an empty string, and change nothing else.

    A name may be written with escapes ("ip\u0041ddress"), and may be repeated.

    Args:
        raw: an event as its caller wrote it.
        is_object: whether it parsed as a JSON object. Then its members are certain.

    Returns:
        The bytes without addresses; None if addresses may remain. That is the case for an event that is not valid JSON
        and names an address anywhere except among its own members, if these can all be scanned.
    """
    kept, others = bytearray(), bytearray()  # `others`: all but the members that are addresses
    place = 0
    try:
        for member in walk_members(raw):
            if member.end is None:
                return None if _names_address(_readable(raw)) else raw
            if member.name in NAMES:
                kept += raw[place : member.start] + EMPTY
                others += raw[place : member.key_start]
                place = member.end
    except ScanError:
        return None if _names_address(_readable(raw)) else raw
    kept += raw[place:]
    others += raw[place:]
    return None if not is_object and _names_address(_readable(others)) else bytes(kept)


def _readable(text: bytes | bytearray) -> bytes:
    return _ascii_escape.sub(_unescape, text)


def _unescape(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)])
