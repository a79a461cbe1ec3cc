"""Forms that add up: sketches, samples, rankings, lengths."""
