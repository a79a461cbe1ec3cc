"""Run the command line as `python -m server`; this is how the supervisor starts its children."""

from server.cli.main import main

main()
