"""SQL that lies beside the Python that runs it: one statement a file, in the folder `sql` of its package."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files


def statements_of(package: str) -> Callable[[str], str]:
    """Make the function that reads the statements of a package by name.

    Args:
        package: its dotted name; its statements lie in `sql/<name>.sql`.

    Example:
        >>> statement = statements_of("storage.blocks")
        >>> statement("record").startswith("-- ")
        True
    """
    folder = files(package).joinpath("sql")

    @cache
    def statement(name: str) -> str:
        return folder.joinpath(f"{name}.sql").read_text(encoding="utf-8")

    return statement
