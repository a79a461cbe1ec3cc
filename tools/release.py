"""Makes a release out of the commit that is checked out: version, changelog, artefacts, commit and tag, or nothing.

The version stands in pyproject.toml alone; gateway/openapi.json repeats it, and is generated.
Nothing leaves this machine.

make release VERSION=1.2.0
"""

import argparse
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
PROJECT = "pyproject.toml"
CHANGELOG = "CHANGELOG.md"
OPENAPI = "gateway/openapi.json"
DESCRIPTORS = "generated/descriptors.binpb"
ARTEFACTS = "dist"
PYTHON_CLIENT = "clients/python"
UNRELEASED = "## Unreleased\n"
VERSION_LINE = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)
SEMVER = re.compile(r"\d+\.\d+\.\d+")


class ReleaseError(Exception):
    """There is no release; the message says why, and the tree is as it was."""


def read_version(root: Path) -> str:
    """Read the version of the service from the one place that has it."""
    found = VERSION_LINE.findall((root / PROJECT).read_text())
    if len(found) != 1:
        raise ReleaseError(f"{PROJECT} must have one line `version = ...`, and has {len(found)}")
    return str(found[0])


def date_changelog(text: str, version: str, day: date) -> str:
    """Move what stands under "Unreleased" under the version and its day, and leave an empty "Unreleased" above.

    Raises:
        ReleaseError: nothing stands there.
    """
    if text.count(UNRELEASED) != 1:
        raise ReleaseError(f"{CHANGELOG} must have one heading `{UNRELEASED.strip()}`")
    before, after = text.split(UNRELEASED)
    if not re.match(r"\s*(###|-)", after):
        raise ReleaseError(f"{CHANGELOG} has nothing under `{UNRELEASED.strip()}`: say what the release changes")
    return f"{before}{UNRELEASED}\n## {version} - {day.isoformat()}\n{after}"


def require_ready(root: Path, version: str) -> None:
    """Make sure that this commit can become that version.

    Raises:
        ReleaseError: the version is none or not new, or the tree has changes that are not committed.
    """
    try:
        is_new = Version(version) >= Version(read_version(root))
    except InvalidVersion:
        is_new = False
    if not SEMVER.fullmatch(version) or not is_new:
        raise ReleaseError(f"VERSION must be like 1.2.0 and not before {read_version(root)}: {version!r}")
    if _git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"v{version} is released already")
    if changed := _git(root, "status", "--porcelain"):
        raise ReleaseError(f"commit these changes first, or drop them:\n{changed}")


def release(root: Path, version: str, *, checks: str, day: date) -> list[Path]:
    """Check, edit, build, commit and tag.

    Returns:
        The artefacts, in dist/.

    Raises:
        ReleaseError: the tree is not ready, or a step failed; the files are as they were.
    """
    require_ready(root, version)
    dated = date_changelog((root / CHANGELOG).read_text(), version, day)
    _run(root, *shlex.split(checks))
    try:
        project = (root / PROJECT).read_text()
        (root / PROJECT).write_text(VERSION_LINE.sub(f'version = "{version}"', project))
        (root / CHANGELOG).write_text(dated)
        (root / OPENAPI).write_text(_run(root, sys.executable, "-m", "tools.openapi", DESCRIPTORS))
        artefacts = build(root, version)
        _git(root, "commit", "--quiet", "--message", f"Release {version}", "--", PROJECT, CHANGELOG, OPENAPI)
    except BaseException:
        _git(root, "checkout", "--", PROJECT, CHANGELOG, OPENAPI)
        raise
    _git(root, "tag", "--annotate", "--message", f"Release {version}", f"v{version}")
    return artefacts


def build(root: Path, version: str) -> list[Path]:
    """Build into an empty dist/.

    The sdist and the wheel of the service, those of the Python client that it needs (which has a version of its own),
    the contract as one archive, and their checksums.
    """
    folder = root / ARTEFACTS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for project in (root, root / PYTHON_CLIENT):
        _run(project, sys.executable, "-m", "hatchling", "build", "--directory", str(folder))
    with zipfile.ZipFile(folder / f"sociallive-analytics-protos-{version}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for proto in sorted((root / "proto").rglob("*.proto")):
            archive.write(proto, proto.relative_to(root / "proto"))
        archive.write(root / DESCRIPTORS, Path(DESCRIPTORS).name)
    artefacts = sorted(folder.iterdir())
    lines = (f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in artefacts)
    (folder / "SHA256SUMS").write_text("".join(lines))
    return [*artefacts, folder / "SHA256SUMS"]


def _git(root: Path, *arguments: str) -> str:
    return _run(root, "git", *arguments).strip()


def _run(root: Path, *command: str) -> str:
    """Run a command in the repository; its errors go to ours.

    Raises:
        ReleaseError: it failed.
    """
    try:
        done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    except OSError as exc:
        raise ReleaseError(f"`{shlex.join(command)}`: {exc.strerror}") from exc
    if done.returncode:
        raise ReleaseError(f"`{shlex.join(command)}` ended with {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def main() -> int:
    """Release what the command line asks for; the exit code is 1 where there is no release."""
    arguments = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    arguments.add_argument("version", help="such as 1.2.0")
    arguments.add_argument("--checks", default="make ci", help="what must succeed before; `make ci` unless told")
    options = arguments.parse_args()
    try:
        artefacts = release(Path.cwd(), options.version, checks=options.checks, day=datetime.now(UTC).date())
    except ReleaseError as exc:
        print(f"no release: {exc}", file=sys.stderr)
        return 1
    print("".join(f"{path.relative_to(Path.cwd())}\n" for path in artefacts), end="")
    print(f"Released {options.version} on this machine. Publish it: git push --follow-tags, and upload {ARTEFACTS}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
