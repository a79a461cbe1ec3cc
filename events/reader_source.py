r"""Writes the Python source of the function that reads and checks a message of one version in a single pass.

A straight line through the fields, with their limits as constants, takes half as long as a loop over them, and it runs
for every event. `events.message_reader` compiles it, the way dataclasses compile their `__init__`, and provides the
functions that it calls. It spells out the common case alone, in as few steps as Python allows: what a broken rule is
called is found by the `refuse_...` functions, which run only when one is broken.

Example:
    For content_id, which is required, and scroll_depth::

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

from events.event_type import Field, Kind, is_newer
from events.field_rules import MAX_EXACT_INTEGER, bounds

_INDENT = "    "


def write_reader(fields: Sequence[Field], version: str) -> str:
    """Write the source of `read(message, found)`, a `message_reader.Reader` of the events of one version.

    It calls `refuse_text`, `refuse_number`, `refuse_missing` and `refuse_newer`, which note a broken rule of the field
    that they are told; `is_<field>`, the test of a text's shape; `read_<field>`, which reads a list or an object; and
    `plain_number`.

    Args:
        fields: the message's fields, of every version. Their names are identifiers, since protobuf takes no others.
        version: the version of the events.
    """
    lines = ["data = {}"]
    for field in (field for kind in Kind for field in fields if field.kind is kind and not is_newer(field, version)):
        lines += [*_get(field), f"if {_is_set(field)}:", *_indented(_WRITERS[field.kind](field))]
        if field.required:
            lines += ["else:", f"{_INDENT}refuse_missing({field.name!r}, found)"]
    for field in (field for field in fields if is_newer(field, version)):
        lines += [*_get(field), f"if {_is_set(field)}:", f"{_INDENT}refuse_newer({field.name!r}, found)"]
    return "\n".join(["def read(message, found):", *_indented([*lines, "return data"]), ""])


def _get(field: Field) -> list[str]:
    """Write the getting of a field's value; an object is gotten only where it is there."""
    return [] if field.kind is Kind.OBJECT else [f"value = {_attribute(field)}"]


def _attribute(field: Field) -> str:
    return f"getattr(message, {field.name!r})" if iskeyword(field.name) else f"message.{field.name}"


def _is_set(field: Field) -> str:
    """Write the condition that a field is set, in the sense of `message_reader.compile_reader`."""
    presence = f"{field.name!r} in message"
    if field.kind is Kind.OBJECT:
        return presence
    if field.kind in (Kind.TEXT, Kind.TEXTS) or not field.tracks_presence:
        return "value"
    return f"value or {presence}"  # only a zero leaves it open, and asking costs as much as the value


def _write_text(field: Field) -> list[str]:
    problems = [f"len(value) > {field.max_length}", "'\\0' in value"]
    if field.format or field.allowed_values:
        problems.append(f"not is_{field.name}(value)")
    return [
        f"if {' or '.join(problems)}:",
        f"{_INDENT}refuse_text({field.name!r}, value, found)",
        f"data[{field.json_name!r}] = value",
    ]


def _write_number(field: Field) -> list[str]:
    low, high = bounds(field)
    is_small = low >= -MAX_EXACT_INTEGER and high <= MAX_EXACT_INTEGER
    plain = "int(value) if value.is_integer() else value" if is_small else "plain_number(value)"  # the same, but a call
    return _write_bounded(field, f"{low!r} <= value <= {high!r}", plain)  # NaN is not


def _write_integer(field: Field) -> list[str]:
    """Write the reading of a whole number; a bound that its type keeps by itself is left out."""
    least, most = field.integer_range or (0, 0)
    low = f"{int(field.minimum)} <= " if field.minimum is not None and field.minimum > least else ""
    high = f" <= {int(field.maximum)}" if field.maximum is not None and field.maximum < most else ""
    return _write_bounded(field, f"{low}value{high}", "value") if low or high else _write_flag(field)


def _write_bounded(field: Field, condition: str, result: str) -> list[str]:
    return [
        f"if {condition}:",
        f"{_INDENT}data[{field.json_name!r}] = {result}",
        "else:",
        f"{_INDENT}refuse_number({field.name!r}, value, found)",
    ]


def _write_flag(field: Field) -> list[str]:
    return [f"data[{field.json_name!r}] = value"]


def _write_text_list(field: Field) -> list[str]:
    return [f"data[{field.json_name!r}] = read_{field.name}(value, found)"]


def _write_object(field: Field) -> list[str]:
    return [f"data[{field.json_name!r}] = read_{field.name}({_attribute(field)}, found)"]


_WRITERS: dict[Kind, Callable[[Field], list[str]]] = {
    Kind.TEXT: _write_text,
    Kind.NUMBER: _write_number,
    Kind.INTEGER: _write_integer,
    Kind.FLAG: _write_flag,
    Kind.TEXTS: _write_text_list,
    Kind.OBJECT: _write_object,
}


def _indented(lines: Sequence[str]) -> list[str]:
    return [_INDENT + line for line in lines]
