"""Lists the faults of design/findings.md that no test shows to be mended.

A test names the faults that it covers by `@pytest.mark.finding(12)`. Exits with 1 where a fault that is due has no
test.

make findings
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FINDINGS = Path("../shared/design/findings.md")
LATER = frozenset({1, 4, 6, 7, 9, 10, 16, 32})
"""Faults that the new storage and the new reports mend as a whole."""


def covered(tests: Path) -> set[int]:
    """Collect the numbers that the tests below a folder are marked with."""
    return {number for path in tests.rglob("test_*.py") for number in _marks(ast.parse(path.read_text()))}


def _marks(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.finding":
            yield from (ast.literal_eval(value) for value in node.args)


def listed(text: str) -> dict[int, str]:
    """Read the numbered faults, each as one line."""
    entries = re.findall(r"^(\d+)\. (.*?)(?=^\d+\. |^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return {int(number): " ".join(entry.split()) for number, entry in entries}


def main() -> int:
    """Print the faults without a test; the exit code is 1 where one of them is due."""
    if not FINDINGS.exists():
        print(f"{FINDINGS} is not here: it comes with the design, not with this repository")
        return 0
    shown = covered(Path("tests"))
    missing = {number: entry for number, entry in listed(FINDINGS.read_text()).items() if number not in shown}
    for number, entry in missing.items():
        print(f"{number:3} {'later' if number in LATER else 'due':5} {entry[:100]}")
    due = missing.keys() - LATER
    print(f"{len(due)} due without a test, {len(missing) - len(due)} left to later work")
    return bool(due)


if __name__ == "__main__":
    sys.exit(main())
