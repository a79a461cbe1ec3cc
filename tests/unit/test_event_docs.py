"""docs/events.md tells app developers the truth: every field is there, and every example is a valid event."""

import json
import re
from pathlib import Path

import pytest

from events.event_type import EventType
from tests.unit.event_samples import CATALOGUE
from tests.unit.json_schemas import schema_accepts, service_accepts
from tools.event_docs import example_of, write_document
from tools.proto_comments import read_comments

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
COMMENTS = read_comments((ROOT / "generated" / "descriptors.binpb").read_bytes())


def test_the_document_is_what_the_generator_writes() -> None:
    """Also where buf is not at hand; `make gen` writes both anew."""
    assert write_document(CATALOGUE, COMMENTS) == DOCUMENT


def test_every_json_of_the_document_is_a_valid_event() -> None:
    """What a reader copies works: by validation, and by the JSON Schema."""
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
    assert len(examples) == 1 + len(CATALOGUE.types)
    for example in examples:
        assert service_accepts(example), example
        assert schema_accepts(example), example


@pytest.mark.parametrize("event_type", CATALOGUE.types.values(), ids=lambda event_type: event_type.name)
def test_a_type_has_a_row_for_every_field_and_an_example(event_type: EventType) -> None:
    """With both names, its first version, and what its comment says."""
    section = DOCUMENT.partition(f"\n## `{event_type.name}`\n")[2].partition("\n## ")[0]
    for field in event_type.fields:
        (row,) = [line for line in section.splitlines() if f"| `{field.name}` |" in line]
        star = "\\*" if field.required else ""
        assert row.startswith(f"| `{field.json_name}`{star} |")
        assert f"| {field.since or '-'} |" in row
        assert COMMENTS[f"{event_type.message_class.DESCRIPTOR.full_name}.{field.name}"] in row
    assert json.dumps(example_of(event_type, COMMENTS), indent=2) in section
