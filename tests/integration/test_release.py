"""The release procedure of docs/releasing.md, rehearsed in a clone that is thrown away."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

from tools.release import ReleaseError, date_changelog, read_version

ROOT = Path(__file__).parents[2]
DAY = date(2026, 5, 1)


def git(folder: Path, *arguments: str) -> str:
    """Run git and return what it prints."""
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of the last commit, with a change to release, and without tags."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-tags", ROOT.as_uri(), str(folder))
    git(folder, "config", "user.name", "Releaser")
    git(folder, "config", "user.email", "releaser@example.com")
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased\n", "## Unreleased\n\n- A change.\n"))
    git(folder, "commit", "--quiet", "--all", "--message", "Change something")
    return folder


def release(folder: Path, version: str, checks: str = "true") -> "subprocess.CompletedProcess[str]":
    """Run the procedure with checks of the test's own."""
    command = [sys.executable, "-m", "tools.release", version, "--checks", checks]
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{folder / 'generated'}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_release_is_a_commit_a_tag_and_its_files(clone: Path) -> None:
    """And the next one is refused under the same version."""
    version = "7.0.1"
    done = release(clone, version)
    assert done.returncode == 0, done.stderr
    assert read_version(clone) == version
    assert f'"version": "{version}"' in (clone / "gateway" / "openapi.json").read_text()
    heading = rf"## Unreleased\n\n## {re.escape(version)} - \d{{4}}-\d\d-\d\d\n\n- A change\.\n"
    assert re.search(heading, (clone / "CHANGELOG.md").read_text())
    assert git(clone, "log", "-1", "--format=%s").strip() == f"Release {version}"
    assert git(clone, "describe", "--exact-match").strip() == f"v{version}"
    assert git(clone, "status", "--porcelain") == ""
    files = {path.name: path for path in (clone / "dist").iterdir()}
    protos = f"sociallive-analytics-protos-{version}.zip"
    client = f"sociallive_analytics_client-{read_version(clone / 'clients' / 'python')}"
    stems = (f"sociallive_analytics-{version}", client)
    packages = {f"{stem}{ending}" for stem in stems for ending in (".tar.gz", "-py3-none-any.whl")}
    assert files.keys() == {protos, "SHA256SUMS", *packages}
    sums = {f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  {name}" for name in (protos, *packages)}
    assert set(files["SHA256SUMS"].read_text().splitlines()) == sums
    assert "sociallive/analytics/v1/event.proto" in zipfile.ZipFile(files[protos]).namelist()
    again = release(clone, version)
    assert (again.returncode, again.stderr) == (1, f"no release: v{version} is released already\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("version", "checks", "told"),
    [
        ("7.0", "true", "VERSION must be like 1.2.0"),
        ("0.0.1", "true", "VERSION must be like 1.2.0 and not before"),
        ("7.0.0", "false", "`false` ended with 1"),
    ],
)
def test_a_release_that_is_refused_changes_nothing(clone: Path, version: str, checks: str, told: str) -> None:
    """No file, commit or tag."""
    before = git(clone, "rev-parse", "HEAD")
    done = release(clone, version, checks)
    assert done.returncode == 1
    assert told in done.stderr
    assert git(clone, "status", "--porcelain") + git(clone, "tag") == ""
    assert git(clone, "rev-parse", "HEAD") == before


@pytest.mark.slow
def test_a_tree_with_changes_is_not_released(clone: Path) -> None:
    """The message names the files, which stay."""
    (clone / "README.md").write_text("changed")
    done = release(clone, "7.0.0")
    assert done.returncode == 1
    assert "M README.md" in done.stderr
    assert (clone / "README.md").read_text() == "changed"


def test_unreleased_entries_move_under_the_version() -> None:
    """What was released before stays below."""
    text = "# Changelog\n\n## Unreleased\n\n### Added\n- One.\n\n## 1.0.0 - 2026-01-01\n- Old.\n"
    assert date_changelog(text, "1.1.0", DAY) == text.replace(
        "## Unreleased\n", "## Unreleased\n\n## 1.1.0 - 2026-05-01\n"
    )


@pytest.mark.parametrize(
    "text", ["# Changelog\n", "## Unreleased\n\n## 1.0.0 - 2026-01-01\n- Old.\n", "## Unreleased\n"]
)
def test_a_changelog_without_news_is_refused(text: str) -> None:
    """A release says what it changes."""
    with pytest.raises(ReleaseError, match=r"CHANGELOG\.md"):
        date_changelog(text, "1.1.0", DAY)
