"""Fresh virtual environments with the built client, as another project has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
UV = str(Path(sys.executable).with_name("uv"))


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project as it is published, its wheel from its source distribution; skip where that is not possible."""
    run([UV, "build", "--quiet", "--out-dir", str(folder), str(project)], "the build backend cannot be installed")
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, *requirements: str) -> Path:
    """Make an environment and return its interpreter; skip, with pip's words, where packages cannot be reached."""
    run([UV, "venv", "--quiet", "--python", sys.executable, str(folder)], "no environment can be made")
    python = folder / "bin" / "python"
    run(
        [UV, "pip", "install", "--quiet", "--python", str(python), *requirements],
        f"cannot install {', '.join(Path(name).name for name in requirements)}",
    )
    return python


def run(arguments: list[str], reason: str) -> None:
    """Run a command; skip for a reason if it fails."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{reason}: {done.stderr.strip().splitlines()[-1:]}")


def run_there(python: Path, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an interpreter in a folder, with nothing of this project on its path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANALYTICS_"))}
    return subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
