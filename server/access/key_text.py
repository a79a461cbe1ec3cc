"""The text of a key: `sla_<kind>_<id>_<secret><checksum>`.

The checksum (CRC-32 of everything before it) tells a mistyped or made-up key without a lookup, and lets scanners of
secrets find keys in source code with few false alarms.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from hashlib import sha256

PUBLIC = "pub"
SERVICE = "srv"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARACTERS = 8
SECRET_CHARACTERS = 43
"""More than 256 random bits, so that a fast hash is as good as a slow one."""
CHECKSUM_CHARACTERS = 6
"""What 32 bits need in base 62."""
KEY_ID = re.compile(f"[0-9A-Za-z]{{{ID_CHARACTERS}}}")
PREFIX = "sla_"
"""What no token begins with: its first character would be that of a JSON object in base64."""

_KEY = re.compile(
    f"{PREFIX}({PUBLIC}|{SERVICE})_([0-9A-Za-z]{{{ID_CHARACTERS}}})_"
    f"[0-9A-Za-z]{{{SECRET_CHARACTERS + CHECKSUM_CHARACTERS}}}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as callers send it. Shows itself without its secret.

    Attributes:
        kind: PUBLIC or SERVICE.
        id: by which it is looked up.
        text: the whole key.
    """

    kind: str
    id: str
    text: str = field(repr=False)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the text: what is stored."""
        return sha256(self.text.encode()).digest()


def make_key(kind: str) -> KeyText:
    """Make a new key of a kind, with a random id and secret."""
    key_id, secret = _random(ID_CHARACTERS), _random(SECRET_CHARACTERS)
    text = f"{PREFIX}{kind}_{key_id}_{secret}"
    return KeyText(kind, key_id, text + _checksum(text))


def parse_key(text: str) -> KeyText | None:
    """Read a key; None where the text is not one, or its checksum is wrong."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-CHECKSUM_CHARACTERS]) != text[-CHECKSUM_CHARACTERS:]:
        return None
    return KeyText(match[1], match[2], text)


def _random(count: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(count))


def _checksum(text: str) -> str:
    left, found = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARACTERS):
        left, digit = divmod(left, len(ALPHABET))
        found = ALPHABET[digit] + found
    return found
