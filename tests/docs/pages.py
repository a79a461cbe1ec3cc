"""The documents that people read, and the fenced blocks in them.

A comment in the line above a block says what its test has to know:

    <!-- not run: the reason -->
    <!-- exits with 1: the reason -->

Blocks of `sh` and of `python` run; `py` is a part of a file.
"""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "clients/*/*.md")
    for path in ROOT.glob(pattern)
    if not {"node_modules", ".dart_tool"} & set(path.parts)
)
"""Every document, relative to the root of the repository."""

COMMENT = re.compile(r"^ *<!-- (?P<kind>not run|exits with (?P<code>\d+)): (?P<reason>\S.*) -->$")
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its content, and what the comment above it says."""

    page: str
    line: int
    language: str
    content: str
    exit_code: int = 0
    skipped_because: str = ""


def read_blocks(page: str) -> list[Block]:
    """Read the fenced blocks of a page, in order; `page` is relative to the root of the repository."""
    blocks: list[Block] = []
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = number, fence["language"]
            continue
        begin, language = opened
        opened = None
        content = textwrap.dedent("\n".join(lines[begin : number - 1])) + "\n"
        comment = COMMENT.match(lines[begin - 2]) if begin > 1 else None
        if comment is None:
            blocks.append(Block(page, begin, language, content))
        elif comment["code"] is None:
            blocks.append(Block(page, begin, language, content, skipped_because=comment["reason"]))
        else:
            blocks.append(Block(page, begin, language, content, exit_code=int(comment["code"])))
    assert opened is None, f"{page}: the block that begins at {opened} does not end"
    return blocks
