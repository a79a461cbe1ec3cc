"""The columns that stored events have beyond the envelope: one for each field of the device and of every payload."""

from collections.abc import Iterable

from events.event_type import Catalogue, Field, Kind

Column = tuple[str, str, str]
"""The name of a field, its name in JSON, and the kind of its column: a word that `storage.segments.schema` knows."""

DEVICE = "device"
_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_KINDS = {Kind.TEXT: "text", Kind.NUMBER: "double", Kind.FLAG: "flag", Kind.TEXTS: "texts", Kind.OBJECT: "json"}


def columns_of(catalogue: Catalogue) -> dict[str, tuple[Column, ...]]:
    """List the columns of the device and of each event type, by name, in the order of the .proto files.

    In a payload that names a currency, numbers are amounts of money and have decimal columns.

    Example:
        {"device": (("os", "os", "text"), ...), "purchase": (("amount", "amount", "decimal"), ...), ...}
    """
    described = {DEVICE: _describe(catalogue.device)}
    described |= {name: _describe(event_type.fields) for name, event_type in catalogue.types.items()}
    return described


def _describe(fields: Iterable[Field]) -> tuple[Column, ...]:
    fields = tuple(fields)
    has_currency = any(field.format == "CURRENCY" for field in fields)
    return tuple((field.name, field.json_name, _kind(field, has_currency=has_currency)) for field in fields)


def _kind(field: Field, *, has_currency: bool) -> str:
    if field.kind is Kind.NUMBER and has_currency:
        return "decimal"
    if field.kind is not Kind.INTEGER:
        return _KINDS[field.kind]
    low, high = field.integer_range or _INT64
    if _INT32[0] <= low and high <= _INT32[1]:
        return "int32"
    return "int64" if high <= _INT64[1] else "uint64"
