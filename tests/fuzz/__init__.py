"""Input that nobody meant: bytes and JSON of any shape, and a corpus of what has been nasty elsewhere."""
