"""The history of the schema; `storage.postgres.migrate` runs it."""
