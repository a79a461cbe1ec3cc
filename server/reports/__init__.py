"""Reports: one module a report."""
