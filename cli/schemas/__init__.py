"""`analytics schemas`: one module a verb."""
