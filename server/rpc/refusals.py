"""Why a call is refused before anything is done with it."""

from typing import ClassVar

from runtime.errors import AnalyticsError


class MalformedMessageError(AnalyticsError):
    """The bytes of a message are not a message of the type that the method takes."""

    reason: ClassVar[str] = "MALFORMED_MESSAGE"

    def __init__(self, expected: str) -> None:
        """Name the message type that was expected."""
        super().__init__(f"the request is not a {expected}: build it from the .proto files of this service")


class DrainingError(AnalyticsError):
    """This server is stopping and takes no new calls."""

    reason: ClassVar[str] = "DRAINING"

    def __init__(self) -> None:
        """Tell the caller what to do."""
        super().__init__("this server is stopping: send the same call again, to another server or a little later")
