"""The payload types of the Dart client follow from the .proto files alone."""

from pathlib import Path

import pytest

from tests.changed_protos import add_event_type, copy_protos, read_catalogue
from tests.unit.event_samples import CATALOGUE
from tools.dart_types import write_types
from tools.proto_comments import read_comments

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "clients/dart/analytics_service/lib/src/generated/payloads.dart"
FOLLOW = """
// Somebody follows somebody, perhaps for money.
message FollowEvent {
  option (event_type) = {
    name: "follow"
    versions: [{version: "1.0.0" released: "2026-01-01"}, {version: "2.0.0" released: "2026-06-01"}]
  };

  // Who is followed.
  string followed_id = 1 [(rules) = {required: true max_length: 64}];
  // Whether the app is told.
  bool notify = 2 [(rules) = {since: "2.0.0"}];
  // A word that Dart reserves.
  string class = 3 [(rules) = {max_length: 64}];
  // What is paid in.
  string fee_currency = 4 [(rules) = {required: true format: TEXT_FORMAT_CURRENCY}];
}
"""


def write_changed(protos: Path) -> str:
    """Write the types of changed .proto files."""
    catalogue = read_catalogue(protos)
    return write_types(catalogue, read_comments((protos.parent / "image.binpb").read_bytes()))


def test_the_types_are_what_the_generator_writes() -> None:
    """`make gen` writes them anew."""
    comments = read_comments((ROOT / "generated" / "descriptors.binpb").read_bytes())
    assert write_types(CATALOGUE, comments) == COMMITTED.read_text()


def test_a_new_event_type_is_a_class_with_its_fields(tmp_path: Path) -> None:
    """Required fields are required, and a currency has a default."""
    text = write_changed(add_event_type(tmp_path, "follow", "FollowEvent", FOLLOW))
    _, _, written = text.partition("/// Somebody follows somebody, perhaps for money.\nclass FollowEvent ")
    body, _, rest = written.partition("\n}\n")
    for line in (
        "    required this.followedId,",
        "  /// Who is followed.\n  final String followedId;",
        "    this.notify,",
        "  final bool? notify;",
        "        if (class_ != null) 'class': class_,",
        "  final String? feeCurrency;",
        "  String get eventType => 'follow';",
        "  String get schemaVersion => '2.0.0';",
    ):
        assert line in body, line
    assert "  'follow': '2.0.0',\n" in rest
    assert "  'follow': ['feeCurrency'],\n" in rest


@pytest.mark.parametrize("changed", ["// The content's id.", "string content_id = 2 [(rules) = {"])
def test_a_changed_field_changes_the_types(tmp_path: Path, changed: str) -> None:
    """Its comment, and its name."""
    other = changed.replace("content", "subject")
    text = write_changed(copy_protos(tmp_path, {}, {"view_event.proto": (changed, other)}))
    assert text != COMMITTED.read_text()
    assert ("The subject's id." in text) or ("required this.subjectId," in text)
