"""Columns of a table of events as numpy arrays, and counting by several of them at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from storage.segments.schema import TEXT

Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

MISSING = -1
"""The code of a text that is null."""
DENSE_SHARE = 4
"""Counting by place is quicker than sorting, unless there are more places than so many times the rows."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts.

    Attributes:
        codes: of each row, its place among `distinct`; MISSING where it is null.
        distinct: each text once; also ones that no row has.
    """

    codes: Integers
    distinct: pa.Array

    def code_of(self, text: str) -> int:
        """Find the code of a text; one that no row has where it does not occur."""
        place: int = self.distinct.index(pa.scalar(text, self.distinct.type)).as_py()
        return place if place >= 0 else len(self.distinct)

    def compact(self) -> "Texts":
        """Leave out the texts that no row has, so that what each text costs is paid for those of the rows alone."""
        used = np.zeros(len(self.distinct) + 1, np.bool_)
        used[self.codes] = True
        used[MISSING] = False
        if used[:MISSING].all():
            return self
        codes = np.cumsum(used) - 1
        codes[MISSING] = MISSING
        return Texts(codes[self.codes], self.distinct.filter(pa.array(used[:MISSING])))


def texts_of(table: pa.Table, name: str) -> Texts:
    """Read a column of texts; one that the table lacks is null."""
    if name not in table.column_names:
        return Texts(np.full(len(table), MISSING, np.int64), pa.array([], pa.string()))
    column = table[name]
    if column.type != TEXT:
        column = column.dictionary_encode()
    array = column.unify_dictionaries().combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], TEXT)
    indices = array.indices.fill_null(MISSING) if array.indices.null_count else array.indices
    return Texts(indices.to_numpy().astype(np.int64), array.dictionary)


def values_of(table: pa.Table, name: str) -> tuple[np.ndarray[Any, Any], Integers]:
    """Read the values of a column of numbers that are not null, and the numbers of their rows."""
    if name not in table.column_names:
        return np.zeros(0), np.zeros(0, np.int64)
    column = table[name]
    rows = np.flatnonzero(column.is_valid().to_numpy())
    return column.drop_null().to_numpy(), rows


def integers_of(table: pa.Table, name: str) -> Integers:
    """Read a column of integers, or of times in microseconds since 1970, without nulls."""
    column = table[name]
    found: Integers = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_numpy()
    return found


def is_anonymous(table: pa.Table) -> Flags:
    """Tell which rows have neither user nor session."""
    found: Flags = np.ones(len(table), np.bool_)
    for name in ("user_id", "session_id"):
        if name in table.column_names:
            found &= table[name].is_null().to_numpy()
    return found


def pack(codes: Sequence[Integers], sizes: Sequence[int]) -> Integers:
    """Put several codes of each row into one number, in which the last code changes fastest.

    Args:
        codes: arrays with a code for each row, from 0.
        sizes: how many codes each array may have; their product fits 63 bits.
    """
    packed = codes[0]
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        packed = packed * size + code
    return packed


def unpack(packed: Integers, sizes: Sequence[int]) -> list[Integers]:
    """Take apart what `pack` put together."""
    codes: list[Integers] = []
    for size in reversed(sizes[1:]):
        packed, code = np.divmod(packed, max(size, 1))
        codes.append(code)
    return [packed, *reversed(codes)]


def count_by(codes: Sequence[Integers], sizes: Sequence[int]) -> tuple[list[Integers], Integers]:
    """Count rows by several codes at once; arguments are those of `pack`.

    Returns:
        The combinations that occur, ascending, as an array for each kind of code; and how often each occurs.

    Example:
        >>> (groups, types), counts = count_by([np.array([0, 1, 1]), np.array([2, 0, 0])], [2, 3])
        >>> groups.tolist(), types.tolist(), counts.tolist()
        ([0, 1], [2, 0], [1, 2])
    """
    packed = pack(codes, sizes)
    if math.prod(sizes) <= DENSE_SHARE * len(packed):
        dense = np.bincount(packed)
        found = np.flatnonzero(dense)
        return unpack(found, sizes), dense[found]
    found, counts = np.unique(packed, return_counts=True)
    return unpack(found, sizes), counts


def starts_of_runs(*columns: Integers) -> Integers:
    """List the places where runs begin: rows one after the other that have the same in all columns.

    Example:
        >>> starts_of_runs(np.array([7, 7, 8, 7]), np.array([1, 1, 1, 1])).tolist()
        [0, 2, 3]
    """
    changes = np.ones(len(columns[0]), np.bool_)
    if len(changes):
        changes[1:] = False
        for column in columns:
            changes[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(changes)


def spans_by(keys: Integers, times: Integers) -> tuple[Integers, Integers, Integers]:
    """Find the earliest and the latest time of each key.

    Returns:
        The distinct keys, ascending, their earliest and their latest times.
    """
    # Rows of one key mostly follow each other, so there are fewer runs than rows to sort.
    starts = starts_of_runs(keys)
    if not len(starts):
        return keys, times, times
    keys, firsts, lasts = keys[starts], np.minimum.reduceat(times, starts), np.maximum.reduceat(times, starts)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = starts_of_runs(keys)
    return keys[starts], np.minimum.reduceat(firsts[order], starts), np.maximum.reduceat(lasts[order], starts)
