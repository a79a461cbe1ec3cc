"""Every statement fits the schema that the migrations make."""

from pathlib import Path

import asyncpg
import pytest

import storage
from storage.postgres.statements import statements_of
from storage.sql import statement, statement_names

OWN_STATEMENTS = [
    (path.parent.parent.name, path.stem) for path in sorted(Path(storage.__file__).parent.glob("*/sql/*.sql"))
]
"""Those that lie beside their Python."""
TABLES = {"segments": "analytics_segment_parts_0", "events_table": "analytics_events"}
"""What stands for the table where a statement is for one of several."""


@pytest.mark.parametrize("name", statement_names())
async def test_statement_is_understood_by_a_migrated_database(module_database_url: str, name: str) -> None:
    """Preparing finds unknown tables, columns and functions, and parameters of no type."""
    connection = await asyncpg.connect(module_database_url)
    try:
        await connection.prepare(statement(name))
    finally:
        await connection.close()


@pytest.mark.parametrize(("package", "name"), OWN_STATEMENTS)
async def test_statement_of_a_package_is_understood_by_a_migrated_database(
    module_database_url: str, package: str, name: str
) -> None:
    """Likewise; and each begins with its purpose."""
    text = statements_of(f"storage.{package}")(name)
    assert text.startswith("-- ")
    connection = await asyncpg.connect(module_database_url)
    try:
        await connection.prepare(text.replace("{table}", TABLES.get(package, "")))
    finally:
        await connection.close()


@pytest.mark.parametrize("name", statement_names())
def test_statement_begins_with_its_purpose_and_is_alone_in_its_file(name: str) -> None:
    """A header says what the statement is for; a second statement would be refused when prepared with parameters."""
    text = statement(name)
    assert text.startswith("-- ")
    assert ";" not in "\n".join(line for line in text.splitlines() if not line.startswith("--"))


@pytest.mark.parametrize("name", [name for name in statement_names() if name.startswith("read/")])
def test_reports_name_their_columns(name: str) -> None:
    """A star would change a report's answer when a column is added."""
    assert "SELECT *" not in statement(name).upper()


def test_an_unknown_statement_is_a_mistake_of_the_program() -> None:
    """There is no statement of this name."""
    with pytest.raises(FileNotFoundError):
        statement("read/no_such_report")
