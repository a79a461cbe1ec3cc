"""The server: RPCs, the ingest pipeline, reports and the command line."""
