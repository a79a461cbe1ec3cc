"""Forms that add up: sketches, samples, frequencies, lengths."""
