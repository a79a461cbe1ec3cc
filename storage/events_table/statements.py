"""The statements of this package."""

from storage.postgres.statements import statements_of

statement = statements_of("storage.events_table")
