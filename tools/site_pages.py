"""Adds the documents beside docs/ to the site, with their links changed to fit; a hook of mkdocs.yml."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "SECURITY.md": "security-policy.md"}
"""Names in the site, by names at the root of the repository."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add each document of PAGES as a page of the site."""
    root = Path(config.config_file_path).parent
    for source, name in PAGES.items():
        files.append(File.generated(config, name, content=move_links((root / source).read_text(encoding="utf-8"))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs calls it so
    """Change the links of pages in docs/ to documents beside docs/."""
    for source, name in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({name}")
    return markdown


def move_links(text: str) -> str:
    """Change links from the root of the repository into links from docs/.

    Example: "[a](docs/jobs.md), [b](CONTRIBUTING.md)" becomes "[a](jobs.md), [b](contributing.md)".
    """
    for source, name in PAGES.items():
        text = text.replace(f"]({source}", f"]({name}")
    return text.replace("](docs/", "](")
