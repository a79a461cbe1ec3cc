"""CSV files: reads their header and rows, and diagnoses files that do not fit their mapping."""

import csv
import json
import re
from collections.abc import Sequence
from datetime import datetime

from cli.command_error import CommandError
from cli.import_.mapping import MappingError
from cli.import_.records import RecordError, Records
from cli.import_.sources import ImportFile
from cli.main import EXIT_USAGE

DELIMITERS = ",;\t|"
"""Common delimiters."""
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
NUMBER = re.compile(r"[+-]?[\d.,' ]*\d")
CONVERT = "convert it, for example with: iconv -f {encoding} -t UTF-8"
"""What to do about a file in another encoding."""
NO_HEADER = "holds numbers or dates, not the names of columns; add a header line with the names that the mapping uses"
NOT_UTF8_ADVICE = "Text that is not UTF-8 often comes from Windows; " + CONVERT.format(encoding="WINDOWS-1252")


def csv_header(file: ImportFile, delimiter: str) -> list[str]:
    """Read the names of the columns from the first line.

    Raises:
        CommandError: there is none, it is not UTF-8, it names a column twice, or it looks like JSON or like a row.
    """
    header: list[str] = []
    for line in file:
        if line.startswith(UTF16_MARKS):
            raise _header_error(file, f"is UTF-16; {CONVERT.format(encoding='UTF-16')}")
        if line.lstrip().startswith((b"{", b"[")):
            # The line may be an event: its content does not belong on a terminal.
            raise _header_error(file, "looks like JSON, not like a CSV header; leave out --mapping for JSON")
        try:
            header = next(csv.reader([line.decode("utf-8-sig")], delimiter=delimiter), [])
        except UnicodeDecodeError as exc:
            raise _header_error(file, f"is not a CSV header in UTF-8. {NOT_UTF8_ADVICE}") from exc
        except csv.Error as exc:
            raise _header_error(file, f"is not a CSV header: {exc}") from exc
        break
    names = [name.strip() for name in header]
    if not names:
        raise CommandError(f"{file.name}: must begin with a header line that names the columns", exit_code=EXIT_USAGE)
    twice = {name for name in names if names.count(name) > 1}
    if twice and looks_like_a_row(names):
        raise _header_error(file, NO_HEADER)
    if twice:
        raise _header_error(file, f"names these columns twice: {', '.join(sorted(twice))}")
    return names


def explain_mismatch(file: ImportFile, header: Sequence[str], error: MappingError, delimiter: str) -> CommandError:
    """Say what is probably wrong with a file whose header does not fit its mapping: `error` where nothing is known."""
    text = delimiter.join(header)
    best = max(DELIMITERS, key=text.count)
    if text.count(best) > text.count(delimiter):
        return _header_error(
            file,
            f"seems to separate columns by {best!r}, not by {delimiter!r}: write delimiter = {json.dumps(best)} "
            "into the mapping, above its tables",
        )
    # The message of `error` would show the first row as if it were names.
    return _header_error(file, NO_HEADER) if looks_like_a_row(header) else error


def csv_records(file: ImportFile, delimiter: str) -> Records[list[str]]:
    """Yield the cells of each row below the header that is not blank; a row may span several lines.

    Bytes that are not UTF-8 become lone surrogates, which no event takes: such a row is rejected, not the file.
    """
    lines = (line.decode("utf-8", "surrogateescape") for line in file)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            row = next(reader, None)
        except csv.Error as exc:
            yield file.take_source(), RecordError(f"is not CSV: {exc}")
            continue
        if file.too_long:
            yield from file.too_long_records()
        if row is None:
            return
        if row:
            yield file.take_source(), row
        else:
            file.take_lines()


def looks_like_a_row(names: Sequence[str]) -> bool:
    """Return whether a cell is a number or a date, which column names rarely are."""
    return any(NUMBER.fullmatch(name) or _is_date(name) for name in names)


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _header_error(file: ImportFile, why: str) -> CommandError:
    return CommandError(f"{file.name}: line {file.line} {why}", exit_code=EXIT_USAGE)
