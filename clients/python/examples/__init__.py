"""Applications that track events; each runs as it is."""
