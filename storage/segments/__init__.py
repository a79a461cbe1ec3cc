"""Segments: immutable, sorted, columnar files of events, and the catalogue that says which of them count."""
