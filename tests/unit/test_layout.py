"""The layout of the repository: folders of a readable size, and one meaning for a name."""

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("bench", "cli", "events", "examples", "gateway", "jobs", "reports", "runtime", "server", "storage", "tools")
"""All that people write but tests, which name what they need beside where they need it."""
MOST_MODULES = 15
UNCLEAR = frozenset({"Found", "Order", "Read", "Wanted", "Written"})
"""Names that say nothing without their file."""


def modules() -> list[Path]:
    """List the modules of the rooms."""
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


@cache
def classes() -> dict[str, list[str]]:
    """List the files that define a class, by its name."""
    found = defaultdict(list)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    return found


def test_a_folder_holds_few_modules() -> None:
    """A reader takes a folder in at a glance."""
    sizes: dict[str, int] = defaultdict(int)
    for path in modules():
        if path.name != "__init__.py":
            sizes[str(path.parent.relative_to(ROOT))] += 1
    assert set(ROOMS) <= sizes.keys()
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_two_classes_have_one_name() -> None:
    """A name found by a search is the thing that was looked for."""
    found = classes()
    assert "JobRequest" in found
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


def test_a_class_is_named_by_what_it_is() -> None:
    """Also one that only its own module uses."""
    assert {name: files for name, files in classes().items() if name.lstrip("_") in UNCLEAR} == {}
