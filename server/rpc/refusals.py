"""Errors of calls that are refused before they are processed."""

from typing import ClassVar

from runtime.errors import AnalyticsError
from server.reports.errors import QuestionError


class MalformedMessageError(AnalyticsError):
    """The bytes of a message are not a message of the type that the method takes."""

    reason: ClassVar[str] = "MALFORMED_MESSAGE"

    def __init__(self, expected: str) -> None:
        """Name the message type that was expected."""
        super().__init__(f"the request is not a valid {expected}: build it from the .proto files of this service")


class ParameterError(QuestionError):
    """The value of a query parameter is not allowed.

    Attributes:
        field: the parameter as its caller wrote it.
    """

    rule: ClassVar[str] = "INVALID_PARAMETER"


class UnknownParameterError(ParameterError):
    """A query has a parameter that its path does not take."""

    rule: ClassVar[str] = "UNKNOWN_PARAMETER"


class MessageTooLargeError(AnalyticsError):
    """A message has more bytes than the service accepts."""

    reason: ClassVar[str] = "MESSAGE_TOO_LARGE"

    def __init__(self, found_bytes: int, most_bytes: int) -> None:
        """Say how large a message may be."""
        super().__init__(f"the message has {found_bytes:,} bytes; at most {most_bytes:,} are allowed: split it")


class DrainingError(AnalyticsError):
    """This server is stopping and accepts no new calls."""

    reason: ClassVar[str] = "DRAINING"

    def __init__(self) -> None:
        """Tell the caller what to do."""
        super().__init__("this server is shutting down: retry the call on another server, or a little later")


class CutOffError(AnalyticsError):
    """This server stopped before the call was done."""

    reason: ClassVar[str] = "INTERRUPTED"

    def __init__(self) -> None:
        """Tell the caller that the outcome is unknown, and what to do."""
        super().__init__("this server shut down before the call was done: retry it with the same event ids")
