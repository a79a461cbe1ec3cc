"""The documentation builds as a site without a warning, loads nothing from other hosts, and shows what is written."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

LOADED = re.compile(r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"(?P<src>[^\"]*)\"|<link\b(?P<link>[^>]*)>")
NOT_LOADED = re.compile(r'rel="(?:canonical|next|prev)"')
CODE = re.compile(r"<(pre|code|script|style)\b.*?</\1>", re.DOTALL)
UNRENDERED = re.compile(r"^(?:<p>)?(?:- |\d+\. |#+ |\| ?-|```)|\*\*\w|\]\(\w", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it: a broken link or anchor is an error."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    """Those of docs/, and the ones beside it."""
    pages = {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")}
    documents = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert pages >= {".", "contributing", "security-policy"} | documents


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    """No font, script, style or picture."""
    loaded = 0
    for path in site.rglob("*.html"):
        for match in LOADED.finditer(path.read_text(encoding="utf-8")):
            if match["link"] and NOT_LOADED.search(match["link"]):
                continue
            loaded += 1
            assert "//" not in (match["src"] or match["link"]), f"{path.relative_to(site)}: {match.group()}"
    assert loaded > 20
    for path in site.rglob("*.css"):
        assert "url(http" not in path.read_text(encoding="utf-8"), path.name


def test_lists_and_tables_are_rendered(site: Path) -> None:
    """Markdown that the site shows as it was typed is laid out differently from what a code host understands."""
    for path in site.rglob("index.html"):
        _, _, rest = path.read_text(encoding="utf-8").partition("<article")
        article = CODE.sub("<code></code>", rest.partition("</article>")[0])
        assert UNRENDERED.findall(article) == [], path.relative_to(site)


def test_pictures_are_well_formed() -> None:
    """Those that are written by hand."""
    pictures = list(ROOT.glob("docs/*.svg"))
    assert pictures
    for path in pictures:
        assert ET.parse(path).getroot().tag.endswith("svg")  # noqa: S314 - a file of this repository
