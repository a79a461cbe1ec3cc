"""How this program was started, so that the commands that it prints can be run as they are."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "analytics"


def program_command(started_as: str | None = None) -> str:
    """Return the program to put before a command's name: `analytics` if that is on PATH, else its path.

    Args:
        started_as: the first word of the command line; that of this process where missing.
    """
    started = Path(started_as if started_as is not None else sys.argv[0])
    if started.name != NAME:  # python -m cli
        started = Path(sys.executable).with_name(NAME)
    found = shutil.which(NAME)
    if found is not None and (not started.exists() or Path(found).resolve() == started.resolve()):
        return NAME
    return shlex.quote(str(started)) if started.exists() else f"{shlex.quote(sys.executable)} -m cli"
