"""Run the command line as `python -m cli`; this is how the supervisor starts its children."""

from cli.main import main

main()
