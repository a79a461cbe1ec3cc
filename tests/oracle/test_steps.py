"""Steps: the rows of a table that match are the events that the definition names."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest

from reports.patterns import matching
from reports.patterns.matching import columns_of, columns_of_field, texts_of
from reports.patterns.predicates import EventPattern, FieldPath
from server.reports.steps import parse_field, parse_step
from storage.segments.files import SegmentReader, write_segment
from storage.segments.tables import concatenate
from tests.event_tables import KNOWN, make_table
from tests.oracle import matching as definition
from tests.oracle.history import Happening, make_histories

START = datetime(2026, 3, 10, tzinfo=UTC)

STEPS = [
    "",
    "view",
    ":platform=web",
    ":platform!=web",
    ":platform>ios",
    ":platform in (ios, android)",
    ":device.os=iOS",
    ":device.osVersion exists",
    ":device.osVersion!=18",
    ":userId exists",
    ":sessionId exists",
    ":userAgent exists",
    ":schemaVersion>=1.1.0",
    "view:contentType=post",
    "view:contentType!=post,platform=ios",
    "view:viewDuration!=5",
    "view:referrer exists",
    "engagement:action in (like, share)",
    "engagement:metadata.source=feed",
    "engagement:metadata.source!=feed",
    'engagement:metadata.source=""',
    "engagement:metadata.source>f",
    "engagement:metadata.source=1",
    'engagement:metadata.source="1"',
    "engagement:metadata.source>=1",
    "engagement:metadata.source<1.5",
    "engagement:metadata.source=true",
    "engagement:metadata.source!=true",
    "engagement:metadata.source exists",
    "engagement:metadata.source in (feed, 1.50, false)",
    "engagement:metadata.source.deeper exists",
    "engagement:metadata.nothing!=1",
    "purchase:amount>=20",
    "purchase:amount>20.00",
    "purchase:amount=0.1",
    "purchase:amount!=0.10",
    "purchase:amount<1e1",
    "purchase:amount in (0, 20.010)",
    "purchase:conversionPath=feed",
    "purchase:conversionPath!=feed",
    "purchase:conversionPath in (post, other)",
    "purchase:conversionPath exists",
]


MOMENTS = [START + timedelta(hours=hour) for hour in range(12)]
EVENTS = [
    event
    for history in make_histories(1, 150, moments=MOMENTS, received_at=START + timedelta(days=1)).values()
    for event in history
]
TABLE = make_table([event.row() for event in EVENTS])
"""Some hundred events of every kind."""


def _read_back(table: pa.Table) -> pa.Table:
    file = write_segment(table)
    reader = SegmentReader(file.footer, file.sums, "test")
    return reader.read({part: file.data[part.offset : part.offset + part.length] for part in reader.ranges()})


FORMS: dict[str, Callable[[pa.Table], list[pa.Table]]] = {
    "as blocks": lambda table: [table],
    "as a segment": lambda table: [_read_back(table)],
    "as a few rows of a large table": lambda table: [table.slice(start, 3) for start in range(0, len(table), 3)],
    "as a filtered table": lambda table: [table.filter(pa.array(np.arange(len(table)) % 2 == odd)) for odd in (0, 1)],
    "as joined parts": lambda table: [concatenate([table.slice(0, 7), table.slice(7)])],
    "as chunks with dictionaries of their own": lambda table: [
        pa.concat_tables([_read_back(table.slice(0, 40)), _read_back(table.slice(40))], promote_options="permissive")
    ],
}
"""The tables in which a report may find the same events."""


def matched(tables: list[pa.Table], pattern: EventPattern) -> list[str]:
    """List the ids of the events that match, reading no other columns than those that a report would."""
    needed = {"event_id", *columns_of(pattern, KNOWN)}
    ids = []
    for table in tables:
        part = table.select([name for name in table.column_names if name in needed])
        found = matching.matches(part, pattern)
        assert found.dtype == bool
        ids += [str(UUID(bytes=value)) for value in part["event_id"].filter(pa.array(found)).to_pylist()]
    return sorted(ids)


def named(pattern: EventPattern) -> list[str]:
    """List the ids of the events that a pattern names by its definition."""
    return sorted(event.event_id for event in EVENTS if definition.matches(pattern, event))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", STEPS)
def test_a_step_finds_the_events_that_its_definition_names(text: str, form: str) -> None:
    """Every operator on every kind of field, missing ones included."""
    pattern = parse_step(text, "step", any_event=True)
    assert matched(FORMS[form](TABLE), pattern) == named(pattern)


def test_the_steps_above_are_worth_asking() -> None:
    """Nearly every one of them finds some events and misses others."""
    found = {text: len(named(parse_step(text, "", any_event=True))) for text in STEPS}
    assert {text for text, count in found.items() if count == 0} == {
        ":userAgent exists",
        "view:viewDuration!=5",
        "view:referrer exists",
        "engagement:metadata.source.deeper exists",
        "engagement:metadata.nothing!=1",
    }
    assert [text for text, count in found.items() if count == len(EVENTS)] == ["", ":schemaVersion>=1.1.0"]


def text_at(path: FieldPath, event: Happening) -> str | None:
    """Read a field as the text that a report shows."""
    value = definition.value_at(path, event)
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["platform", "device.os", "contentType", "metadata.source", "amount"])
def test_a_field_is_read_alike(name: str, form: str) -> None:
    """As text; a number as it prints, a missing value and null as nothing."""
    path = parse_field(name, "breakdown", ("view", "engagement", "purchase"))
    needed = {"event_id", *columns_of_field(path, KNOWN)}
    read = []
    for table in FORMS[form](TABLE):
        part = table.select([column for column in table.column_names if column in needed])
        texts = texts_of(part, path).to_pylist()
        read += [(str(UUID(bytes=key)), text) for key, text in zip(part["event_id"].to_pylist(), texts, strict=True)]
    assert sorted(read) == sorted((event.event_id, text_at(path, event)) for event in EVENTS)
