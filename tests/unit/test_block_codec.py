"""Blocks come back as they were made; what is damaged or unknown is named and never read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.blocks.codec import (
    BLOCK_COLUMNS,
    BlockError,
    RowRefusedError,
    UnknownBlockFormatError,
    decode_columns,
    decode_rows,
    encode,
    refuses,
)
from tests.rows import NOON, make_row

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
rows = st.builds(
    make_row,
    timestamp=moments,
    received_at=moments,
    sequence=st.integers(-(2**63), 2**63 - 1),
    user_id=st.none() | texts,
    session_id=st.none() | texts,
    user_agent=st.none() | texts,
    device=st.sampled_from([None, '{"os":"ü"}']),
    event_data=st.sampled_from(
        ['{"amount":29.990000000000000001}', '{"amount":12345678901234567890.123456789012345678}', '{"a":"\\u4e2d\\""}']
    ),
)


def hash_actor(actor_id: str) -> int:
    """Stand in for a keyed hash."""
    return -len(actor_id)


@given(st.lists(rows, min_size=1, max_size=30))
def test_a_block_comes_back_as_it_was_made(made: list[tuple[Any, ...]]) -> None:
    """Amounts to the last digit, integers of 64 bits, times to the microsecond, in order."""
    block = encode(made, hash_actor)
    assert decode_rows(block) == made
    assert (block.rows, block.first_at, block.last_at) == (
        len(made),
        min(row[3] for row in made),
        max(row[3] for row in made),
    )
    assert decode_columns(block)[BLOCK_COLUMNS.index("actor_hash")] == [-len(row[7]) for row in made]


def test_a_block_of_a_newer_format_fails_by_name() -> None:
    """Whoever reads the message knows which block, and what to do."""
    block = replace(encode([make_row()], hash_actor), format=2)
    with pytest.raises(UnknownBlockFormatError, match="block 123 has the format 2, and this program knows 1"):
        decode_rows(block, 123)


def test_every_flipped_byte_and_every_cut_is_found() -> None:
    """A frame has a checksum, and its length is compared."""
    block = encode([make_row(sequence=number) for number in range(20)], hash_actor)
    for place in range(len(block.data)):
        flipped = bytearray(block.data)
        flipped[place] ^= 0x10
        # A flip in the frame's header may ask for a larger window only; what it reads is then still right.
        try:
            assert decode_rows(replace(block, data=bytes(flipped)), "b") == decode_rows(block)
        except BlockError as exc:
            assert "block b is damaged" in str(exc)  # noqa: PT017 - either is right
        with pytest.raises(BlockError, match="is damaged"):
            decode_rows(replace(block, data=block.data[:place]), "b")
    with pytest.raises(BlockError, match="does not hold its 21 events"):
        decode_rows(replace(block, rows=21))


@pytest.mark.parametrize(
    "poison",
    [
        {"user_id": "\ud800"},
        {"user_agent": "\ud800"},
        {"user_agent": "a\0b"},
        {"event_data": '{"contentId":"a\\u0000b"}'},
        {"sequence": 2**63},
        {"sequence": 2**64},
        {"timestamp": "yesterday"},
        {"received_at": None},
    ],
)
def test_a_row_that_nobody_could_store_is_refused_and_found(poison: dict[str, Any]) -> None:
    """It fails its block, and alone among its neighbours it is the one that is refused."""
    good, bad = make_row(), make_row(**poison)
    with pytest.raises(RowRefusedError):
        encode([good, bad], hash_actor)
    assert (refuses(good), refuses(bad)) == (False, True)


def test_a_backslash_that_only_looks_like_nul_is_taken() -> None:
    """The text of six characters is no NUL."""
    row = make_row(event_data='{"contentId":"a\\\\u0000b"}', user_agent="a\\u0000b")
    assert decode_rows(encode([row], hash_actor)) == [row]


def test_times_of_other_zones_are_the_same_moments() -> None:
    """A row's times are in UTC as a rule; where one is not, its moment stays."""
    row = make_row(timestamp=(NOON + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=5, minutes=45))))
    assert decode_rows(encode([row], hash_actor)) == [row]
