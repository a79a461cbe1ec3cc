"""The error that ends a command early, with a message for the terminal and an exit code."""

from typing import IO, Any

import click

from cli.main import EXIT_FAILED
from runtime.errors import AnalyticsError


class CommandError(click.ClickException, AnalyticsError):
    """A command cannot do what it was asked; shown as lines on stderr, then the program exits with `exit_code`.

    Example:
        >>> CommandError("no such file", exit_code=2).exit_code
        2
    """

    def __init__(self, message: str, *, exit_code: int = EXIT_FAILED) -> None:
        """Take the message, which may have several lines, and one of the exit codes of cli.main."""
        super().__init__(message)
        self.exit_code: int = exit_code  # type: ignore[misc]  # click reads it from the instance, whatever its types say

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to `file`, by default stderr."""
        click.echo(f"analytics: {self.format_message()}", file=file, err=file is None)
