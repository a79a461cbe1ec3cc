"""The form of a block: the columns of its events as JSON, compressed with zstd, under a format number.

JSON, because every value comes back as it was: texts to the byte (`event_data` and `device` stay the texts that the
normaliser made, so no amount passes through a float here), integers of 64 bits, times to the microsecond.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import orjson

from storage.postgres.errors import StorageError
from storage.write.batch import COLUMNS, RECEIVED_AT, TIMESTAMP, Row

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
"""What `encode` writes: a JSON list of columns, `BLOCK_COLUMNS` in order, as one zstd frame with a checksum."""
BLOCK_COLUMNS = (*COLUMNS, "actor_hash")
"""The columns of format 1. Another list of columns is another format."""
ACTOR_ID, SEQUENCE = COLUMNS.index("actor_id"), COLUMNS.index("sequence")
REQUIRED_TEXTS = tuple(map(COLUMNS.index, ("event_id", "event_type", "schema_version", "actor_id", "event_data")))
"""Columns that no event leaves empty."""
MOST_SEQUENCE = 2**63
"""JSON would take one bit more than segments do."""

ZSTD_LEVEL = 1
"""Higher levels save a few percent and cost more than all the rest of encoding; sealing makes blocks small anyway."""
MOST_BYTES = 1 << 30
"""Of a decompressed block: the largest batch of a writer is far below; a frame that claims more is damaged."""

_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
}
_NUL = rb"\u0000"

ActorHash = Callable[[str], int]
"""Makes the pseudonym of an actor: a signed 64-bit integer."""
Columns = Sequence[Sequence[Any]]
"""Values by column, in the order of BLOCK_COLUMNS; times are texts in ISO 8601."""


class BlockError(StorageError):
    """A block cannot be read: it is damaged, or a newer program wrote it. The message names it."""

    reason: ClassVar[str] = "BLOCK_UNREADABLE"


class UnknownBlockFormatError(BlockError):
    """A newer program wrote this block."""

    reason: ClassVar[str] = "BLOCK_FORMAT"


class RowRefusedError(Exception):
    """A row holds what a block does not take; `find_refused` tells which."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is stored.

    Attributes:
        format: the number of its form.
        rows: how many events it holds.
        first_at, last_at: the times of its earliest and latest event.
        data: the events.
    """

    format: int
    rows: int
    first_at: datetime
    last_at: datetime
    data: bytes


def encode(rows: Sequence[Row], hash_actor: ActorHash) -> Block:
    """Make the block of some rows.

    Args:
        rows: at least one, in the order of `storage.write.batch.COLUMNS`, times in UTC; the block keeps their order.
        hash_actor: makes the column `actor_hash`.

    Raises:
        RowRefusedError: one of them, at least, holds what a block does not take.
    """
    columns: list[Any] = list(zip(*rows, strict=True))
    times = columns[TIMESTAMP]
    try:
        columns.append(list(map(hash_actor, columns[ACTOR_ID])))
        text = orjson.dumps(columns, option=orjson.OPT_UTC_Z)
        first_at, last_at = min(times), max(times)
        holds = _fits(first_at, min(columns[RECEIVED_AT]), min(columns[SEQUENCE]), max(columns[SEQUENCE]))
        holds = holds and all(all(columns[place]) for place in REQUIRED_TEXTS)
    except (TypeError, ValueError, AttributeError) as exc:  # a lone surrogate, a number past 64 bits, a missing value
        raise RowRefusedError from exc
    if not holds or (_NUL in text and any(map(refuses, rows))):
        raise RowRefusedError
    return Block(FORMAT, len(rows), first_at, last_at, _compress(text))


def refuses(row: Row) -> bool:
    """Tell whether a block does not take this row: nobody could store or show it later.

    Besides what JSON does not take it is U+0000, which no text of Postgres can hold.
    """
    try:
        text = orjson.dumps(row)
        if not _fits(row[TIMESTAMP], row[RECEIVED_AT], row[SEQUENCE]) or not all(
            row[place] for place in REQUIRED_TEXTS
        ):
            return True
        return _NUL in text and any(map(_holds_nul, row))
    except (TypeError, ValueError):
        return True


def decode_columns(block: Block, name: object = "") -> Columns:
    """Read a block's columns; each has as many values as the block has events.

    Args:
        block: as it was stored.
        name: how errors call it, for example its id.

    Raises:
        UnknownBlockFormatError: a newer program wrote it.
        BlockError: it is damaged.
    """
    if block.format != FORMAT:
        raise UnknownBlockFormatError(
            f"block {name} has the format {block.format}, and this program knows {FORMAT}: a newer version of the "
            "service wrote it; run that version"
        )
    try:
        # A frame holds its checksum; the bound keeps a damaged length from taking all memory.
        decompressor = zstd.ZstdDecompressor()
        text = decompressor.decompress(block.data, MOST_BYTES)
        columns: Columns = orjson.loads(text) if decompressor.eof else ()
    except (zstd.ZstdError, ValueError, EOFError) as exc:
        raise BlockError(f"block {name} is damaged: {type(exc).__name__}; restore it from a backup") from exc
    if len(columns) != len(BLOCK_COLUMNS) or any(len(column) != block.rows for column in columns):
        raise BlockError(f"block {name} is damaged: it does not hold its {block.rows} events; restore it from a backup")
    return columns


def decode_rows(block: Block, name: object = "") -> list[tuple[Any, ...]]:
    """Read a block's rows as they were encoded, in the order of `storage.write.batch.COLUMNS`.

    Raises:
        BlockError: as `decode_columns`.
    """
    columns = list(decode_columns(block, name)[: len(COLUMNS)])
    for place in (TIMESTAMP, RECEIVED_AT):
        columns[place] = list(map(datetime.fromisoformat, columns[place]))
    return list(zip(*columns, strict=True))


def _fits(first_at: object, received_at: object, *sequences: int) -> bool:
    is_timed = all(isinstance(moment, datetime) and moment.tzinfo is not None for moment in (first_at, received_at))
    return is_timed and all(-MOST_SEQUENCE <= number < MOST_SEQUENCE for number in sequences)


def _compress(text: bytes) -> bytes:
    return zstd.compress(text, options=_OPTIONS)


def _holds_nul(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if "\0" in value:
        return True
    if "\\u0000" not in value:
        return False
    try:
        return _nul_within(orjson.loads(value))
    except ValueError:
        return False


def _nul_within(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_nul_within(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(map(_nul_within, value))
