"""The lowest versions in pyproject.toml are ones that the generated code takes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]


def bounds() -> dict[str, Version]:
    """Read the lowest version of each dependency."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for requirement in map(Requirement, project["dependencies"]):
        (bound,) = (each.version for each in requirement.specifier if each.operator == ">=")
        found[requirement.name] = Version(bound)
    return found


@pytest.mark.finding(24)
@pytest.mark.parametrize(
    ("package", "files", "pattern"),
    [
        ("protobuf", "*_pb2.py", r"# Protobuf Python Version: ([\d.]+)"),
        ("grpcio", "*_pb2_grpc.py", r"GRPC_GENERATED_VERSION = '([\d.]+)'"),
    ],
)
def test_the_generated_code_takes_the_lowest_version(package: str, files: str, pattern: str) -> None:
    """It refuses to be imported with anything older than what generated it."""
    generated = {
        Version(found[1])
        for path in (ROOT / "generated").rglob(files)
        if (found := re.search(pattern, path.read_text())) is not None
    }
    assert generated
    assert bounds()[package] >= max(generated)
