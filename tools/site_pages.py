"""Adds the documents beside docs/ to the site, with their links changed to fit; a hook of mkdocs.yml."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security-policy.md"}
"""Names in the site, by names at the root of the repository."""
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")
"""A link to a file; links to other hosts have a colon, and links within a page no path."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each document of PAGES as a page of the site."""
    root = Path(config.config_file_path).parent
    for source, name in PAGES.items():
        markdown = (root / source).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, name, content=markdown))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - by name
    """Change the links of a page to files that have another name in the site, or are not in it."""
    folder = Path(page.file.src_uri).parent
    return LINK.sub(lambda match: move_link(match, folder, Path(config.docs_dir)), markdown)


def move_link(match: re.Match[str], folder: Path, docs: Path) -> str:
    """Change a link to a document beside docs/ into one to its page; only name any other file outside docs/.

    Example: "[a](../CONTRIBUTING.md#tests)" becomes "[a](contributing.md#tests)", "[b](../proto)" "b (`proto`)".
    """
    target = (docs / folder / match["path"]).resolve()
    if target.is_relative_to(docs.resolve()) and target.exists():
        return match.group()
    path = match["path"].removeprefix("../")
    if path in PAGES:
        return f"[{match['text']}]({PAGES[path]}{match['anchor'] or ''})"
    if (docs.parent / path).exists():
        return f"{match['text']} (`{path}`)"
    return match.group()
