"""`analytics keys`: the keys by which callers are known."""
