"""The rules of the catalogue, compiled into readers for both forms of events."""
