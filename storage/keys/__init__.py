"""The keys of callers: the table that holds them, and the file that stands in for it while Postgres is away."""
