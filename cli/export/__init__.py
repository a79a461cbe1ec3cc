"""`analytics export`: stored events as files."""
