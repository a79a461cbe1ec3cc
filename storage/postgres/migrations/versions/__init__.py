"""One numbered file a revision."""
