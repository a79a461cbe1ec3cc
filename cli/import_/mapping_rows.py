"""Rows to events: a mapping bound to the columns of one file, compiled into steps."""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from typing import Any

from cli.import_.mapping import DEVICE, TIMES, Mapping, MappingError
from cli.import_.mapping_values import (
    CONVERTERS,
    NOT_UTF8,
    Cells,
    Read,
    Step,
    Template,
    TimeParser,
    ValueMistakeError,
    refusal,
    step_of,
)
from cli.import_.records import RecordError
from events.event_type import Field, Kind
from events.ids import deterministic_id
from sociallive.analytics.v1.event_pb2 import Event

CELL_SEPARATOR = "\x1f"
"""Stands between the cells of the text that an id is made from; commas and quotes may change in a copy of the file."""


class RowFiller:
    """Turns the rows of one file into events; one without a mapped id gets a deterministic one.

    `timestamp` is handled apart from the other fields: it is part of the id.
    """

    def __init__(self, mapping: Mapping, header: Sequence[str], dataset: str) -> None:
        """Compile the mapping for a file.

        Args:
            mapping: the mapping.
            header: the names of the file's columns.
            dataset: the name that, with row number and content, makes the ids.

        Raises:
            MappingError: a column is unknown, or a value does not fit its field.
        """
        self._width = len(header)
        self._dataset = dataset
        self._payload_name = mapping.event_type.name
        self._prototype = Event(schema_version=mapping.schema_version)
        payload = getattr(self._prototype, self._payload_name)
        payload.SetInParent()
        compiler = _Compiler(mapping, header)
        self._times = compiler.times
        self._read_time = compiler.read("event.timestamp", mapping.event["timestamp"])
        self._envelope_steps = compiler.envelope_steps(self._prototype)
        self._payload_steps = compiler.steps("payload", mapping.event_type.fields, mapping.payload, payload)

    def fill(self, event: Event, record: list[str], position: int) -> None:
        """Set the event's fields from a row.

        Raises:
            RecordError: a cell does not fit its field, or there are more or fewer cells than columns.
        """
        if len(record) != self._width:
            raise RecordError(f"has {len(record)} cells where the header has {self._width}")
        cells = [*record, str(position)]
        event.CopyFrom(self._prototype)
        for step in self._envelope_steps:
            step(event, cells)
        payload = getattr(event, self._payload_name)
        for step in self._payload_steps:
            step(payload, cells)
        text = self._read_time(cells)
        try:
            moment, stamp = self._times(text)
        except ValueError as exc:
            raise refusal("timestamp", text, exc) from exc
        event.timestamp.CopyFrom(stamp)
        if not event.event_id:
            try:
                content = CELL_SEPARATOR.join(record).encode()
            except UnicodeEncodeError as exc:
                raise RecordError(f"holds {NOT_UTF8}") from exc
            event.event_id = deterministic_id(self._dataset, position, content, moment)


class _Compiler:
    """Compiles the tables of a mapping into steps, and collects the values shared by all rows in a prototype."""

    def __init__(self, mapping: Mapping, header: Sequence[str]) -> None:
        self._mapping = mapping
        self._header = header
        self.times = TimeParser(mapping.zone, mapping.timestamp_format)

    def envelope_steps(self, prototype: Event) -> list[Step]:
        """Compile the fields of the envelope but for `timestamp`."""
        mapping = self._mapping
        plain = {name: value for name, value in mapping.event.items() if name not in TIMES}
        steps = self.steps("event", mapping.catalogue.envelope.values(), plain, prototype)
        if "sent_at" in mapping.event:
            steps.append(self._time_step("sent_at", mapping.event["sent_at"]))
        if mapping.device:
            inner = self.steps("event.device", mapping.catalogue.device, mapping.device, prototype.device)
            steps.append(_part_step(DEVICE, inner))
        return steps

    def steps(self, key: str, fields: Iterable[Field], table: Table[str, Any], prototype: Any) -> list[Step]:
        """Compile a table of fields.

        Args:
            key: where the table stands in the file, for messages.
            fields: the fields there are.
            table: the values by field name.
            prototype: the message that takes the constants.
        """
        steps: list[Step] = []
        for field in fields:
            if field.name in table:
                place = f"{key}.{field.name}"
                try:
                    steps += self._field_steps(place, field, table[field.name], prototype)
                except ValueError as exc:
                    raise self._mistake(place, str(exc)) from exc
        return steps

    def read(self, key: str, value: Any) -> Read:
        """Compile a template on its own.

        Raises:
            MappingError: it is none, or names a column that the file does not have.
        """
        if not isinstance(value, str):
            raise self._mistake(key, f"must be a string in quotes, not {value!r}")
        try:
            return Template(value).bind(self._header)
        except ValueMistakeError as exc:
            raise self._mistake(key, str(exc)) from exc

    def _field_steps(self, key: str, field: Field, value: Any, prototype: Any) -> list[Step]:
        if field.kind is Kind.OBJECT:
            if not isinstance(value, dict):
                raise ValueMistakeError("must be a table; its keys are free")
            return [_part_step(field.name, [self._key_step(f"{key}.{name}", name, value[name]) for name in value])]
        if field.kind is Kind.TEXTS:
            if not isinstance(value, list):
                raise ValueMistakeError("must be a list of strings")
            return [step_of(field, self.read(key, item)) for item in value]
        if isinstance(value, int | float) and field.kind is not Kind.TEXT:
            value = str(value)
        read = self.read(key, value)
        if (constant := Template(value).constant) is None:
            return [step_of(field, read)]
        try:
            setattr(prototype, field.name, CONVERTERS[field.kind](constant))
        except ValueError as exc:
            raise ValueMistakeError(f"{constant!r} cannot be used: {exc}") from exc
        return []

    def _time_step(self, name: str, value: Any) -> Step:
        read, times = self.read(f"event.{name}", value), self.times

        def copy(event: Any, cells: Cells) -> None:
            if text := read(cells):
                try:
                    getattr(event, name).CopyFrom(times(text)[1])
                except ValueError as exc:
                    raise refusal(name, text, exc) from exc

        return copy

    def _key_step(self, key: str, name: str, value: Any) -> Step:
        """Compile one key of an object whose keys are free; a template's value is a string there."""
        if isinstance(value, int | float):

            def put(struct: Any, _cells: Cells) -> None:
                struct[name] = value

            return put
        read = self.read(key, value)

        def put_text(struct: Any, cells: Cells) -> None:
            if text := read(cells):
                try:
                    struct[name] = text
                except ValueError as exc:
                    raise refusal(name, text, exc) from exc

        return put_text

    def _mistake(self, key: str, why: str) -> MappingError:
        return MappingError(self._mapping.path, key, why)


def _part_step(name: str, steps: Sequence[Step]) -> Step:
    """Make the step that fills a message within the message."""

    def fill(message: Any, cells: Cells) -> None:
        part = getattr(message, name)
        for step in steps:
            step(part, cells)

    return fill
