"""Events and rows to load it with."""
