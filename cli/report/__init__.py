"""`analytics report`: one module a report."""
