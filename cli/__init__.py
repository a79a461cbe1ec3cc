"""The command line, `analytics`: one module per command."""
