"""Random events for property tests: near the edges of the rules, valid and not, in every form that callers send."""

import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from random import Random
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from events.event_type import UNLIMITED, Catalogue, Field, Kind
from events.json.message import message_value
from sociallive.analytics.v1.event_pb2 import Event

ODD_TEXTS = ("", "\0", "b\0b", "é", "\U0001f600", " ", "'\"\\", "\n", "0")
NUMBERS = (0.0, -0.0, 0.8, 1.0, 29.99, 45.0, -1.0, 1e15 + 0.5, 2.0**53, 2.0**53 + 2, 1e22, 1.7e308, 5e-324)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
NUMBER_TEXTS = ("45", "-1", "4.5", "1e3", "NaN", "Infinity", "-Infinity", "1e999", "abc", "", " 1", "1_0", "\u0663")
FORMAT_TEXTS = {
    "UUID": (
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
        "01890a5dac96774bbcceb302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "01890a5-dac96-774b-bcce-b302099a8057",
        "01890a5d-ac96-774b-bcce-b302099a805\u0663",
        "01890a5d0ac96-774b-bcce-b302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "01890a5d-ac96-774b-bcce-b302099a8057\n",
    ),
    "IP_ADDRESS": ("203.0.113.7", "::1", "::ffff:203.0.113.7", "fe80::1%eth0", "203.0.113.7:80", "256.1.1.1"),
    "VERSION": ("1.0.0", "1.1.0", "2.0.0", "1.1", "01.1.0", "1.1.0\0", "1.1.\u0660"),
    "CURRENCY": ("USD", "EUR", "usd", "DEM", "EURO"),
}
"""Texts of a named shape, valid ones first."""
MOST_SECONDS = 253_402_300_799
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 45.0, 0.5, -0.0, 1e22, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63)),
    *("", "x", "45", "-45", "0.5", "99999999999999999999", "1e999", "a\0", "\U0001f600" * 300, "203.0.113.7"),
    *("2024-01-01T12:00:00Z", "2024-01-01T12:00:00.123456789+02:00", "2024-01-01 12:00:00", "2024-02-30T00:00:00Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00", "2024-01-01T12:00:00+01:60", "2024-01-01T24:00:00Z"),
    *([], ["a"], ["a", None, 5], [[]], {}, {"a": 1}, {"a": {"b": {"c": {"d": {}}}}}, {"n": 2**64 - 1, "f": 1e300}),
)
"""What a member of a JSON object may hold, and mostly should not."""


class EventMaker:
    """Makes random events; a careful one chooses among values that keep the rules of their own field."""

    def __init__(self, random: Random, catalogue: Catalogue, now: datetime) -> None:
        """Make a maker of events that happen around `now`."""
        self._random = random
        self._catalogue = catalogue
        self._now_s = int(now.timestamp())
        self._careful = random.random() < 0.5

    def make(self) -> Event:
        """Make an event; it has been through the wire."""
        event, catalogue = Event(), self._catalogue
        name = self._pick([*catalogue.types])
        version = self._pick(["", *(released.version for released in catalogue.types[name].versions)])
        form = self._pick(["typed", "data"] if self._careful else ["typed", "typed", "data", "data", "both", "none"])
        if form in ("typed", "both"):
            self._fill(getattr(event, name), self._fields(name, version))
        if form in ("data", "both"):
            event.data.CopyFrom(self._data(name, version))
        if form != "typed" or self._sometimes(0.3):
            event.event_type = name if self._careful else self._pick([name, name, "", "purchse", "view", "\0"])
        self._fill(event, [field for field in catalogue.envelope.values() if field.name != "event_type"], chance=0.5)
        event.schema_version = version if self._careful or self._sometimes(0.8) else event.schema_version
        if self._sometimes(0.3) and (not self._careful or version in ("", catalogue.types[name].newest)):
            event.device.SetInParent()
            self._fill(event.device, catalogue.device, chance=0.5)
        for stamp in (event.timestamp, event.sent_at):
            if self._sometimes(0.6):
                stamp.SetInParent()
                stamp.seconds, stamp.nanos = self._moment()
        return Event.FromString(event.SerializeToString())

    def make_json(self) -> dict[str, Any]:
        """Make an event as JSON, in the looser forms too; a careless one has members of wrong types and names."""
        value = message_value(self.make())
        for members in (value, *(each for each in value.values() if isinstance(each, dict))):
            for name in [*members]:
                snake = re.sub("[A-Z]", lambda capital: "_" + capital[0].lower(), name)
                if self._sometimes(0.1):
                    members[snake] = members.pop(name)
                elif not self._careful and self._sometimes(0.02):
                    members[snake] = deepcopy(self._pick(ODD_VALUES))
        if self._sometimes(0.1):
            value.setdefault(self._pick(["sequence", "device", "data", "view", "userId"]), None)
        for _ in range(0 if self._careful else self._random.randrange(3)):
            members = self._pick([value, value, *(each for each in value.values() if isinstance(each, dict))])
            name = self._pick([*members, "usrId", "contentId", "content_id", "data", "device", "view", "receivedAt"])
            members[name] = deepcopy(self._pick(ODD_VALUES))
        return value

    def _fields(self, name: str, version: str) -> Sequence[Field]:
        event_type = self._catalogue.types[name]
        return event_type.fields_in(version or event_type.newest) if self._careful else event_type.fields

    def _pick(self, values: Sequence[Any]) -> Any:
        return values[self._random.randrange(len(values))]

    def _sometimes(self, chance: float) -> bool:
        return self._random.random() < chance

    def _moment(self) -> tuple[int, int]:
        near = [0, -1, 200, 299, 300, 301, -150, -151, -3600, -80 * 86_400, -90 * 86_400, -91 * 86_400, 86_400]
        moments = [(self._now_s + step, self._pick([0, 1, 999, 123_456_789, 999_999_999])) for step in near]
        edges = [(0, 0), (0, 1000), (1, 0), (-1, 0), (MOST_SECONDS, 999_999_999), (MOST_SECONDS + 1, 0)]
        broken = [(self._now_s, -1), (self._now_s, 1_000_000_000), (0, -1)]
        return self._pick(moments if self._careful else moments + edges + broken)  # type: ignore[no-any-return]

    def _fill(self, message: Message, fields: Sequence[Field], chance: float = 0.6) -> None:
        message.SetInParent()
        for field in fields:
            if not (field.required and self._careful) and not self._sometimes(chance):
                continue
            value = self._value(field)
            if field.kind is Kind.OBJECT:
                getattr(message, field.name).SetInParent()
                getattr(message, field.name).CopyFrom(value)
            elif field.kind is Kind.TEXTS:
                getattr(message, field.name).extend(value)
            else:
                setattr(message, field.name, value)

    def _data(self, name: str, version: str) -> Struct:
        """Make the JSON form of a payload: under either name or both, with wrong types and unknown names."""
        data = Struct()
        for field in self._fields(name, version):
            if not (field.required and self._careful) and not self._sometimes(0.6):
                continue
            names = [field.json_name] if self._careful else [field.json_name, field.name]
            for key in {self._pick(names), field.json_name if self._sometimes(0.9) else self._pick(names)}:
                if self._careful or self._sometimes(0.8):
                    self._put(data.fields[key], self._value(field))
                else:
                    data.fields[key].CopyFrom(self._free_value(2))
        if not self._careful and self._sometimes(0.2):
            data.fields[self._pick(["contentTipe", "x" * 41, "\0", "action_"])].string_value = "x"
        return data

    def _put(self, target: Value, value: Any) -> None:
        """Write a value of a field as JSON does; numbers are now and then texts."""
        if isinstance(value, str):
            target.string_value = value
        elif isinstance(value, bool):
            target.bool_value = value
        elif isinstance(value, Struct):
            target.struct_value.CopyFrom(value)
        elif isinstance(value, list):
            target.list_value.SetInParent()
            for item in value:
                self._put(target.list_value.values.add(), item)
        elif self._sometimes(0.7):
            target.number_value = value
        else:
            target.string_value = str(value) if self._careful else self._pick(NUMBER_TEXTS)

    def _value(self, field: Field) -> Any:
        if field.kind is Kind.TEXT:
            return self._text(field)
        if field.kind is Kind.TEXTS:
            size = self._pick([1, 3, field.max_items]) if self._careful else self._pick([0, 1, 2, field.max_items + 1])
            return [self._text(field) for _ in range(size)] if size < 4 else ["a"] * size
        if field.kind is Kind.OBJECT:
            return self._object(field)
        if field.kind is Kind.FLAG:
            return self._sometimes(0.5)
        return self._number(field)

    def _text(self, field: Field) -> str:
        good = ["a", "a text of one's own", *field.known_values]
        if field.max_length != UNLIMITED:
            good.append("é" * field.max_length)
        if field.allowed_values:
            good = [*field.allowed_values]
        if field.format:
            good = [*FORMAT_TEXTS[field.format][:2]]
        bad = [*ODD_TEXTS, *FORMAT_TEXTS.get(field.format, ()), "x" * (min(field.max_length, 5000) + 1)]
        return str(self._pick(good if self._careful or self._sometimes(0.7) else bad))

    def _number(self, field: Field) -> float:
        low = field.minimum if field.minimum is not None else -5.0
        high = field.maximum if field.maximum is not None else 7e5
        good = [low, high, (low + high) / 2, low + 0.25, max(low, min(high, 45.0))]
        bad = [*NUMBERS, *NO_NUMBERS, low - 1, high + 1]
        number = float(self._pick(good if self._careful or self._sometimes(0.7) else bad))
        if field.integer_range is None:
            return number
        least, most = field.integer_range
        if number in NO_NUMBERS or number != number:  # noqa: PLR0124 - NaN
            return self._pick([least, most])  # type: ignore[no-any-return]
        return max(least, min(most, int(number)))

    def _object(self, field: Field) -> Struct:
        if self._careful:
            shapes: list[Any] = [{}, {"a": 1, "b": "text"}, {"z": [1, 0.5, None, True], "a": {"b": {"c": {"d": ""}}}}]
        else:
            shapes = [
                {"a": {"b": {"c": {"d": {}}}}},
                {"a": [[[["x"]]]]},
                {f"k{index}": 1 for index in range(field.max_items + 1)},
                {"a": [1] * (field.max_items + 1), "\0": "\0"},
                {"x" * (field.max_length + 1): "x" * (field.max_length + 1)},
                {"n": [float("nan"), 2.0**53, 2.0**53 + 2, -0.0], "é": {}},
            ]
        struct = Struct()
        struct.update(self._pick(shapes))
        if self._sometimes(0.3):
            struct.fields["free"].CopyFrom(self._free_value(2))
        return struct

    def _free_value(self, depth: int) -> Value:
        value = Value()
        kind = self._pick(["none", "null", "number", "string", "bool", "list", "struct"])
        if kind == "null":
            value.null_value = 0  # type: ignore[assignment] # its only value
        elif kind == "number":
            value.number_value = self._pick(NUMBERS if self._careful else [*NUMBERS, *NO_NUMBERS])
        elif kind == "string":
            value.string_value = "a" if self._careful else self._pick([*ODD_TEXTS, *NUMBER_TEXTS])
        elif kind == "bool":
            value.bool_value = self._sometimes(0.5)
        elif kind == "list":
            value.list_value.values.extend(self._free_value(depth - 1) for _ in range(depth))
        elif kind == "struct":
            value.struct_value.SetInParent()
            for key in ("b", "a")[:depth]:
                value.struct_value.fields[key].CopyFrom(self._free_value(depth - 1))
        return value
