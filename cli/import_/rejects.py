"""The file of rejected records: as they stood in their source, each below a line that says what is wrong with it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from cli.command_error import CommandError
from cli.import_.problems import Problem
from cli.import_.records import Source
from cli.import_.sources import NOTE
from cli.main import EXIT_USAGE

CHUNK_EVENTS = 1_000
"""The service lists the problems of each event of a stream of this size, in all but unusual cases."""


class RejectsFile:
    """Takes rejected records. The file is made with the first of them, and only its owner may read it.

    `import` reads the file as it reads the source: a record without its NOTE would be taken as well, but the note keeps
    the record's number, and so the id of its event, as if the source itself had been mended.
    """

    def __init__(self, path: Path) -> None:
        """Take the path of the file.

        Raises:
            CommandError: there is such a file.
        """
        if path.exists():
            raise CommandError(f"{path} exists; remove it, or name another file with --rejects", exit_code=EXIT_USAGE)
        self.path = path
        self.records = 0
        """How many records it holds."""
        self._file: BinaryIO | None = None

    def write(self, header: bytes, source: Source, problems: Sequence[Problem]) -> None:
        """Add a record.

        Args:
            header: the first line of a CSV; empty for JSON.
            source: the record and its place.
            problems: what is wrong with it.

        Raises:
            CommandError: the file cannot be written.
        """
        note = f"line {source.line}, row {source.row}: {'; '.join(map(str, problems))}"
        try:
            if self._file is None:
                self._file = open(self.path, "xb", opener=_open_private)  # noqa: SIM115 - closed by `close`
                self._file.write(header + b"\n" if header else b"")
            self._file.write(NOTE + note.encode("utf-8", "replace") + b"\n" + source.raw + b"\n")
        except OSError as exc:
            raise CommandError(f"cannot write {self.path}: {exc.strerror}") from exc
        self.records += 1

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            self._file.close()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
