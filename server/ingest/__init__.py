"""The ingest pipeline: validate, normalize, write."""
