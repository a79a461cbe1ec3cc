"""Tables of events: made of blocks, turned back into rows, joined and sorted."""

import gc
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.blocks.codec import BLOCK_COLUMNS, Columns
from storage.segments.errors import ColumnsClashError
from storage.segments.payloads import Split, join, split, spread
from storage.segments.schema import DEVICE, ENVELOPE, EVENT_ID_BYTES, INSTANT, REQUIRED, TEXT, EventColumns
from storage.write.batch import COLUMNS

_PLAIN_TEXTS = (
    "event_type",
    "schema_version",
    "timestamp_source",
    "user_id",
    "session_id",
    "platform",
    "user_agent",
    "ip_address",
)
ID_PARTS = ("event_id_offset", "event_id_tail")
"""The columns of a segment that stand for `event_id`, beside its two times: see `storage.segments.files`."""
TAIL_BYTES = 10
MS_BYTES = EVENT_ID_BYTES - TAIL_BYTES
_NAMES_OF_IDS = ("event_id", "timestamp", "received_at", *ID_PARTS)
Integers = np.ndarray[Any, np.dtype[np.int64]]


def table_of_blocks(blocks: Sequence[Columns], known: EventColumns) -> pa.Table:
    """Make one table of the events of some blocks, in order: much quicker than a table for each.

    Args:
        blocks: as `storage.blocks.codec.decode_columns` gives them; at least one.
        known: the columns of the catalogue.
    """
    with _collector_paused():
        return _table_of_blocks(blocks, known)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Look for no cyclic garbage: hundreds of thousands of short-lived objects would be searched for it in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _table_of_blocks(blocks: Sequence[Columns], known: EventColumns) -> pa.Table:
    together = (list(chain.from_iterable(parts)) for parts in zip(*blocks, strict=True))
    column = dict(zip(BLOCK_COLUMNS, together, strict=True))
    length = len(column["event_id"])
    found: dict[str, pa.Array] = {
        "actor_hash": pa.array(column["actor_hash"], pa.int64()),
        "timestamp": pa.array(column["timestamp"], pa.string()).cast(INSTANT),
        "sequence": pa.array(column["sequence"], pa.int64()),
        "event_id": _pack_ids(column["event_id"]),
        "received_at": pa.array(column["received_at"], pa.string()).cast(INSTANT),
    }
    for name in _PLAIN_TEXTS:
        _add(found, name, pa.array(column[name], pa.string()).dictionary_encode())
    own = zip(column["actor_id"], column["user_id"], column["session_id"], column["event_id"], strict=True)
    actors = [None if actor == (user or session or event) else actor for actor, user, session, event in own]
    _add(found, "actor_id", _texts(actors))
    _add_payloads(found, column["event_data"], known, length)
    _add_devices(found, column["device"], known)
    return pa.table(found)


def rows_of_table(table: pa.Table, known: EventColumns) -> list[tuple[Any, ...]]:
    """Turn a table into rows in the order of `batch.COLUMNS`; their JSON texts say the same as they did."""
    values = {name: _values(table, name) for name in ENVELOPE if name in COLUMNS and name != "event_id"}
    values["event_id"] = _id_texts(fixed_bytes(table["event_id"]).hex())
    values["actor_id"] = [
        actor if actor is not None else user or session or event
        for actor, user, session, event in zip(
            values["actor_id"], values["user_id"], values["session_id"], values["event_id"], strict=True
        )
    ]
    values["event_data"] = _payloads(table, known)
    values["device"] = _devices(table, known)
    return list(zip(*(values[name] for name in COLUMNS), strict=True))


def _payloads(table: pa.Table, known: EventColumns) -> list[str]:
    """Write the payload of each row; those of one type together, since only its own columns need be read."""
    texts = [""] * len(table)
    types = table["event_type"].combine_chunks().cast(pa.string()).dictionary_encode()
    codes = types.indices.to_numpy()
    for code, name in enumerate(types.dictionary.to_pylist()):
        places = np.flatnonzero(codes == code)
        columns = [column for column in known.structs.get(name, ()) if column.name in table.column_names]
        names = [column.name for column in columns] + (["extra"] if "extra" in table.column_names else [])
        chosen = table.select(names).take(pa.array(places)) if names else table.slice(0, 0)
        fields = [(column, _values(chosen, column.name)) for column in columns]
        extras = _values(chosen, "extra") if "extra" in names else [None] * len(places)
        for row, place in enumerate(places.tolist()):
            texts[place] = join(fields, extras, row)
    return texts


def _devices(table: pa.Table, known: EventColumns) -> list[str | None]:
    """Write the device of each row, each distinct one once."""
    fields = [(column, _values(table, column.name)) for column in known.structs[DEVICE]]
    extras = _values(table, "device_extra")
    written: dict[tuple[Any, ...], str | None] = {}
    texts = []
    for row, key in enumerate(zip(extras, *(values for _, values in fields), strict=True)):
        if key not in written:
            has_device = any(value is not None for value in key)
            written[key] = join(fields, extras, row) if has_device else None
        texts.append(written[key])
    return texts


def concatenate(tables: Sequence[pa.Table]) -> pa.Table:
    """Join tables whose columns may differ; missing ones are null. Every column then is one array.

    Raises:
        ColumnsClashError: columns of one name have types that do not go together.
    """
    try:
        joined = pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as exc:
        raise ColumnsClashError(f"segments cannot be merged, since their columns do not go together: {exc}") from exc
    return joined.unify_dictionaries().combine_chunks()


def compact(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """Forget the texts of a dictionary that no row has."""
    indices = array.indices
    is_null = indices.is_null().to_numpy(zero_copy_only=False) if indices.null_count else None
    codes = (indices.fill_null(0) if indices.null_count else indices).to_numpy()
    used = np.zeros(len(array.dictionary), bool)
    used[codes if is_null is None else codes[~is_null]] = True
    if used.all():
        return array
    places = (np.cumsum(used) - 1).astype(np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(places[codes], pa.int32(), mask=is_null), array.dictionary.filter(pa.array(used))
    )


def take_rows(table: pa.Table, places: Integers) -> pa.Table:
    """Take few rows of a table, and of its dictionaries the texts that they have."""
    taken = table.take(pa.array(places)).combine_chunks()
    columns = {
        name: compact(column.chunk(0)) if column.type == TEXT and column.num_chunks else column
        for name, column in zip(table.column_names, taken.columns, strict=True)
    }
    return pa.table(columns)


def event_ids(table: pa.Table) -> bytes:
    """Read the ids of all rows, one after the other, from `event_id` or from the columns that stand for it."""
    if "event_id" in table.column_names:
        return fixed_bytes(table["event_id"])
    offset = integers(table, "event_id_offset")
    made_from_us = np.where(offset & 1, integers(table, "received_at"), integers(table, "timestamp"))
    made_ms = (offset >> 1) + made_from_us // 1000
    ids = np.empty((len(offset), EVENT_ID_BYTES), np.uint8)
    ids[:, :MS_BYTES] = made_ms.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - MS_BYTES :]
    ids[:, MS_BYTES:] = np.frombuffer(fixed_bytes(table["event_id_tail"]), np.uint8).reshape(-1, TAIL_BYTES)
    return ids.tobytes()


def sort(table: pa.Table) -> pa.Table:
    """Sort a table by (actor_hash, timestamp, sequence, event_id); fastest where it joins sorted parts in order."""
    order = _order([table])
    return table if order is None else table.take(pa.array(order))


def join_sorted(tables: Sequence[pa.Table], keep: Callable[[pa.Table], pa.Table]) -> pa.Table:
    """Join tables into a sorted one.

    Args:
        tables: with what they are sorted by; instead of `event_id` they may have the columns that stand for it, since
            few rows are so much alike that their ids matter.
        keep: takes the columns of the result.
    """
    order = _order(tables)
    joined = concatenate([keep(table) for table in tables])
    return joined if order is None else joined.take(pa.array(order))


def _order(tables: Sequence[pa.Table]) -> Integers | None:
    """Find the order of the rows of all tables together; None where they have it."""
    actor, at, sequence = (
        np.concatenate([integers(table, name) for table in tables]) for name in ("actor_hash", "timestamp", "sequence")
    )
    order = np.argsort(actor, kind="stable")
    actor, at = actor[order], at[order]
    # Few rows are out of order within their actor where the parts follow each other in time: only those are sorted.
    same = actor[1:] == actor[:-1]
    wrong = np.flatnonzero(same & (at[1:] <= at[:-1]))
    if len(wrong):
        group = np.concatenate(([0], np.cumsum(~same)))
        touched = np.zeros(group[-1] + 1, bool)
        touched[group[wrong]] = True
        places = np.flatnonzero(touched[group])
        rows = order[places]
        ids = _ids_of(tables, rows)
        keys = (ids[:, 1], ids[:, 0], sequence[rows], at[places], actor[places])
        order[places] = rows[np.lexsort(keys)]
    return None if np.array_equal(order, np.arange(len(order))) else order


def _ids_of(tables: Sequence[pa.Table], rows: Integers) -> Any:
    """Read the ids of some rows of all tables together: two numbers each, of which the first one counts more."""
    found = np.empty((len(rows), 2), np.uint64)
    start = 0
    for table in tables:
        is_own = (rows >= start) & (rows < start + len(table))
        if is_own.any():
            names = [name for name in _NAMES_OF_IDS if name in table.column_names]
            own = table.select(names).take(pa.array(rows[is_own] - start))
            found[is_own] = np.frombuffer(event_ids(own), ">u8").reshape(-1, 2)
        start += len(table)
    return found


def integers(table: pa.Table, name: str) -> Integers:
    """Read a column of integers or of times (in microseconds) as an array; it has no nulls."""
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    found: Integers = column.to_numpy()
    return found


def fixed_bytes(column: pa.ChunkedArray) -> bytes:
    """Read the bytes of a column of fixed width without nulls, one value after the other."""
    width = column.type.byte_width
    parts = []
    for chunk in column.chunks:
        start = chunk.offset * width
        parts.append(memoryview(chunk.buffers()[1])[start : start + len(chunk) * width])
    return b"".join(parts)


def _pack_ids(texts: Sequence[str]) -> pa.Array:
    try:
        packed = bytes.fromhex("".join(texts).replace("-", ""))
    except ValueError:
        packed = b""
    if len(packed) != EVENT_ID_BYTES * len(texts):  # forms of a UUID that Postgres takes too
        packed = b"".join(uuid.UUID(text).bytes for text in texts)
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(EVENT_ID_BYTES), len(texts), [None, pa.py_buffer(packed)])


def _add(found: dict[str, pa.Array], name: str, array: pa.Array) -> None:
    if array.null_count < len(array) or name in REQUIRED:
        found[name] = array


def _texts(values: Sequence[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode()


def _add_payloads(found: dict[str, pa.Array], texts: Sequence[str], known: EventColumns, length: int) -> None:
    types = found["event_type"]
    codes = types.indices.to_numpy()
    extras: list[str | None] = [None] * length
    for code, name in enumerate(types.dictionary.to_pylist()):
        places = np.flatnonzero(codes == code)
        chosen = [texts[place] for place in places.tolist()]
        if name not in known.structs or name == DEVICE:
            done = Split({}, list(chosen))
        else:
            done = split(chosen, known.structs[name])
        for column, array in done.columns.items():
            found[column] = spread(array, places, length)
        for place, extra in zip(places.tolist(), done.extras, strict=True):
            if extra is not None:
                extras[place] = extra
    _add(found, "extra", _texts(extras))


def _add_devices(found: dict[str, pa.Array], texts: Sequence[str | None], known: EventColumns) -> None:
    # Many events have the same device, so each distinct text is read once.
    encoded = _texts(texts)
    distinct = encoded.dictionary.to_pylist()
    if not distinct:
        return
    done = split(distinct, known.structs[DEVICE])
    # A device that says nothing is one all the same.
    named = [any(array[place].is_valid for array in done.columns.values()) for place in range(len(distinct))]
    extras = [extra if extra is not None or has else "{}" for extra, has in zip(done.extras, named, strict=True)]
    for name, array in {**done.columns, "device_extra": _texts(extras)}.items():
        if array.null_count < len(array):
            _add(found, name, pc.take(array, encoded.indices))


def _values(table: pa.Table, name: str) -> list[Any]:
    """Read a column as Python values; nulls where the table lacks it."""
    if name not in table.column_names:
        return [None] * len(table)
    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_list(column.type):
        return [None if value is None else tuple(value) for value in column.to_pylist()]
    # Several times as fast as by Arrow's scalars.
    if pa.types.is_timestamp(column.type):
        return [value.replace(tzinfo=UTC) for value in column.to_numpy().tolist()]
    if pa.types.is_string(column.type) or (column.type == pa.int64() and not column.null_count):
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    plain: list[Any] = column.to_pylist()
    return plain


def _id_texts(digits: str) -> list[str]:
    """Write ids as texts, of all their hexadecimal digits."""
    ids = (digits[start : start + 2 * EVENT_ID_BYTES] for start in range(0, len(digits), 2 * EVENT_ID_BYTES))
    return [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in ids]
