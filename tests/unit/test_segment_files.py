"""Events come back from blocks through segments as they were, whatever program wrote them."""

import json
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import load_catalogue
from events.columns import columns_of
from storage.blocks.codec import decode_columns, encode
from storage.segments import files
from storage.segments.errors import ColumnsClashError, SegmentDamagedError, UnknownSegmentFormatError
from storage.segments.files import Range, SegmentFile, SegmentReader, write_segment
from storage.segments.schema import EventColumns
from storage.segments.tables import concatenate, rows_of_table, sort, table_of_blocks
from tests.rows import NOON, make_row

Row = tuple[Any, ...]
KNOWN = EventColumns.of(columns_of(load_catalogue()))
DATA_COLUMNS = (13, 14)
"""The places of device and event_data in a row: JSON."""


def hash_actor(actor_id: str) -> int:
    """Stand in for a keyed hash, negative ones included."""
    return hash(("actor", len(actor_id))) if len(actor_id) % 2 else -len(actor_id)


def make_table(rows: Sequence[Row], known: EventColumns = KNOWN) -> pa.Table:
    """Make a table of rows, by way of two blocks."""
    middle = (len(rows) + 1) // 2
    blocks = [encode(part, hash_actor) for part in (rows[:middle], rows[middle:]) if part]
    return table_of_blocks([decode_columns(block) for block in blocks], known)


def read(file: SegmentFile, **chosen: Any) -> pa.Table:
    """Read a segment, from the ranges that this takes."""
    reader = SegmentReader(file.footer, file.sums, "s")
    return reader.read(cut(file.data, reader.ranges(**chosen)), **chosen)


def cut(data: bytes, ranges: Sequence[Range]) -> dict[Range, bytes]:
    """Cut ranges out of a file."""
    return {part: data[part.offset : part.offset + part.length] for part in ranges}


def comparable(rows: Sequence[Row]) -> Counter[str]:
    """Count rows; JSON counts by what it says, to the last digit, and not by the order of its members."""

    def plain(value: Any, place: int) -> Any:
        if place in DATA_COLUMNS and value is not None:
            return _canonical(value)
        return str(value)

    return Counter(repr([plain(value, place) for place, value in enumerate(row)]) for row in rows)


def _canonical(text: str) -> object:
    try:
        found = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        return text
    return _sorted(found)


def _sorted(value: Any) -> object:
    if isinstance(value, dict):
        # A member that is null says nothing.
        return sorted((name, _sorted(part)) for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return [_sorted(part) for part in value]
    return str(value.normalize()) if isinstance(value, Decimal) else repr(value)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
numbers = (
    st.integers(-(2**31), 2**31 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(0, 10**12, places=2).map(float)
)
values = st.recursive(
    texts | numbers | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=4,
)
MEMBERS = (
    "contentType",
    "contentId",
    "viewDuration",
    "amount",
    "currency",
    "quantity",
    "conversionPath",
    "metadata",
    "new",
)
payloads = st.dictionaries(st.sampled_from(MEMBERS), values, max_size=5).map(
    lambda data: json.dumps(data, ensure_ascii=False)
)
uuids = st.uuids().map(str) | st.builds(
    lambda ms, rest: str(uuid.UUID(int=ms << 80 | 7 << 76 | rest)), st.integers(0, 2**48 - 1), st.integers(0, 2**76 - 1)
)
rows_strategy = st.builds(
    make_row,
    event_id=uuids,
    event_type=st.sampled_from(["view", "purchase", "session", "poke"]),
    timestamp=moments | st.just(NOON),
    received_at=moments,
    sequence=st.sampled_from([0, 1, 2**63 - 1, -(2**63)]),
    user_id=st.none() | texts,
    session_id=st.none() | texts,
    actor_id=texts.filter(bool),  # a block takes no other
    user_agent=st.none() | texts,
    device=st.none() | st.dictionaries(st.sampled_from(["os", "model", "new"]), texts, max_size=3).map(json.dumps),
    event_data=payloads,
)


@settings(deadline=None)
@given(st.lists(rows_strategy, min_size=1, max_size=12))
def test_events_come_back_from_a_segment_as_they_were(rows: list[Row]) -> None:
    """With types, fields and values that the catalogue does not know, too; sorted."""
    file = write_segment(sort(make_table(rows)))
    table = read(file)
    assert comparable(rows_of_table(table, KNOWN)) == comparable(rows)
    keys = [
        (row["actor_hash"], row["timestamp"], row["sequence"], row["event_id"])
        for row in table.select(["actor_hash", "timestamp", "sequence", "event_id"]).to_pylist()
    ]
    assert keys == sorted(keys)
    assert (file.rows, file.first_at, file.last_at) == (
        len(rows),
        min(row[3] for row in rows),
        max(row[3] for row in rows),
    )
    assert (file.low_actor, file.high_actor) == (keys[0][0], keys[-1][0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(rows_strategy, min_size=1, max_size=5), min_size=1, max_size=4))
def test_merged_segments_hold_the_events_of_all(parts: list[list[Row]]) -> None:
    """However their columns differ."""
    written = [write_segment(sort(make_table(part))) for part in parts]
    merged = write_segment(sort(concatenate([read(file) for file in written])))
    assert comparable(rows_of_table(read(merged), KNOWN)) == comparable([row for part in parts for row in part])


@pytest.mark.parametrize("amount", ["29.99", "0.1", "1000000000000", "0.000000000000000001", "12345678901234567890.5"])
def test_an_amount_is_a_decimal_to_the_last_digit(amount: str) -> None:
    """No float comes between the event and its column."""
    row = make_row(event_type="purchase", event_data=f'{{"amount":{amount}}}')
    table = make_table([row])
    assert table["purchase.amount"].type == pa.decimal128(38, 18)
    assert table["purchase.amount"][0].as_py() == Decimal(amount)
    assert rows_of_table(read(write_segment(table)), KNOWN)[0][14] == row[14]


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("purchase", '{"amount":0.0000000000000000001}'),
        ("purchase", '{"amount":123456789012345678901}'),
        ("purchase", '{"amount":"29.99"}'),
        ("purchase", '{"quantity":2147483648}'),
        ("purchase", '{"conversionPath":["a",1]}'),
        ("view", '{"viewDuration":true}'),
        ("view", '{"viewDuration":9007199254740993}'),
        ("view", '{"contentId":{"a":1}}'),
        ("poke", '{"who":"me"}'),
        ("view", "[1,2]"),
        ("view", "{"),
    ],
)
def test_what_does_not_fit_its_column_stays_as_json(event_type: str, data: str) -> None:
    """Beside the columns, so that nothing is lost or rounded."""
    rows = [make_row(event_type=event_type, event_data=data), make_row()]
    table = make_table(rows)
    assert table["extra"].null_count == 1
    assert comparable(rows_of_table(read(write_segment(sort(table))), KNOWN)) == comparable(rows)


def test_columns_that_the_catalogue_knows_no_more_are_kept() -> None:
    """An older program's segment is merged by a newer one, and its columns stay."""
    older = EventColumns.of({"device": (), "view": (("content_id", "contentId", "text"), ("gone", "gone", "int32"))})
    newer = EventColumns.of({"device": (), "view": (("content_id", "contentId", "text"), ("new", "new", "texts"))})
    first = write_segment(make_table([make_row(event_data='{"contentId":"a","gone":7}')], older))
    second = write_segment(make_table([make_row(sequence=1, event_data='{"contentId":"b","new":["x"]}')], newer))
    merged = read(write_segment(sort(concatenate([read(first), read(second)]))))
    assert merged["view.gone"].to_pylist() == [7, None]
    assert [row[14] for row in rows_of_table(merged, newer)] == ['{"contentId":"a"}', '{"contentId":"b","new":["x"]}']
    assert [row[14] for row in rows_of_table(merged, older)] == ['{"contentId":"a","gone":7}', '{"contentId":"b"}']


def test_columns_of_one_name_that_do_not_go_together_fail_by_name() -> None:
    """The message names the column."""
    texts = EventColumns.of({"device": (), "view": (("place", "place", "text"),)})
    numbers = EventColumns.of({"device": (), "view": (("place", "place", "flag"),)})
    one = make_table([make_row(event_data='{"place":"a"}')], texts)
    other = make_table([make_row(event_data='{"place":true}')], numbers)
    with pytest.raises(ColumnsClashError, match=r"view\.place"):
        concatenate([one, other])


def test_every_flipped_byte_is_found() -> None:
    """Each column of each row group has a checksum in the catalogue; the segment is named."""
    rows = [make_row(sequence=number, user_id=f"user-{number % 7}") for number in range(50)]
    file = write_segment(sort(make_table(rows)))
    reader = SegmentReader(file.footer, file.sums, 77)
    ranges = reader.ranges()
    covered = {place for part in ranges for place in range(part.offset, part.offset + part.length)}
    assert set(range(4, len(file.data) - len(file.footer))) == covered
    for place in covered:
        data = bytearray(file.data)
        data[place] ^= 0x20
        with pytest.raises(SegmentDamagedError, match="segment 77 is damaged"):
            reader.read(cut(bytes(data), ranges))
    with pytest.raises(SegmentDamagedError, match="segment 77 is damaged"):
        reader.read(cut(file.data[: len(file.data) // 4], ranges))


def test_a_segment_of_a_newer_format_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the message knows which segment, and what to do."""
    monkeypatch.setattr(files, "FORMAT", 2)
    file = write_segment(make_table([make_row()]))
    monkeypatch.undo()
    with pytest.raises(UnknownSegmentFormatError, match="segment 9 has the format 2, and this program knows 1"):
        SegmentReader(file.footer, file.sums, 9)
    with pytest.raises(SegmentDamagedError, match="the footer of segment 9 is damaged"):
        SegmentReader(file.footer[:-9], file.sums, 9)


def test_some_columns_of_some_row_groups_are_read_from_their_ranges_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a few columns of few actors fetches few bytes."""
    monkeypatch.setattr(files, "ROWS_PER_GROUP", 10)
    rows = [make_row(user_id="u" * number, event_data='{"contentId":"a"}') for number in range(1, 41)]
    whole = sort(make_table(rows))
    file = write_segment(whole)
    actor = whole["actor_hash"][25].as_py()
    reader = SegmentReader(file.footer, file.sums, "s")
    groups = reader.groups(actor, actor)
    assert 1 <= len(groups) < len(reader.groups()) == 4
    columns = ["actor_hash", "event_id", "received_at", "view.content_id"]
    ranges = reader.ranges(groups, columns)
    assert sum(part.length for part in ranges) < len(file.data) / 4
    found = reader.read(cut(file.data, ranges), groups, columns)
    assert set(columns) <= set(found.column_names)
    chosen = whole.slice(10 * groups[0], 10 * len(groups)).select(columns)
    assert found.select(columns).to_pylist() == chosen.to_pylist()
    with pytest.raises(SegmentDamagedError, match="were not fetched"):
        reader.read(cut(file.data, ranges[1:]), groups, columns)


def test_a_segment_is_a_plain_parquet_file(tmp_path: Any) -> None:
    """Other tools read it without us: a struct for each payload, columns by name."""
    rows = [make_row(event_type="purchase", event_data='{"amount":29.99,"currency":"EUR","quantity":2}'), make_row()]
    path = tmp_path / "segment.parquet"
    path.write_bytes(write_segment(sort(make_table(rows))).data)
    table = pq.read_table(path)
    assert {"purchase", "view", "event_type", "timestamp", "event_id_tail"} <= set(table.column_names)
    purchases = [row["purchase"] for row in table.to_pylist() if row["event_type"] == "purchase"]
    assert purchases == [{"amount": Decimal("29.990000000000000000"), "currency": "EUR", "quantity": 2}]
