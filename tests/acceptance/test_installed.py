"""The service as an application: built, installed by `uv tool install`, and run, all away from the repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import smoke
from tools.release import read_version

ROOT = Path(__file__).parents[2]
BUILD = (sys.executable, "-m", "hatchling", "build", "--directory")
UV = str(Path(sys.executable).with_name("uv"))
NAME = "sociallive-analytics"


@pytest.mark.slow
def test_the_wheel_of_the_sdist_installs_an_application_that_works(tmp_path: Path) -> None:
    """A wheel comes from the sdist, as installers make it; the application stores an event and reports it."""
    subprocess.run([*BUILD, tmp_path, "--target", "sdist"], cwd=ROOT, check=True)
    shutil.unpack_archive(next(tmp_path.glob("*.tar.gz")), tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    subprocess.run([*BUILD, tmp_path, "--target", "wheel"], cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    # The client, which the service needs, comes from the same folder.
    subprocess.run([*BUILD, tmp_path, "--target", "wheel"], cwd=ROOT / "clients" / "python", check=True)

    programs = tmp_path / "bin"
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}} | {
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(programs),
        "UV_FIND_LINKS": str(tmp_path),
    }
    application = f"{NAME}[png] @ {wheel.as_uri()}"
    subprocess.run([UV, "tool", "install", "--python", sys.executable, application], env=environment, check=True)
    asked = subprocess.run([programs / "analytics", "--version"], capture_output=True, text=True, check=True)
    assert asked.stdout == f"analytics {read_version(ROOT)}\n"

    # Its own modules and not those of the repository: the program stands alone in a folder.
    alone = shutil.copy(smoke.__file__, tmp_path / "alone.py")
    python = tmp_path / "tools" / NAME / "bin" / "python"
    subprocess.run([python, "-I", alone], cwd=tmp_path, env=environment, check=True)
