"""The fingerprint of an event: tells a repeat from another event under the same id."""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Any

DIGEST_BYTES = 8
_unpack = Struct(">q").unpack


def fingerprint(row: Sequence[Any]) -> int:
    """Hash what the caller says of an event into a signed 64-bit number: `digest` as a big-endian integer.

    Args:
        row: an event in the order of `storage.write.batch.COLUMNS`.
    """
    number: int
    (number,) = _unpack(digest(row))
    return number


def digest(row: Sequence[Any]) -> bytes:
    """Hash what the caller says of an event into 8 bytes.

    What the server resolves is left out, since a retry may find another server: the times (a missing one is filled in,
    a wrong one corrected by `sent_at`), the hash of the address, and the schema version, which is the newest one of the
    day for a caller who names none. The same content in another version is the same event. The parts are joined by NUL,
    which no text of an event holds.

    Args:
        row: an event in the order of `storage.write.batch.COLUMNS`.
    """
    _, event_type, _, _, _, _, _, _, user_id, session_id, platform, _, _, _, event_data = row
    text = f"{event_type}\0{user_id or ''}\0{session_id or ''}\0{platform or ''}\0{event_data}"
    try:
        content = text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which Postgres refuses by itself
        content = text.encode("utf-8", "surrogatepass")
    return blake2b(content, digest_size=DIGEST_BYTES).digest()
