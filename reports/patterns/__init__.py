"""Patterns of events: which events a question means, and which rows of a table those are."""
