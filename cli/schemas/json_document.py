"""JSON documents with one event or a list of events: splits them into the bytes of each event without parsing them."""

import re

TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|[\[\]{},]', re.DOTALL)
"""A text, which may hold anything, or what opens, closes or separates values."""
OPENING, CLOSING = (b"[", b"{"), (b"]", b"}")


class CutShortError(ValueError):
    """A document ends before its brackets are closed, or goes on after them."""


def split_document(text: bytes) -> list[bytes]:
    """Cut a list into its items, and anything else into the one thing it is; each as it stands, to the byte.

    Items are not parsed; an item may be no JSON at all.

    Example:
        >>> split_document(b'[{"a": [1, 2]}, 5]')
        [b'{"a": [1, 2]}', b'5']

    Raises:
        CutShortError: a list is not closed, or has extra data after its end.
    """
    text = text.strip()
    if not text.startswith(b"["):
        return [text]
    items: list[bytes] = []
    depth, begin, end = 0, 1, 0
    for token in TOKEN.finditer(text):
        if end:
            break
        if token[0] in OPENING:
            depth += 1
        elif token[0] in CLOSING:
            depth -= 1
            end = token.end() if depth == 0 else 0
        if (token[0] == b"," and depth == 1) or end:
            items.append(text[begin : token.start()].strip())
            begin = token.end()
    if end != len(text):
        raise CutShortError("the list is not closed" if not end else "there is extra data after the end of the list")
    return [] if items == [b""] else items
