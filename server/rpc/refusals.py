"""Why a call is refused before anything is done with it."""

from typing import ClassVar

from runtime.errors import AnalyticsError
from server.reports.errors import QuestionError


class MalformedMessageError(AnalyticsError):
    """The bytes of a message are not a message of the type that the method takes."""

    reason: ClassVar[str] = "MALFORMED_MESSAGE"

    def __init__(self, expected: str) -> None:
        """Name the message type that was expected."""
        super().__init__(f"the request is not a {expected}: build it from the .proto files of this service")


class ParameterError(QuestionError):
    """The value of a query parameter is none that it may have.

    Attributes:
        field: the parameter as its caller wrote it.
    """

    rule: ClassVar[str] = "INVALID_PARAMETER"


class UnknownParameterError(ParameterError):
    """A query has a parameter that its path does not take."""

    rule: ClassVar[str] = "UNKNOWN_PARAMETER"


class DrainingError(AnalyticsError):
    """This server is stopping and takes no new calls."""

    reason: ClassVar[str] = "DRAINING"

    def __init__(self) -> None:
        """Tell the caller what to do."""
        super().__init__("this server is stopping: send the same call again, to another server or a little later")
