"""The command line, `analytics`: one module a command."""
