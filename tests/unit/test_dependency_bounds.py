"""The versions that the service and its Python client allow are ones that the generated code takes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def bounds(project_file: str) -> dict[str, Version]:
    """Read the lowest version of each dependency."""
    project = tomllib.loads((ROOT / project_file).read_text())["project"]
    found = {}
    for requirement in map(Requirement, project["dependencies"]):
        (bound,) = (each.version for each in requirement.specifier if each.operator == ">=")
        found[requirement.name] = Version(bound)
    return found


@pytest.mark.finding(24)
@pytest.mark.parametrize("project_file", ["pyproject.toml", "clients/python/pyproject.toml"])
@pytest.mark.parametrize(
    ("package", "files", "pattern"),
    [
        ("protobuf", "*_pb2.py", r"# Protobuf Python Version: ([\d.]+)"),
        ("grpcio", "*_pb2_grpc.py", r"GRPC_GENERATED_VERSION = '([\d.]+)'"),
    ],
)
def test_the_generated_code_takes_the_lowest_version(project_file: str, package: str, files: str, pattern: str) -> None:
    """It refuses to be imported with anything older than what generated it."""
    generated = {
        Version(found[1])
        for path in (ROOT / "generated").rglob(files)
        if (found := re.search(pattern, path.read_text())) is not None
    }
    assert generated
    assert bounds(project_file)[package] >= max(generated)


def test_the_generated_code_is_of_the_client_s_oldest_protobuf() -> None:
    """Protobuf runs the code of its own major version and of the one before: here 6, so that 6 and 7 both run it."""
    text = (ROOT / "generated/sociallive/analytics/v1/event_pb2.py").read_text()
    assert re.search(r"# Protobuf Python Version: 6\.", text)
