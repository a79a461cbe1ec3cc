"""The plan of an import: each file with its dataset, and the reader and filler of its format."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cli.command_error import CommandError
from cli.import_.chunks import Chunk, build_chunks
from cli.import_.csv_source import csv_header, csv_records, explain_mismatch
from cli.import_.json_events import JsonEventFiller
from cli.import_.mapping import Mapping, MappingError, read_mapping
from cli.import_.mapping_rows import RowFiller
from cli.import_.sources import STDIN, ImportFile, dataset_of, json_records, open_file
from cli.main import EXIT_USAGE

FILE_PLACE = "{file}"
"""Stands in a dataset's name for the file's own."""
CSV_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz")


class OpenedFile(NamedTuple):
    """A file that is being imported."""

    file: ImportFile
    header: bytes
    """The first line of a CSV, to the byte; empty for events as JSON."""
    chunks: Iterator[Chunk]


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to import, with the name that makes the ids of its events."""

    path: str
    dataset: str | None
    """None for events as JSON from the standard input, which has no name: each must have an id of its own."""
    mapping: Mapping | None
    """For CSV; None for events as JSON, one a line."""

    @contextmanager
    def open_chunks(self, chunk_events: int) -> Iterator[OpenedFile]:
        """Open the file and its chunks; the header of a CSV and the first line of JSON are read and checked at once.

        Raises:
            CommandError: the file cannot be read, or is of another kind, or its columns do not fit the mapping.
        """
        with open_file(self.path) as file:
            if self.mapping is None:
                filler = JsonEventFiller(self.dataset)
                yield OpenedFile(file, b"", build_chunks(file, json_records(file), filler, chunk_events))
                return
            delimiter = self.mapping.delimiter
            header = csv_header(file, delimiter)
            assert self.dataset is not None  # noqa: S101 - rows have no ids: plan_import demands a name for them
            try:
                rows = RowFiller(self.mapping, header, self.dataset)
            except MappingError as exc:
                raise explain_mismatch(file, header, exc, delimiter) from exc
            raw_header = file.take_lines()
            yield OpenedFile(file, raw_header, build_chunks(file, csv_records(file, delimiter), rows, chunk_events))


def plan_import(paths: Sequence[str], mapping_path: Path | None, dataset: str | None) -> list[PlannedFile]:
    """Plan the import, and report every mistake that can be found before anything is sent.

    Args:
        paths: the files; `-` is the standard input.
        mapping_path: the mapping file for CSV; None for events as JSON.
        dataset: the name that makes the ids, with `{file}` in place of the file's own; None for the mapping's, or
            else the file's name, which the standard input does not have.

    Raises:
        CommandError: a file cannot be read or does not fit the mapping, a CSV has no mapping or no name, or two files
            would share a dataset, so that rows which are equal in both would count once.
    """
    mapping = None if mapping_path is None else read_mapping(mapping_path)
    template = dataset or (mapping.dataset if mapping is not None else None) or FILE_PLACE
    files = [PlannedFile(path, _dataset(template, path), mapping) for path in paths]
    name, count = Counter(file.dataset for file in files).most_common(1)[0]
    if count > 1:
        raise _usage(
            f"{count} files share the dataset {name!r}, so equal rows in different files would count once; "
            "name each with --dataset 'NAME-{file}', or import them one by one under different names"
        )
    for file in files:
        if file.path == STDIN:
            if file.dataset is None and mapping is not None:
                raise _usage(
                    "standard input has no name from which to derive event ids; give it one with --dataset NAME"
                )
            continue
        if mapping is None and file.path.lower().endswith(CSV_SUFFIXES):
            raise _usage(f"{file.path}: a CSV file needs --mapping FILE.toml, which says what its columns mean")
        with file.open_chunks(1):
            pass
    return files


def _dataset(template: str, path: str) -> str | None:
    if path == STDIN and FILE_PLACE in template:
        return None
    return template.replace(FILE_PLACE, dataset_of(path))


def _usage(message: str) -> CommandError:
    return CommandError(message, exit_code=EXIT_USAGE)
