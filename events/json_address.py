"""Takes a client's address out of the bytes of a JSON event, which are otherwise kept as they were sent."""

import re

from events.json_scanner import ScanError, walk_members

NAMES = frozenset({"ipAddress", "ip_address"})
EMPTY = b'""'

_ascii_escape = re.compile(rb"\\u00([0-7][0-9A-Fa-f])")
_names_address = re.compile(rb"ip_?address", re.IGNORECASE).search


def blank_addresses(raw: bytes, *, is_object: bool) -> bytes | None:
    r"""Put an empty text in the place of each address among an event's own members, and change nothing else.

    A name may be written with escapes ("ip\u0041ddress"), and come again.

    Args:
        raw: an event as its caller wrote it.
        is_object: whether it parsed as a JSON object. Then its members are certain. Otherwise they are found as far
            as it can be followed.

    Returns:
        The bytes without addresses; None where it is not certain that they hold none: the text breaks off inside of
        one, or names one behind the place where it can be followed.
    """
    kept, left = bytearray(), bytearray()  # `left` is what the names of addresses must not stand in
    place = 0
    try:
        for member in walk_members(raw):
            if member.name in NAMES:
                if member.end is None:
                    return None
                kept += raw[place : member.start] + EMPTY
                left += raw[place : member.key_start] + EMPTY
                place = member.end
    except ScanError:
        pass  # what is behind the fault is looked at as it stands
    kept += raw[place:]
    left += raw[place:]
    if not is_object and _names_address(_ascii_escape.sub(_unescape, left)):
        return None
    return bytes(kept)


def _unescape(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)])
