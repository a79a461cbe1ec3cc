"""The adapter of the conformance kit."""
