"""Why an operator's request is refused."""

from typing import ClassVar

from runtime.errors import AnalyticsError


class NoSuchRejectionError(AnalyticsError):
    """There is no rejected event with this id."""

    reason: ClassVar[str] = "NO_SUCH_REJECTION"

    def __init__(self) -> None:
        """Return what may have happened to it."""
        super().__init__("there is no rejected event with this id; it may have been purged")
