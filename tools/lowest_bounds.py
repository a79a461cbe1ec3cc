"""Compares the dependencies that are installed with the lowest that pyproject.toml allows; they must be the same.

Where a bound is lower than what can be installed with the others, it promises what nobody has tried. Exits with 1 then.

make test-lowest
"""

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version


def lowest(project: dict[str, object]) -> Iterator[tuple[str, Version]]:
    """Yield each dependency that this platform needs, extras included, with its lowest version."""
    extras = project["optional-dependencies"]
    assert isinstance(extras, dict)  # noqa: S101 - as the format of the file has it
    for text in [*project["dependencies"], *(one for extra in extras.values() for one in extra)]:  # type: ignore[misc]  # likewise
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            (bound,) = (each.version for each in requirement.specifier if each.operator == ">=")
            yield requirement.name, Version(bound)


def main() -> int:
    """Print each bound that is too low; the exit code is 1 where there is one."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    wrong = [
        f"{name}>={bound} is not what can be installed: the lowest is {version(name)}"
        for name, bound in lowest(project)
        if Version(version(name)) != bound
    ]
    print("\n".join(wrong) or "all bounds of pyproject.toml can be installed together")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
