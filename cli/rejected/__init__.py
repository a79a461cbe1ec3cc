"""`analytics rejected`: one module a verb."""
