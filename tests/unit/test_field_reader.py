"""The reader that is written out as source: what it looks like, and kinds of fields that our own events lack."""

import inspect
import textwrap
import traceback
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

from events.event_type import Field, Form, Kind
from events.rules import reader_source
from events.rules.field_reader import compile_reader
from events.rules.reader_source import write_reader
from events.violations import Violation
from tests.unit.event_samples import CATALOGUE
from tests.unit.reference_rules import judge_fields
from tests.unit.reference_values import values_of_message

_TYPES = descriptor_pb2.FieldDescriptorProto
INT32, UINT64 = (-(2**31), 2**31 - 1), (0, 2**64 - 1)
ODD_FIELDS = (
    Field(name="class", json_name="class", kind=Kind.TEXT, tracks_presence=False, required=True, max_length=3),
    Field(name="found", json_name="found", kind=Kind.TEXT, tracks_presence=True),
    Field(name="live", json_name="live", kind=Kind.FLAG, tracks_presence=True, required=True),
    Field(name="muted", json_name="muted", kind=Kind.FLAG, tracks_presence=False),
    Field(name="plain", json_name="plain", kind=Kind.INTEGER, tracks_presence=False, integer_range=INT32, maximum=9),
    Field(name="big", json_name="big", kind=Kind.INTEGER, tracks_presence=True, integer_range=UINT64, minimum=-1),
    Field(name="wide", json_name="wide", kind=Kind.NUMBER, tracks_presence=True),
    Field(name="low", json_name="low", kind=Kind.NUMBER, tracks_presence=False, minimum=-2.5, maximum=2.5),
    Field(name="data", json_name="data", kind=Kind.FLAG, tracks_presence=True, since="1.2.0"),
    Field(name="late", json_name="late", kind=Kind.FLAG, tracks_presence=False, since="1.2.0"),
)
"""Names that are keywords of Python's or names of the source's own, and bounds that a type keeps by itself."""


def test_the_source_is_the_one_that_its_module_shows() -> None:
    """The example is what the rules of two fields become."""
    fields = [field for field in CATALOGUE.types["view"].fields if field.name in ("content_id", "scroll_depth")]
    example = inspect.cleandoc(reader_source.__doc__ or "").partition("::\n")[2]
    assert write_reader(fields, "1.1.0", Form.MESSAGE) == textwrap.dedent(example).strip() + "\n"


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"class": "a", "live": False},
        {"class": "abcd", "live": True, "muted": True, "plain": -(2**31), "big": 2**64 - 1},
        {"class": "a\0", "found": "", "plain": 10, "big": 0, "wide": 1e300, "low": -2.5},
        {"found": "x", "wide": float("inf"), "low": 2.6, "data": False, "late": True},
        {"wide": 2.0**53, "low": 2.0, "data": True},
    ],
)
def test_fields_of_every_sort_are_read_as_the_reference_reads_them(values: dict[str, Any], version: str) -> None:
    """Whatever a field is called, and whether or not zero differs from no value."""
    message = make_message(values)
    taken = values_of_message(message, ODD_FIELDS)
    for form, source in ((Form.MESSAGE, message), (Form.JSON, values)):
        found: list[Violation] = []
        data = compile_reader(ODD_FIELDS, version, "test", form)(source, found)
        expected, broken = judge_fields(ODD_FIELDS, taken, version, form)
        assert sorted(violation[:2] for violation in found) == sorted(broken)
        if not broken:
            assert repr(data) == repr(expected)


def test_a_traceback_shows_the_line_of_the_source() -> None:
    """Should a reader fail, its log tells at which field."""
    read = compile_reader(CATALOGUE.types["view"].fields, "1.1.0", "view event", Form.MESSAGE)
    with pytest.raises(AttributeError) as failure:
        read(make_message({}), [])
    assert "value = message.content_type" in "".join(traceback.format_exception(failure.value))


def make_message(values: dict[str, Any]) -> Message:
    """Make a message with the ODD_FIELDS."""
    types = {"TEXT": _TYPES.TYPE_STRING, "FLAG": _TYPES.TYPE_BOOL, "NUMBER": _TYPES.TYPE_DOUBLE}
    file = descriptor_pb2.FileDescriptorProto(name="odd.proto", package="odd", syntax="proto3")
    message = file.message_type.add(name="Odd")
    for number, field in enumerate(ODD_FIELDS, 1):
        integer = _TYPES.TYPE_UINT64 if field.integer_range == UINT64 else _TYPES.TYPE_INT32
        declared = message.field.add(name=field.name, number=number, label=_TYPES.LABEL_OPTIONAL)
        declared.type = types.get(field.kind.name, integer)
        if field.tracks_presence:
            declared.proto3_optional, declared.oneof_index = True, len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("odd.Odd"))(**values)
