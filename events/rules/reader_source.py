r"""Writes the Python source of the function that reads and checks the fields of one version in a single pass.

Straight-line code over the fields, with their limits as constants, takes half as long as a loop over them, and it runs
for every event. `events.rules.field_reader` compiles it, the way dataclasses compile their `__init__`, and provides the
functions that it calls. The generated code covers only valid values, in as few steps as Python allows; the
`refuse_...` functions, which run only when a rule is broken, find out which one.

The two forms differ in how a value is read: a message's value has the type of its field, and one from JSON may have any
type. The rules after that are written once.

Example:
    For content_id, which is required, and scroll_depth of a message::

        def read(message, found):
            data = {}
            value = message.content_id
            if value:
                if len(value) > 256 or '\0' in value:
                    refuse_text('content_id', value, found)
                data['contentId'] = value
            else:
                refuse_missing('content_id', found)
            value = message.scroll_depth
            if value or 'scroll_depth' in message:
                if 0.0 <= value <= 1.0:
                    data['scrollDepth'] = int(value) if value.is_integer() else value
                else:
                    refuse_number('scroll_depth', value, found)
            return data
"""

from collections.abc import Callable, Sequence
from keyword import iskeyword
from typing import NamedTuple

from events.event_type import Field, Form, Kind, is_newer
from events.rules.field_rules import bounds, integer_bounds

_INDENT = "    "


def write_reader(fields: Sequence[Field], version: str, form: Form) -> str:
    """Write the source of `read(message, found)`, a `field_reader.Reader` of the events of one version.

    It calls `refuse_text`, `refuse_number`, `refuse_missing`, `refuse_newer` and `refuse_type`, which note a broken
    rule of the named field; `number_of` and `integer_of`, which convert JSON values of another type; `is_<field>`, the
    test of a string's format; `read_<field>`, which reads a list or an object; `plain_object`, which converts a Struct
    into a dict; and for JSON `rename`, for objects with names that are not in `names`.

    Args:
        fields: the fields, of every version. Their names are identifiers, since protobuf takes no others.
        version: the version of the events.
        form: what the function reads.
    """
    source = _JSON if form is Form.JSON else _MESSAGE
    lines = [*source.begin]
    for field in (field for kind in Kind for field in fields if field.kind is kind and not is_newer(field, version)):
        lines += [*source.get(field), *source.convert(field)]
        lines += [f"if {source.is_set(field)}:", *_indented(_WRITERS[field.kind](field, source))]
        if field.required:
            lines += ["else:", f"{_INDENT}refuse_missing({field.name!r}, found)"]
    for field in (field for field in fields if is_newer(field, version)):
        lines += [*source.get(field), f"if {source.is_set(field)}:", f"{_INDENT}refuse_newer({field.name!r}, found)"]
    return "\n".join(["def read(message, found):", *_indented([*lines, "return data"]), ""])


class _Source(NamedTuple):
    """How the source for one form gets the values of fields."""

    begin: tuple[str, ...]
    get: Callable[[Field], list[str]]
    """Writes the getting of a field's value into `value`."""
    convert: Callable[[Field], list[str]]
    """Writes what makes `value` one of the field's type, or None."""
    is_set: Callable[[Field], str]
    """Writes the condition that a field is set, in the sense of `field_reader.compile_reader`."""
    whole: str
    """The number in `value`, one that 64 bits hold, without a fraction where it has none."""
    object: Callable[[Field], str]
    """Writes the getting of a free object that is set, as a dict."""


def _attribute(field: Field) -> str:
    return f"getattr(message, {field.name!r})" if iskeyword(field.name) else f"message.{field.name}"


def _is_set_in_message(field: Field) -> str:
    presence = f"{field.name!r} in message"
    if field.kind is Kind.OBJECT:
        return presence
    if field.kind in (Kind.TEXT, Kind.TEXTS) or not field.tracks_presence:
        return "value"
    return f"value or {presence}"  # only a zero leaves it open, and asking costs as much as the value


def _is_set_in_json(field: Field) -> str:
    if field.kind is Kind.OBJECT or (field.tracks_presence and field.kind not in (Kind.TEXT, Kind.TEXTS)):
        return "value is not None"
    return "value"


_JSON_TYPES = {
    Kind.TEXT: ("str",),
    Kind.NUMBER: ("float", "int"),
    Kind.INTEGER: ("int",),
    Kind.FLAG: ("bool",),
    Kind.TEXTS: ("list",),
    Kind.OBJECT: ("dict",),
}
_CONVERTERS = {Kind.NUMBER: "number_of", Kind.INTEGER: "integer_of"}


def _convert_json(field: Field) -> list[str]:
    is_other = " and ".join(f"value.__class__ is not {name}" for name in _JSON_TYPES[field.kind])
    converter = _CONVERTERS.get(field.kind, "refuse_type")
    return [f"if {is_other} and value is not None:", f"{_INDENT}value = {converter}({field.name!r}, value, found)"]


_MESSAGE = _Source(
    begin=("data = {}",),
    get=lambda field: [] if field.kind is Kind.OBJECT else [f"value = {_attribute(field)}"],
    convert=lambda _field: [],
    is_set=_is_set_in_message,
    whole="int(value) if value.is_integer() else value",
    object=lambda field: f"plain_object({_attribute(field)})",
)
_JSON = _Source(
    begin=(
        "if not message.keys() <= names:",
        f"{_INDENT}message = rename(message, found)",
        "get = message.get",
        "data = {}",
    ),
    get=lambda field: [f"value = get({field.json_name!r})"],
    convert=_convert_json,
    is_set=_is_set_in_json,
    whole="value if value.__class__ is int or not value.is_integer() else int(value)",
    object=lambda _field: "value",
)


def _write_text(field: Field, _source: _Source) -> list[str]:
    problems = [f"len(value) > {field.max_length}", "'\\0' in value"]
    if field.format or field.allowed_values:
        problems.append(f"not is_{field.name}(value)")
    return [
        f"if {' or '.join(problems)}:",
        f"{_INDENT}refuse_text({field.name!r}, value, found)",
        f"data[{field.json_name!r}] = value",
    ]


def _write_number(field: Field, source: _Source) -> list[str]:
    low, high = bounds(field)
    return _write_bounded(field, f"{low!r} <= value <= {high!r}", source.whole)  # NaN is not


def _write_integer(field: Field, source: _Source) -> list[str]:
    """Write the reading of a whole number; a bound that a message's type keeps by itself is left out."""
    least, most = field.integer_range or (0, 0)
    low, high = integer_bounds(field)
    before = f"{low} <= " if low > least or source is _JSON else ""
    after = f" <= {high}" if high < most or source is _JSON else ""
    return _write_bounded(field, f"{before}value{after}", "value") if before or after else _write_flag(field, source)


def _write_bounded(field: Field, condition: str, result: str) -> list[str]:
    return [
        f"if {condition}:",
        f"{_INDENT}data[{field.json_name!r}] = {result}",
        "else:",
        f"{_INDENT}refuse_number({field.name!r}, value, found)",
    ]


def _write_flag(field: Field, _source: _Source) -> list[str]:
    return [f"data[{field.json_name!r}] = value"]


def _write_text_list(field: Field, _source: _Source) -> list[str]:
    return [f"data[{field.json_name!r}] = read_{field.name}(value, found)"]


def _write_object(field: Field, source: _Source) -> list[str]:
    return [f"data[{field.json_name!r}] = read_{field.name}({source.object(field)}, found)"]


_WRITERS: dict[Kind, Callable[[Field, _Source], list[str]]] = {
    Kind.TEXT: _write_text,
    Kind.NUMBER: _write_number,
    Kind.INTEGER: _write_integer,
    Kind.FLAG: _write_flag,
    Kind.TEXTS: _write_text_list,
    Kind.OBJECT: _write_object,
}


def _indented(lines: Sequence[str]) -> list[str]:
    return [_INDENT + line for line in lines]
