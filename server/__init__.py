"""What answers callers: RPCs, the ingest pipeline, reports and the command line."""
