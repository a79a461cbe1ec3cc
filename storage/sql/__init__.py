"""SQL texts: one statement a file, named by its path without the suffix, as in `read/event_list`.

Each file starts with comment lines that give its purpose, its parameters and the index it leans on. `templates/` holds
the parts of statements whose shape follows the question: names of columns go between their braces, and never a value.
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


def template(name: str) -> str:
    """Read the template of this name; braces in it mark what `str.format` fills in.

    Raises:
        FileNotFoundError: there is none.
    """
    return statement(f"templates/{name}")


def statement_names() -> list[str]:
    """List every whole statement's name, sorted."""
    folder = Path(str(files(__name__)))
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql"))
    return sorted(name for name in names if not name.startswith("templates/"))
