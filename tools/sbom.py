"""Writes the software bill of materials of the service, in CycloneDX JSON, from the lock file.

Run as `python -m tools.sbom`, as `make sbom` does. The same lock file always gives the same document.
"""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

PROJECT, LOCK = Path("pyproject.toml"), Path("requirements.lock")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)\s*(?:;\s*(.*?))?\s*\\?$", re.MULTILINE)
"""A package, its version and the environments that need it."""
SPEC_VERSION = "1.6"


def bill_of_materials(project: str, lock: str) -> dict[str, Any]:
    """Describe a project and the packages that its lock file pins.

    Args:
        project: the text of pyproject.toml.
        lock: the text of a lock file.
    """
    about = tomllib.loads(project)["project"]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": {"type": "application", "name": about["name"], "version": about["version"]}},
        "components": [_component(name, version, marker) for name, version, marker in PIN.findall(lock)],
    }


def _component(name: str, version: str, marker: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    made: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if marker:
        made["properties"] = [{"name": "python:marker", "value": marker}]
    return made


if __name__ == "__main__":
    print(json.dumps(bill_of_materials(PROJECT.read_text(), LOCK.read_text()), indent=1))
