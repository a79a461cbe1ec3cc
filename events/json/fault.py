"""Finds the syntax error in invalid JSON, and the field that contains it."""

import re
from enum import Enum, auto

import orjson

from events import violations
from events.violations import Violation, key_path

MAX_NESTING = 1024
"""The deepest nesting of objects and lists that our parser accepts."""
MAX_STEPS = 8
"""The most steps of a path in a violation; longer paths are cut."""
ROOT = "event"
"""The path of an error outside of any field."""

_space = re.compile(rb"[ \t\n\r]*+").match
_string = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL).match
_word = re.compile(rb'[^ \t\n\r,:"\[\]{}]++').match
_control = re.compile(rb"[\x00-\x1f]").search
_bad_escape = re.compile(rb'(?:[^\\]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+').match
_number = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+").fullmatch
_LITERALS = frozenset({b"true", b"false", b"null"})
_NO_NUMBERS = frozenset({b"NaN", b"Infinity", b"-Infinity"})


class _Next(Enum):
    """The next token that the grammar allows."""

    VALUE = auto()
    VALUE_OR_END = auto()
    NAME = auto()
    NAME_OR_END = auto()
    COMMA_OR_END = auto()


class _FaultError(Exception):
    """The syntax error; its message continues a sentence that starts with the field's name."""


def find_fault(text: bytes) -> Violation:
    """Find the first syntax error of a string, in one pass without recursion.

    Args:
        text: an event that `orjson.loads` refuses.
    """
    finder = _Finder(text)
    try:
        finder.run()
    except _FaultError as fault:
        return Violation(finder.path(), violations.JSON, str(fault))
    return Violation(ROOT, violations.JSON, "is not valid JSON; encode it with a JSON library")


class _Finder:
    """Parses a string by the JSON grammar until the first error."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._place = 0
        self._closers = bytearray()
        self._steps: list[str | int] = []
        """The name or index of the current member of each object or list that is open."""

    def path(self) -> str:
        """Return the path of the value that was parsed last, cut to `MAX_STEPS`."""
        path = ""
        for step in self._steps[:MAX_STEPS]:
            path = f"{path}[{step}]" if isinstance(step, int) else key_path(path, step)
        rest = "..." if len(self._steps) > MAX_STEPS else ""
        return path.removeprefix(".") + rest or ROOT

    def run(self) -> None:
        """Parse the text.

        Raises:
            _FaultError: at the first error.
        """
        following = _Next.VALUE
        while True:
            space = _space(self._text, self._place)
            self._place = space.end() if space else self._place
            byte = self._text[self._place : self._place + 1]
            if following is _Next.COMMA_OR_END and not self._closers:
                if byte:
                    raise _FaultError(f"has extra data after its end, at byte {self._place + 1}; send one JSON object")
                return
            if not byte:
                raise _FaultError("is cut off; send it completely" if self._place else "is empty; send a JSON object")
            if following in (_Next.NAME, _Next.NAME_OR_END):
                following = self._read_name(byte, may_end=following is _Next.NAME_OR_END)
            elif following is _Next.COMMA_OR_END:
                following = self._read_comma(byte)
            else:
                following = self._read_value(byte, may_end=following is _Next.VALUE_OR_END)

    def _read_value(self, byte: bytes, *, may_end: bool) -> _Next:
        if byte in (b"{", b"["):
            if len(self._closers) == MAX_NESTING:
                raise _FaultError(f"nests deeper than {MAX_NESTING} levels; flatten it")
            self._closers += b"}" if byte == b"{" else b"]"
            self._steps.append("" if byte == b"{" else 0)
            self._place += 1
            return _Next.NAME_OR_END if byte == b"{" else _Next.VALUE_OR_END
        if byte == b"]" and may_end:
            return self._close()
        if byte == b'"':
            self._read_text()
        else:
            self._read_word()
        return _Next.COMMA_OR_END

    def _read_name(self, byte: bytes, *, may_end: bool) -> _Next:
        if byte == b"}" and may_end:
            return self._close()
        if byte != b'"':
            raise _FaultError(f"is missing a key in double quotes at byte {self._place + 1}")
        self._steps[-1] = ""  # a fault in the name is the object's
        name = self._read_text()
        self._steps[-1] = name
        space = _space(self._text, self._place)
        self._place = space.end() if space else self._place
        if self._text[self._place : self._place + 1] != b":":
            raise _FaultError(f"is missing the colon after its key, at byte {self._place + 1}")
        self._place += 1
        return _Next.VALUE

    def _read_comma(self, byte: bytes) -> _Next:
        if byte[0] == self._closers[-1]:
            return self._close()
        if byte != b",":
            raise _FaultError(f"must be followed by a comma or {chr(self._closers[-1])}, at byte {self._place + 1}")
        self._place += 1
        step = self._steps[-1]
        if isinstance(step, int):
            self._steps[-1] = step + 1
            return _Next.VALUE
        return _Next.NAME

    def _close(self) -> _Next:
        self._closers.pop()
        self._steps.pop()
        self._place += 1
        return _Next.COMMA_OR_END

    def _read_text(self) -> str:
        string = _string(self._text, self._place)
        if string is None:
            raise _FaultError("is cut off inside a string; send it completely")
        self._place = string.end()
        token = string[0]
        try:
            text: str = orjson.loads(token)
        except orjson.JSONDecodeError:
            raise _FaultError(_text_fault(token)) from None
        return text

    def _read_word(self) -> None:
        word = _word(self._text, self._place)
        if word is None:
            raise _FaultError(f"is missing a value at byte {self._place + 1}")
        self._place = word.end()
        token = word[0]
        if token in _LITERALS:
            return
        if token in _NO_NUMBERS:
            raise _FaultError(f"is {token.decode()}, which JSON does not support; leave the field out")
        if not _number(token):
            raise _FaultError(
                "is not a JSON value; strings need double quotes"
            )  # it may be an address: none is repeated
        try:
            orjson.loads(token)
        except orjson.JSONDecodeError:
            raise _FaultError("is larger than any number that can be stored; send it as a string") from None


def _text_fault(token: bytes) -> str:
    """Describe the error in a string that is terminated but not valid JSON."""
    control = _control(token)
    if control is not None:
        code = token[control.start()]
        return f"holds the control character U+{code:04X}; write it as \\u{code:04x}"
    try:
        token.decode()
    except UnicodeDecodeError as exc:
        return f"is not valid UTF-8: its byte 0x{token[exc.start]:02x} is not part of a character; encode it as UTF-8"
    good = _bad_escape(token)
    if good is not None and good.end() < len(token):
        return "has an invalid escape sequence; write a backslash as \\\\"
    return "holds half of a surrogate pair (\\ud800 to \\udfff), which is not a character; remove it"
