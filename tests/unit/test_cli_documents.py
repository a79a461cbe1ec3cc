"""A list of events is cut into its items without being read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.schemas.validate import split_document
from events.json.scanner import ScanError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_items_are_those_of_the_list(value: object) -> None:
    """Whatever they hold, in either notation."""
    for text in (json.dumps([value, value]), json.dumps([value, value], indent=1, ensure_ascii=False)):
        items = split_document(text.encode("utf-8", "surrogatepass"))
        assert [json.loads(item.decode("utf-8", "surrogatepass")) for item in items] == [value, value]


@pytest.mark.finding(29)
@pytest.mark.parametrize(
    "item",
    [
        b'{"n": 12345678901234567890}',
        b'"\\ud800"',
        b"NaN",
        b'{"a": "\xff"}',
        b"[" * 50_000 + b"]" * 50_000,
        b"9" * 5_000,
        b'"]\\"["',
        b"not JSON",
    ],
    ids=["20 digits", "lone surrogate", "NaN", "bad UTF-8", "deep", "5,000 digits", "brackets in a text", "nonsense"],
)
def test_an_item_that_nobody_can_read_is_kept_to_the_byte(item: bytes) -> None:
    """And so are those beside it."""
    assert split_document(b'[{"a": 1}, ' + item + b" ,\n2]") == [b'{"a": 1}', item, b"2"]


@pytest.mark.parametrize("text", [b"[1,", b"[", b'["', b'["\\', b'[{"a": "]}', b"[1] 2", b"[1]]", b"[1][2]"])
def test_a_list_that_does_not_end_is_no_list(text: bytes) -> None:
    """A file that was cut off is told as such."""
    with pytest.raises(ScanError):
        split_document(text)


@pytest.mark.parametrize(("text", "items"), [(b" [ ] ", []), (b'{"a": [1, 2]}', [b'{"a": [1, 2]}']), (b" 5 ", [b"5"])])
def test_what_is_no_list_is_one_item(text: bytes, items: list[bytes]) -> None:
    """And an empty list has none."""
    assert split_document(text) == items
