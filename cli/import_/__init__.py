"""`analytics import`: from files to acknowledged events."""
