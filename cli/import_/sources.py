"""Import files: plain or gzip, a path or stdin, read line by line within bounds."""

import gzip
import io
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from cli.command_error import CommandError
from cli.import_.records import RecordError, Records, Source
from cli.main import EXIT_USAGE
from server.processes.program import program_command

STDIN = "-"
GZIP_MAGIC = b"\x1f\x8b"
BUFFER_BYTES = 64 * 1024
"""Large enough that reading costs nothing beside parsing, small enough for the progress bar to move."""
MAX_LINE_BYTES = 1024 * 1024
"""No event is nearly as long; a longer line is a file of another kind, and must not fill the memory."""
FORMAT_SUFFIXES = frozenset({".gz", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"})
"""Extensions of a file that name its compression and not its content."""
NOTE = b"#!rejected "
"""Begins a line of a file of rejects that says why the record below it was rejected, and which number it had."""
NOTED_ROW = re.compile(NOTE + rb"line \d{1,18}, row (\d{1,18})")


@dataclass(slots=True)
class ImportFile:
    """An open import file.

    Iterating over it yields its lines as bytes; one that is longer than MAX_LINE_BYTES is left out, and its number
    appended to `too_long`. A line with a NOTE is left out, too: it gives the next record its number.
    """

    name: str
    """The path as it was given, for messages; "stdin" for the standard input."""
    size_bytes: int | None
    """Its size on disk, compressed where it is; None for a pipe."""
    _raw: IO[bytes]
    _content: "io.BufferedReader[Any]"
    line: int = 0
    """The number of the line that was yielded last, counted from 1."""
    too_long: list[int] = field(default_factory=list)
    _next_row: int = 1
    _taken: list[bytes] = field(default_factory=list)

    @property
    def consumed_bytes(self) -> int:
        """How much of `size_bytes` has been read; 0 for a pipe."""
        return 0 if self.size_bytes is None else self._raw.tell()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines.

        Raises:
            CommandError: the file is damaged or cannot be read further.
        """
        readline = self._content.readline
        with self._translated_damage():
            while line := readline(MAX_LINE_BYTES):
                self.line += 1
                if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                    self.too_long.append(self.line)
                    while (rest := readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                    continue
                if line.startswith(NOTE):
                    noted = NOTED_ROW.match(line)
                    self._next_row = int(noted[1]) if noted else self._next_row
                    continue
                self._taken.append(line)
                yield line

    def begins_list(self) -> bool:
        """Tell, before anything is read, whether the file begins as a list of JSON does.

        Raises:
            CommandError: the file is damaged or cannot be read.
        """
        with self._translated_damage():
            return self._content.peek(1).lstrip().startswith(b"[")

    def read_document(self, most_bytes: int) -> bytes | None:
        """Read all that is left, of which lines may be of any length; None where it is more than `most_bytes`.

        Raises:
            CommandError: the file is damaged or cannot be read further.
        """
        with self._translated_damage():
            text = self._content.read(most_bytes + 1)
        return text if len(text) <= most_bytes else None

    @contextmanager
    def _translated_damage(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, zlib.error, OSError) as exc:
            how_far = f"beyond line {self.line}" if self.line else "at all, not even its first line"
            raise CommandError(f"{self.name}: cannot be read {how_far}: {_damage(exc)}") from exc

    def take_lines(self) -> bytes:
        """Return all lines that were yielded since this was last called, without white space around them."""
        raw = b"".join(self._taken).strip()
        self._taken.clear()
        return raw

    def take_source(self) -> Source:
        """Return the record that the lines since the last call make up, with the next number."""
        source = Source(self.line, self._next_row, self.take_lines())
        self._next_row += 1
        return source

    def too_long_records(self) -> Iterator[tuple[Source, RecordError]]:
        """Yield a rejected record for each line that was left out because it is too long."""
        for line in self.too_long:
            yield Source(line, self._next_row, b""), RecordError(f"is longer than {MAX_LINE_BYTES:,} bytes")
            self._next_row += 1
        self.too_long.clear()


@contextmanager
def open_file(path: str) -> Iterator[ImportFile]:
    """Open an import file, gzip or not by what it holds and not by its name; `-` is the standard input.

    Raises:
        CommandError: there is no such file, or it may not be read.
    """
    if path == STDIN:
        with _open_content("stdin", sys.stdin.buffer) as content:
            yield ImportFile("stdin", None, sys.stdin.buffer, content)
        return
    try:
        raw = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed below, at the end of this generator
        size_bytes = Path(path).stat().st_size if raw.seekable() else None
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}", exit_code=EXIT_USAGE) from exc
    with raw, _open_content(path, raw) as content:
        yield ImportFile(path, size_bytes, raw, content)


def dataset_of(path: str) -> str:
    """Return the file's name without folder and format: "cdnow" for "examples/cdnow.csv.gz"."""
    name = Path(path)
    while name.suffix.lower() in FORMAT_SUFFIXES and name.stem:
        name = Path(name.stem)
    return name.name


def json_records(file: ImportFile) -> Records[bytes]:
    """Return each line that is not blank, without the white space around it; the first is looked at at once.

    Raises:
        CommandError: the file is a document, which holds its events over many lines or many of them on one.
    """
    first = first_line(file)
    if begins_document(first):
        raise CommandError(
            f"{file.name}: line {file.line} begins a JSON document, but each line must hold one event; "
            f"`{program_command()} report events --ndjson` writes that format",
            exit_code=EXIT_USAGE,
        )
    return json_lines(file, first)


def first_line(file: ImportFile) -> bytes:
    """Read up to the first line that is not blank, and return it; empty where there is none."""
    return next((line for line in file if line.strip()), b"")


def begins_document(first: bytes) -> bool:
    """Return whether a file's first line begins a JSON document, rather than being an event of its own."""
    return first.strip() == b"{" or first.lstrip().startswith(b"[")


def json_lines(file: ImportFile, first: bytes) -> Records[bytes]:
    """Yield `first` and each further line that is not blank, without the white space around it."""
    for line in chain((first,), file):
        yield from file.too_long_records()
        if record := line.strip():
            yield file.take_source(), record
        else:
            file.take_lines()
    yield from file.too_long_records()


def _damage(exc: Exception) -> str:
    """Say what is wrong with a file that cannot be read further."""
    if isinstance(exc, EOFError):
        return "it is compressed and cut off"
    if isinstance(exc, zlib.error | gzip.BadGzipFile):
        return "it is compressed and damaged"
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


@contextmanager
def _open_content(name: str, raw: IO[bytes]) -> Iterator["io.BufferedReader[Any]"]:
    """Open what `raw` holds, decompressed; `raw` itself is left to its owner."""
    buffered = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", raw), BUFFER_BYTES)
    try:
        compressed = buffered.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
    except OSError as exc:
        raise CommandError(f"{name}: {exc.strerror}") from exc
    if not compressed:
        yield buffered
        return
    with gzip.GzipFile(fileobj=buffered) as unpacked, io.BufferedReader(unpacked, BUFFER_BYTES) as content:
        yield content
