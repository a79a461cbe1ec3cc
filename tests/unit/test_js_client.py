"""The typed part of the TypeScript clients follows from the .proto files alone."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.changed_protos import add_event_type, read_catalogue
from tests.unit.event_samples import CATALOGUE
from tools.js_client import EVENTS, HELPER, write_events, write_files, write_helper
from tools.proto_comments import read_comments

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "js"
PACKAGES = CLIENT / "packages"
COMMENTS = read_comments((ROOT / "generated" / "descriptors.binpb").read_bytes())
TIP = """
// A viewer tips a streamer.
message TipEvent {
  option (event_type) = {
    name: "tip"
    versions: [{version: "1.0.0" released: "2026-01-01"}]
  };

  // Who gets it.
  string streamer_id = 1 [(rules) = {required: true max_length: 64}];
  // How loud it is shown.
  string volume = 2 [(rules) = {allowed_values: ["low", "high"]}];
}
"""
USE = """
import { Analytics, AnalyticsHelper } from "@sociallive/analytics-node";
new Analytics().track("tip", { streamerId: "ann", volume: "low" });
AnalyticsHelper.trackTip("bob", "ann", { volume: "high" });
// @ts-expect-error - there is no such volume
AnalyticsHelper.trackTip("bob", "ann", { volume: "off" });
// @ts-expect-error - streamerId is required
new Analytics().track("tip", { volume: "low" });
"""


def test_the_files_are_what_the_generator_writes() -> None:
    """Also where buf is not at hand; `make gen` writes both anew."""
    assert (PACKAGES / EVENTS).read_text() == write_events(CATALOGUE, COMMENTS)
    assert (PACKAGES / HELPER).read_text() == write_helper(CATALOGUE, COMMENTS)


def test_a_type_has_an_interface_with_every_field_of_every_type() -> None:
    """Required ones without a question mark, except a currency, which the client fills."""
    text = write_events(CATALOGUE, COMMENTS)
    for event_type in CATALOGUE.types.values():
        interface = text.partition(f"export interface {event_type.name.capitalize()}Data {{")[2].partition("\n}")[0]
        for field in event_type.fields:
            required = field.required and field.format != "CURRENCY"
            assert f"  {field.json_name}{':' if required else '?:'} " in interface
        assert f'  {event_type.name}: ["{event_type.newest}"' in text


@pytest.mark.slow
def test_a_sixth_event_type_is_typed_after_generation_alone(tmp_path: Path) -> None:
    """In `track` and in the helper: TypeScript accepts right uses of it, and no wrong ones."""
    compiler = CLIENT / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        installed = subprocess.run([CLIENT / "check", "--install"], capture_output=True, text=True, check=False)
        if installed.returncode:
            pytest.skip(installed.stdout)
    shutil.copytree(PACKAGES, tmp_path / "packages", ignore=shutil.ignore_patterns("dist", "test", "conformance*"))
    shutil.copy(CLIENT / "tsconfig.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(CLIENT / "node_modules")
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    write_files(read_catalogue(add_event_type(tmp_path, "tip", "TipEvent", TIP)), COMMENTS, tmp_path / "packages")
    use = tmp_path / "packages" / "analytics-node" / "src" / "use.ts"
    use.write_text(USE)
    compiled = subprocess.run([compiler, "--project", tmp_path], capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
