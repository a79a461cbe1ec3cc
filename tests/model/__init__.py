"""Models: what must hold of the whole, whatever happens in whatever order."""
