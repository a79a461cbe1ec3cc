"""The form of a segment: a Parquet file, its columns grouped into a struct for each payload.

Two columns are not stored as they are. `event_id` is 10 bytes, `event_id_tail`, and the difference between the
milliseconds that a UUIDv7 begins with and a time of the event, `event_id_offset`: 12 bytes where 16 random ones would
not compress. Any other UUID fits too. `received_at` is its difference from `timestamp`, `received_after_us`.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.segments.errors import SegmentDamagedError, UnknownSegmentFormatError
from storage.segments.schema import ENVELOPE, EVENT_ID_BYTES, INSTANT, REQUIRED, TEXT
from storage.segments.tables import (
    ID_PARTS,
    MS_BYTES,
    TAIL_BYTES,
    Integers,
    compact,
    concatenate,
    event_ids,
    fixed_bytes,
    integers,
    take_rows,
)

FORMAT = 1
"""What `write_segment` writes; the number lies in the file and in the catalogue."""
FORMAT_KEY = b"analytics.format"
ROWS_PER_GROUP = 368_640
"""What reading one event decodes. Larger groups save bytes: ids of sessions and contents repeat among more rows."""
ZSTD_LEVEL = 1
"""Level 3 takes a fifth more time and saves nothing: what is left is random ids and times."""
DICTIONARY_BYTES = 32 << 20
"""Parquet gives a dictionary up at 1 MiB by default, a third of what a group's sessions take."""
MOST_DISTINCT = 0.8
"""Share of distinct values up to which a dictionary of texts is smaller than the texts."""
MOST_DISTINCT_NUMBERS = 0.5
SAMPLE_ROWS = 8_192
"""Numbers have a dictionary where so many of them repeat."""
CHECKSUM_BYTES = 16
SUM_BYTES = 4

_DELTAS = ("timestamp", "sequence", "event_id_offset", "received_after_us")
_STATISTICS = ["actor_hash", "timestamp"]


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A segment that was written.

    Attributes:
        data: the whole file.
        footer: the end of it, from which Parquet's metadata are read.
        sums: the CRC-32 of each column of each row group, 4 bytes each: what is read of a file is checked by them.
        checksum: BLAKE2b of the file, 16 bytes: its name in caches.
        rows: how many events it holds.
        first_at, last_at: the times of the earliest and the latest one.
        low_actor, high_actor: the least and the greatest actor_hash.
    """

    data: bytes
    footer: bytes
    sums: bytes
    checksum: bytes
    rows: int
    first_at: datetime
    last_at: datetime
    low_actor: int
    high_actor: int


def write_segment(table: pa.Table) -> SegmentFile:
    """Write a sorted table, which has at least one row, into a segment."""
    rows = table.num_rows
    times, actors = pc.min_max(table["timestamp"]).as_py(), pc.min_max(table["actor_hash"]).as_py()
    present = [name for name in table.column_names if table[name].null_count < rows or name in REQUIRED]
    table = _to_file_columns(table.select(present))
    groups = [_group(table.slice(start, ROWS_PER_GROUP)) for start in range(0, rows, ROWS_PER_GROUP)]
    structs = [_to_structs(group) for group in groups]
    sink = io.BytesIO()
    with pq.ParquetWriter(
        sink,
        structs[0].schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=_dictionary_paths(groups[0]),
        column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
        dictionary_pagesize_limit=DICTIONARY_BYTES,
        write_statistics=_STATISTICS,
        store_schema=False,
    ) as writer:
        writer.add_key_value_metadata({FORMAT_KEY: str(FORMAT).encode()})
        for struct in structs:
            writer.write_table(struct, row_group_size=ROWS_PER_GROUP)
    data = sink.getvalue()
    footer = footer_of(data)
    chunks = [chunk for group in _chunks(pq.read_metadata(io.BytesIO(footer))) for chunk in group]
    return SegmentFile(
        data,
        footer,
        b"".join(crc32(data[start : start + length]).to_bytes(SUM_BYTES, "big") for start, length in chunks),
        blake2b(data, digest_size=CHECKSUM_BYTES).digest(),
        rows,
        times["min"],
        times["max"],
        actors["min"],
        actors["max"],
    )


def footer_of(data: bytes) -> bytes:
    """Cut out the end of a Parquet file: the metadata, their length and the magic number."""
    length = int.from_bytes(data[-8:-4], "little")
    return data[-8 - length :]


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file: one column of one row group."""

    offset: int
    length: int
    checksum: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Some consecutive rows of a segment.

    Attributes:
        rows: how many.
        low_actor, high_actor: the least and the greatest actor_hash.
        first_at, last_at: the times of the earliest and the latest event.
    """

    rows: int
    low_actor: int
    high_actor: int
    first_at: datetime
    last_at: datetime


class SegmentReader:
    """Reads some columns and row groups of a segment, of whose file it needs no more than their ranges.

    Args of the constructor:
        footer, sums: as the catalogue has them.
        name: how errors call the segment.

    Raises:
        SegmentDamagedError: the footer cannot be read.
        UnknownSegmentFormatError: a newer program wrote the segment.

    Example:
        >>> ranges = reader.ranges(reader.groups(low_actor=7, high_actor=7), ["timestamp"])
        >>> parts = await place.get(key, ranges)
        >>> table = reader.read(dict(zip(ranges, parts)), groups, ["timestamp"])
    """

    def __init__(self, footer: bytes, sums: bytes, name: object) -> None:
        self._name = name
        try:
            self._metadata = pq.read_metadata(io.BytesIO(footer))
        except (OSError, pa.ArrowInvalid) as exc:
            raise SegmentDamagedError(f"the footer of segment {name} is damaged: restore it from a backup") from exc
        written = (self._metadata.metadata or {}).get(FORMAT_KEY)
        if written != str(FORMAT).encode():
            raise UnknownSegmentFormatError(
                f"segment {name} has the format {(written or b'unknown').decode()}, and this program knows {FORMAT}: a "
                "newer version of the service wrote it; run that version"
            )
        schema = self._metadata.schema
        columns = [schema.column(place) for place in range(len(schema))]
        self._paths = [column.path for column in columns]
        self._texts = [column.path for column in columns if _is_text(column)]
        numbers = (sums[start : start + SUM_BYTES] for start in range(0, len(sums), SUM_BYTES))
        self._ranges = [
            [Range(start, length, int.from_bytes(next(numbers), "big")) for start, length in group]
            for group in _chunks(self._metadata)
        ]
        self._groups = _row_groups(self._metadata, self._paths)

    @property
    def row_groups(self) -> Sequence["RowGroup"]:
        """The row groups, in order."""
        return self._groups

    def groups(
        self,
        low_actor: int | None = None,
        high_actor: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[int]:
        """List the row groups that may hold events of some actors and times.

        Args:
            low_actor: the least; None without a bound.
            high_actor: the greatest, included; None without a bound.
            start: the first moment; None without a bound.
            end: the first moment after them; None without a bound.
        """
        return [
            number
            for number, group in enumerate(self._groups)
            if (low_actor is None or group.high_actor >= low_actor)
            and (high_actor is None or group.low_actor <= high_actor)
            and (start is None or group.last_at >= start)
            and (end is None or group.first_at < end)
        ]

    def ranges(self, groups: Sequence[int] | None = None, columns: Sequence[str] | None = None) -> list[Range]:
        """List the ranges that some row groups and columns take, ascending.

        Args:
            groups: their numbers; None for all.
            columns: flat names; None for all. One that the file lacks takes none.
        """
        wanted = self._wanted(columns)
        chosen = self._chosen(groups)
        pairs = ((part, path) for group in chosen for part, path in zip(self._ranges[group], self._paths, strict=True))
        return sorted((part for part, path in pairs if path in wanted), key=lambda part: part.offset)

    def read(
        self,
        parts: Mapping[Range, bytes],
        groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        rows: Mapping[int, Integers] | None = None,
    ) -> pa.Table:
        """Read a table with flat columns; columns that the file lacks are missing.

        Args:
            parts: the bytes of `ranges(groups, columns)`.
            groups: numbers of row groups, at least one; None for all.
            columns: flat names; None for all. Those of ID_PARTS are read as they are stored.
            rows: the places of the rows to read, for each of the groups; None for all rows.

        Raises:
            SegmentDamagedError: some bytes are not those that were written.
        """
        for part, data in parts.items():
            if len(data) != part.length or crc32(data) != part.checksum:
                raise SegmentDamagedError(
                    f"segment {self._name} is damaged: its bytes from {part.offset} on do not have their checksum; "
                    "restore it from a backup"
                )
        wanted = self._wanted(columns)
        try:
            file = pq.ParquetFile(
                _ColumnParts(parts),
                metadata=self._metadata,
                read_dictionary=self._texts,
                pre_buffer=False,
            )
            paths = [path for path in self._paths if path in wanted]
            # One by one: Arrow reads no dictionaries within structs of several row groups at once.
            read = []
            for group in self._chosen(groups):
                table = _to_flat_columns(file.read_row_group(group, columns=paths, use_threads=False))
                read.append(table if rows is None else take_rows(table, rows[group]))
        except (OSError, pa.ArrowException) as exc:
            raise SegmentDamagedError(f"segment {self._name} is damaged: {exc}") from exc
        return _restore(concatenate(read), with_ids=columns is None or "event_id" in columns)

    def _chosen(self, groups: Sequence[int] | None) -> Sequence[int]:
        return range(self._metadata.num_row_groups) if groups is None else groups

    def _wanted(self, columns: Sequence[str] | None) -> set[str]:
        if columns is None:
            return set(self._paths)
        names = set(columns)
        if "received_at" in names:
            names |= {"timestamp", "received_after_us"}
        if "event_id" in names:
            names |= {"timestamp", "received_after_us", *ID_PARTS}
        return {path for path in self._paths if path in names or path.split(".list.")[0] in names}


class _ColumnParts(io.RawIOBase):
    """A file of which only some ranges are there; what else is read fails."""

    def __init__(self, parts: Mapping[Range, bytes]) -> None:
        super().__init__()
        self._parts = sorted((part.offset, data) for part, data in parts.items())
        self._offsets = [offset for offset, _ in self._parts]
        self._end = max((offset + len(data) for offset, data in self._parts), default=0)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        place = bisect_right(self._offsets, self._position) - 1
        start = self._position - self._offsets[place] if place >= 0 else -1
        if start < 0 or size < 0 or start + size > len(self._parts[place][1]):
            raise OSError(f"bytes {self._position} to {self._position + size} were not fetched")
        self._position += size
        return self._parts[place][1][start : start + size]


def _chunks(metadata: pq.FileMetaData) -> list[list[tuple[int, int]]]:
    """List the offset and length of each column of each row group."""
    return [
        [
            (chunk.dictionary_page_offset or chunk.data_page_offset, chunk.total_compressed_size)
            for chunk in map(metadata.row_group(group).column, range(metadata.num_columns))
        ]
        for group in range(metadata.num_row_groups)
    ]


def _is_text(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "BYTE_ARRAY" and column.max_repetition_level == 0)


def _row_groups(metadata: pq.FileMetaData, paths: Sequence[str]) -> list[RowGroup]:
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        actors, times = (group.column(paths.index(name)).statistics for name in _STATISTICS)
        groups.append(RowGroup(group.num_rows, actors.min, actors.max, times.min, times.max))
    return groups


def _to_file_columns(table: pa.Table) -> pa.Table:
    at_us, received_us = integers(table, "timestamp"), integers(table, "received_at")
    ids = np.frombuffer(fixed_bytes(table["event_id"]), np.uint8).reshape(-1, EVENT_ID_BYTES)
    padded = np.zeros((len(ids), 8), np.uint8)
    padded[:, 8 - MS_BYTES :] = ids[:, :MS_BYTES]
    made_ms = padded.view(">i8").ravel().astype(np.int64)
    # A client makes an id when the event happens, a server when it comes in. The lowest bit says which time is nearer.
    from_event, from_receipt = made_ms - at_us // 1000, made_ms - received_us // 1000
    is_receipt = np.abs(from_receipt) < np.abs(from_event)
    offset = np.where(is_receipt, 2 * from_receipt + 1, 2 * from_event)
    tail = np.ascontiguousarray(ids[:, MS_BYTES:]).tobytes()
    changed = {
        "event_id": (
            ("event_id_offset", pa.array(offset)),
            (
                "event_id_tail",
                pa.FixedSizeBinaryArray.from_buffers(pa.binary(TAIL_BYTES), len(ids), [None, pa.py_buffer(tail)]),
            ),
        ),
        "received_at": (("received_after_us", pa.array(received_us - at_us)),),
    }
    columns: dict[str, Any] = {}
    for name in table.column_names:
        columns.update(changed.get(name, ((name, table[name]),)))
    return pa.table(columns)


def _to_flat_columns(table: pa.Table) -> pa.Table:
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_struct(column.type):
            for field, part in zip(column.type, column.flatten(), strict=True):
                columns[f"{name}.{field.name}"] = part
        else:
            columns[name] = column
    return pa.table(columns)


def _restore(table: pa.Table, *, with_ids: bool) -> pa.Table:
    """Make `received_at`, and `event_id` where it is wanted, of the columns that stand for them."""
    columns: dict[str, Any] = {name: table[name] for name in table.column_names}
    if "received_after_us" in columns:
        received_us = integers(table, "timestamp") + integers(table, "received_after_us")
        del columns["received_after_us"]
        columns["received_at"] = pa.array(received_us).cast(pa.timestamp("us")).cast(INSTANT)
        if with_ids:
            ids = event_ids(pa.table(columns))
            for name in ID_PARTS:
                del columns[name]
            columns["event_id"] = pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(EVENT_ID_BYTES), len(table), [None, pa.py_buffer(ids)]
            )
    return pa.table(columns)


def _group(table: pa.Table) -> pa.Table:
    """Make one row group ready: its dictionaries hold what the group uses and no more."""
    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0)
        columns[name] = compact(array) if array.type == TEXT else array
    return pa.table(columns)


def _to_structs(table: pa.Table) -> pa.Table:
    """Group the columns of each payload into a struct that is never null: a field without values costs nothing then."""
    columns: dict[str, pa.Array] = {}
    fields: dict[str, list[tuple[str, pa.Array]]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        struct, dot, field = name.partition(".")
        array = column.chunk(0)
        if dot:
            fields.setdefault(struct, []).append((field, array))
        else:
            columns[struct] = array
    for struct, parts in sorted(fields.items()):
        columns[struct] = pa.StructArray.from_arrays([array for _, array in parts], [field for field, _ in parts])
    schema = pa.schema(
        [pa.field(name, array.type, nullable=not _is_required(name, fields)) for name, array in columns.items()]
    )
    return pa.Table.from_arrays(list(columns.values()), schema=schema)


def _is_required(name: str, structs: dict[str, list[tuple[str, pa.Array]]]) -> bool:
    return name in structs or name in REQUIRED or name not in ENVELOPE


def _dictionary_paths(group: pa.Table) -> list[str]:
    """Choose the columns whose values repeat, by the first row group."""
    return [name for name, column in zip(group.column_names, group.columns, strict=True) if _repeats(column)]


def _repeats(column: pa.ChunkedArray) -> bool:
    if column.type == TEXT:
        distinct = sum(len(part.dictionary) for part in column.chunks)
        return bool(distinct <= MOST_DISTINCT * (len(column) - column.null_count))
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type) or column.type == pa.int32():
        sample = column.slice(0, SAMPLE_ROWS).drop_null()
        return bool(pc.count_distinct(sample).as_py() <= MOST_DISTINCT_NUMBERS * len(sample))
    return False


def split_rows(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Cut a sorted table into parts of at most so many rows."""
    parts = max(1, -(-table.num_rows // rows))
    size = -(-table.num_rows // parts)
    for start in range(0, table.num_rows, size):
        yield table.slice(start, size)
