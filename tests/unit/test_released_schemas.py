"""The snapshot of released versions: what they mean is compared word by word, and a difference is explained."""

import json
from pathlib import Path

import pytest

from tests.changed_protos import copy_protos, read_catalogue
from tests.unit.event_samples import CATALOGUE
from tools import released_schemas
from tools.released_schemas import RELEASED, changes, describe

VIEW = "view_event.proto"


def test_the_committed_snapshot_is_what_the_protos_say() -> None:
    """Every version of every type is in it."""
    released = json.loads(RELEASED.read_text())
    assert released == json.loads(json.dumps(describe(CATALOGUE)))
    assert {"view 1.0.0", "view 1.1.0", "session 1.1.0", "event", "device"} <= released.keys()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (VIEW, "maximum: 86400", "maximum: 3600", ["view 1.1.0: viewDuration: maximum was 86400.0 and is 3600.0"]),
        (VIEW, 'since: "1.1.0"\n    max_length: 2048', "max_length: 2048", ["view 1.0.0: the field referrer is new"]),
        (VIEW, "string referrer = 5", "repeated string referrer = 5", ["view 1.1.0: referrer: kind was"]),
        (
            VIEW,
            "    minimum: 0\n    maximum: 1\n",
            "    maximum: 1\n",
            ["scrollDepth: minimum was 0.0 and is not there"],
        ),
        (VIEW, '        released: "2024-06-01"', '        released: "2024-07-01"', []),
        (VIEW, '      "profile"', '      "profile",\n      "story"', []),
        ("event.proto", "(rules) = {max_length: 128}", "(rules) = {max_length: 64}", ["device: model: max_length was"]),
        ("event.proto", "  string model = 2", "  string maker = 9;\n  string model = 2", []),
    ],
)
def test_a_change_of_meaning_is_told_and_others_are_free(
    tmp_path: Path, file: str, old: str, new: str, told: list[str]
) -> None:
    """What tells people and judges no event may change, and what all events share may grow."""
    current = describe(read_catalogue(copy_protos(tmp_path, {}, {file: (old, new)})))
    found = list(changes(describe(CATALOGUE), current))
    assert len(found) == len(told)
    assert all(part in line for part, line in zip(told, found, strict=True))


def test_writing_adds_versions_and_changes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a careless `make gen` cannot hide a change."""
    snapshot = tmp_path / "released.json"
    monkeypatch.setattr(released_schemas, "RELEASED", snapshot)
    kept = {"view 1.0.0": {"contentType": {"kind": "NUMBER"}}, "device": {}}
    snapshot.write_text(json.dumps(kept))
    monkeypatch.setattr("sys.argv", ["released_schemas", "--write"])
    assert released_schemas.main() == 0
    written = json.loads(snapshot.read_text())
    assert written["view 1.0.0"] == kept["view 1.0.0"]
    assert written["view 1.1.0"].keys() >= {"contentType", "referrer"}
    assert "model" in written["device"]
    monkeypatch.setattr("sys.argv", ["released_schemas"])
    assert released_schemas.main() == 1
