"""SQL texts: one statement a file, named by its path without the suffix, as in `read/audit`.

Each file starts with comment lines that give its purpose, its parameters and the index it leans on.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path


@cache
def statement(name: str) -> str:
    """Read the statement of this name.

    Raises:
        FileNotFoundError: there is none.
    """
    return files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def statement_names() -> list[str]:
    """List every statement's name, sorted."""
    folder = Path(str(files(__name__)))
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql"))
