"""Links between documents, as a code host shows them, lead to a file and to a heading in it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<path>[^)#\s]*)(?:#(?P<anchor>[^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """List the anchors of a document's headings: lower case, hyphens for spaces, without other punctuation."""
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in HEADING.findall(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    """Each file exists, and each anchor is that of a heading."""
    text = CODE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for match in LINK.finditer(text):
        target = (ROOT / page).parent / match["path"] if match["path"] else ROOT / page
        assert target.exists(), match.group()
        assert match["anchor"] is None or match["anchor"] in anchors(target), match.group()


def test_the_pattern_finds_links() -> None:
    """Of the README, at least a dozen."""
    assert len(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))) > 12
