"""Mapping files: what they set, and how each mistake is told."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.import_.mapping import MappingError, read_mapping
from cli.import_.mapping_rows import RowFiller
from cli.import_.mapping_values import Template, ValueMistakeError
from cli.import_.problems import problem_of
from cli.import_.records import RecordError
from cli.main import EXIT_USAGE
from sociallive.analytics.v1.event_pb2 import Event

CDNOW = """
dataset = "cdnow"
event_type = "purchase"
[event]
timestamp = "{date}"
user_id = "{customer_id}"
[payload]
product_id = "cd"
order_id = "cdnow-{row}"
amount = "{dollar_value}"
currency = "USD"
quantity = "{number_of_cds}"
"""
HEADER = ["customer_id", "date", "number_of_cds", "dollar_value"]


def bound(tmp_path: Path, text: str, header: list[str]) -> RowFiller:
    """Write, read and bind a mapping file."""
    path = tmp_path / "m.toml"
    path.write_text(text)
    return RowFiller(read_mapping(path), header, "set")


def filled(filler: RowFiller, row: list[str], position: int = 1) -> Event:
    """Fill a new event from a row."""
    event = Event()
    filler.fill(event, row, position)
    return event


def test_row_becomes_typed_event(tmp_path: Path) -> None:
    """Constants, columns and row numbers reach fields of every kind."""
    event = filled(bound(tmp_path, CDNOW, HEADER), ["00001", "1997-01-01", "2", "11.77"], 7)
    assert (event.user_id, event.timestamp.ToDatetime(UTC)) == ("00001", datetime(1997, 1, 1, tzinfo=UTC))
    purchase = event.purchase
    assert (purchase.product_id, purchase.order_id, purchase.currency) == ("cd", "cdnow-7", "USD")
    assert (purchase.amount, purchase.quantity) == (11.77, 2)
    assert event.WhichOneof("payload") == "purchase"


def test_same_row_has_same_id_and_its_number_tells_equal_rows_apart(tmp_path: Path) -> None:
    """An id depends on row number and content and on nothing else."""
    row = ["00001", "1997-01-01", "2", "11.77"]
    first = filled(bound(tmp_path, CDNOW, HEADER), row, 1).event_id
    assert first == filled(bound(tmp_path, CDNOW, HEADER), row, 1).event_id
    assert first != filled(bound(tmp_path, CDNOW, HEADER), row, 2).event_id
    assert first != filled(bound(tmp_path, CDNOW, HEADER), [*row[:3], "11.78"], 1).event_id


def test_empty_cells_leave_fields_unset(tmp_path: Path) -> None:
    """An optional number without a cell is missing, not zero."""
    event = filled(bound(tmp_path, CDNOW, HEADER), ["", "1997-01-01", "", "0"])
    assert event.user_id == ""
    assert not event.purchase.HasField("quantity")
    assert event.purchase.HasField("amount")


def test_a_mapped_id_is_kept(tmp_path: Path) -> None:
    """A file that has ids of its own keeps them; a row without one gets a deterministic one."""
    filler = bound(tmp_path, CDNOW.replace("[payload]", 'event_id = "{id}"\n[payload]'), [*HEADER, "id"])
    given = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert filled(filler, ["1", "1997-01-01", "1", "1", given]).event_id == given
    assert len(filled(filler, ["1", "1997-01-01", "1", "1", ""]).event_id) == 36


def test_every_kind_of_field_can_be_mapped(tmp_path: Path) -> None:
    """Lists, free objects, the device, times, numbers and JSON names."""
    text = """
    event_type = "purchase"
    time_zone = "Europe/Berlin"
    timestamp_format = "%d.%m.%Y %H:%M"
    delimiter = ";"
    [event]
    timestamp = "{at}"
    sentAt = "{at}"
    sequence = "{row}"
    [event.device]
    type = "phone"
    appVersion = "{app}"
    [payload]
    productId = "{{{id}}}"
    orderId = "{id}-{row}"
    amount = 5
    currency = "EUR"
    conversionPath = ["view", "{step}"]
    [payload.metadata]
    app = "{app}"
    campaign = 7
    """
    event = filled(bound(tmp_path, text, ["at", "id", "app", "step"]), ["01.07.2024 12:30", "a", "2.1", "buy"], 3)
    moment = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)
    assert event.timestamp.ToDatetime(UTC) == event.sent_at.ToDatetime(UTC) == moment
    assert (event.sequence, event.device.type, event.device.app_version) == (3, "phone", "2.1")
    assert (event.purchase.product_id, event.purchase.order_id, event.purchase.amount) == ("{a}", "a-3", 5)
    assert list(event.purchase.conversion_path) == ["view", "buy"]
    assert dict(event.purchase.metadata.items()) == {"app": "2.1", "campaign": 7}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (["1", "1997-01-01", "1"], "has 3 cells where the header has 4"),
        (["1", "yesterday", "1", "1"], "timestamp: 'yesterday' cannot be used: not an ISO 8601 date or time"),
        (["1", "", "1", "1"], "timestamp: '' cannot be used"),
        (["1", "0001-01-01T00:00:00+14:00", "1", "1"], "timestamp: .* out of range"),
        (["1", "1997-01-01", "1.5", "1"], "quantity: '1.5' cannot be used: not a whole number"),
        (["1", "1997-01-01", "99999999999", "1"], "quantity: '99999999999' cannot be used"),
        (["1", "1997-01-01", "abc", "1"], "quantity: 'abc' cannot be used: not a number"),
        (["1", "1997-01-01", "1", "1,50"], "amount: '1,50' cannot be used: not a number, as in 1234.5"),
        (["\udcff", "1997-01-01", "1", "1"], "user_id: .* bytes that are not UTF-8"),
    ],
)
def test_a_bad_row_is_told_with_field_and_cell(tmp_path: Path, row: list[str], told: str) -> None:
    """What cannot be converted is an error of that row alone."""
    with pytest.raises(RecordError) as caught:
        filled(bound(tmp_path, CDNOW, HEADER), row)
    assert re.fullmatch(f"{told}.*", str(problem_of(caught.value)))


def test_whole_numbers_may_have_a_decimal_point(tmp_path: Path) -> None:
    """Tables written by other programs say 2.0 for 2."""
    assert filled(bound(tmp_path, CDNOW, HEADER), ["1", "1997-01-01", "2.0", "1"]).purchase.quantity == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"purchase"', '"purchas"'), "event_type: no event type 'purchas'; did you mean 'purchase'"),
        (("amount =", "amout ="), "payload.amout: no field 'amout'; did you mean 'amount'"),
        (("user_id =", "userid ="), "event.userid: no field 'userid'; did you mean 'user_id'"),
        (("{dollar_value}", "{dollar_val}"), "payload.amount: no column 'dollar_val'; did you mean 'dollar_value'"),
        (("{date}", "{day}"), "event.timestamp: no column 'day'"),
        (('currency = "USD"', ""), "payload: purchase also needs currency"),
        (('timestamp = "{date}"', ""), "event: also needs timestamp"),
        (("dataset", "datset"), "datset: no key 'datset'; did you mean 'dataset'"),
        (('dataset = "cdnow"', "dataset = 5"), "dataset: must be a string in quotes"),
        (('dataset = "cdnow"', 'schema_version = "1.2.0"'), "schema_version: no version '1.2.0'"),
        (('dataset = "cdnow"', 'time_zone = "Mars/Olympus"'), "time_zone: no time zone 'Mars/Olympus'"),
        (('dataset = "cdnow"', 'delimiter = ";;"'), "delimiter: must be one character"),
        (('"cd"', "7"), "payload.product_id: must be a string in quotes, not 7"),
        (('"{dollar_value}"', '"much"'), "payload.amount: 'much' cannot be used: not a number"),
        (('"{dollar_value}"', '"{dollar_value"'), "payload.amount: a lone brace"),
        (('"{dollar_value}"', '["{dollar_value}"]'), "payload.amount: must be a string in quotes"),
        (('"USD"', '"USD"\nmetadata = "x"'), "payload.metadata: must be a table"),
        (('"USD"', '"USD"\nconversion_path = "x"'), "payload.conversion_path: must be a list"),
        (('"USD"', '"USD"\norderId = "x"'), "payload.orderId: order_id is given twice"),
        (("[event]", 'schema_version = "1.0.0"\n[event]\ndevice = {type = "tv"}'), ""),
        (("[payload]", "[payload"), "is not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_nearest_name(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """Nothing is sent with a mapping that cannot work."""
    if not told:
        bound(tmp_path, CDNOW.replace(*change), HEADER)
        return
    with pytest.raises(MappingError) as caught:
        bound(tmp_path, CDNOW.replace(*change), HEADER)
    assert str(caught.value.message).startswith(f"{tmp_path / 'm.toml'}: ")
    assert told in str(caught.value.message)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_field_newer_than_the_version_is_refused(tmp_path: Path) -> None:
    """The service would reject every row of such a file."""
    text = CDNOW.replace("[event]", 'schema_version = "1.0.0"\n[event]') + 'conversion_path = ["x"]\n'
    with pytest.raises(MappingError, match=r"payload.conversion_path: was added in 1.1.0, after 1.0.0"):
        bound(tmp_path, text, HEADER)


def test_a_column_named_row_is_told(tmp_path: Path) -> None:
    """Such a column would be ambiguous with the row's number."""
    with pytest.raises(MappingError, match=r"payload.order_id: \{row\} is the row's number"):
        bound(tmp_path, CDNOW, [*HEADER, "row"])


def test_a_missing_mapping_file_is_told(tmp_path: Path) -> None:
    """A wrong path is a mistake of the command line."""
    with pytest.raises(MappingError, match=r"none\.toml: No such file"):
        read_mapping(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("template", "cells", "text"),
    [
        ("{a}", ["1", "2", "9"], "1"),
        ("{a}-{b}", ["1", "", "9"], "1-"),
        ("{a}-{b}", ["", "", "9"], ""),
        ("x{a}", ["", "2", "9"], ""),
        ("{row}/{a}", ["1", "2", "9"], "9/1"),
        ("{{{a}}}", ["1", "2", "9"], "{1}"),
        ("fixed {{}}", ["1", "2", "9"], "fixed {}"),
        ("{ a }", ["1", "2", "9"], "1"),
    ],
)
def test_templates_read_cells(template: str, cells: list[str], text: str) -> None:
    """A template whose columns are all empty is empty."""
    assert Template(template).bind(["a", "b"])(cells) == text


@pytest.mark.parametrize("template", ["{", "}", "a{b", "{a}}", "{a{b}}"])
def test_a_lone_brace_is_a_mistake(template: str) -> None:
    """A template that nobody can read alike is refused."""
    with pytest.raises(ValueMistakeError, match="lone brace"):
        Template(template).bind(["a", "b"])
