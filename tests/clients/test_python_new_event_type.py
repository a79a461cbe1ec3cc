"""A new event type is typed in the Python client by `make gen` alone: by its .proto file and one line of the oneof."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.changed_protos import add_event_type, generate_code, read_catalogue
from tests.clients.fresh_environment import CLIENT
from tools.proto_comments import read_comments
from tools.python_client import write_module

FOLLOW = """
// Somebody follows somebody.
message FollowEvent {
  option (event_type) = {
    name: "follow"
    versions: [{version: "1.0.0" released: "2026-01-01"}]
  };

  // Who is followed.
  string followed_id = 1 [(rules) = {required: true max_length: 64}];
  // How often the two have met.
  optional int32 meetings = 2;
}
"""
TRACK = """
from sociallive.analytics.v1.event_pb2 import Event
from sociallive_analytics import Analytics
from sociallive_analytics.context import Envelope

analytics = Analytics()
event = analytics._encoder.encode("follow", {"followedId": "bob", "meetings": 2}, Envelope(user_id="ann"))
follow = Event.FromString(event.body).follow
print(follow.followed_id, follow.meetings, Event.FromString(event.body).schema_version)
help(analytics.track_follow)
"""
TYPED = """
from sociallive_analytics import Analytics

Analytics().track_follow(followed_id="bob", meetings=2, user_id="ann")
"""
WRONG = """
Analytics().track_follow(meetings=2)
Analytics().track_follow(followed_id="bob", meetings="two")
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The PYTHONPATH of a client that was generated with a sixth event type."""
    folder = tmp_path_factory.mktemp("sixth")
    protos = add_event_type(folder, "follow", "FollowEvent", FOLLOW)
    catalogue = read_catalogue(protos)
    client = folder / "client"
    shutil.copytree(CLIENT / "src", client)
    # read_catalogue has compiled the protos into an image without comments, so these are compiled once more.
    image = folder / "comments.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{Path('.deps/googleapis').resolve()}"]
    command += ["--include_imports", "--include_source_info", f"--descriptor_set_out={image}"]
    subprocess.run([*command, "sociallive/analytics/v1/event.proto"], check=True)
    module = write_module(catalogue, read_comments(image.read_bytes()))
    (client / "sociallive_analytics" / "catalogue.py").write_text(module)
    return f"{client}{os.pathsep}{generate_code(protos)}"


def test_it_can_be_tracked_by_name_and_by_a_method_with_its_documentation(path: str, tmp_path: Path) -> None:
    """The method's documentation is the .proto file's."""
    run = subprocess.run(
        [sys.executable, "-c", TRACK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[0] == "bob 2 1.0.0"
    assert "Somebody follows somebody." in run.stdout
    assert "meetings: How often the two have met." in run.stdout


@pytest.mark.slow
def test_mypy_knows_its_fields(path: str, tmp_path: Path) -> None:
    """A missing one and one of a wrong type are errors."""
    for text, errors in ((TYPED, 0), (TYPED + WRONG, 2)):
        (tmp_path / "typed.py").write_text(text)
        run = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "typed.py"],
            cwd=tmp_path,
            env={**os.environ, "MYPYPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        found = [line for line in run.stdout.splitlines() if line.startswith("typed.py") and "error:" in line]
        assert len(found) == errors, run.stdout
