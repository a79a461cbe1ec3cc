"""Why a question is not answered."""

from typing import ClassVar

from runtime.errors import AnalyticsError


class QuestionError(AnalyticsError):
    """A field of a request has a value that is not allowed; the message says what is."""

    reason: ClassVar[str] = "INVALID_REQUEST"

    def __init__(self, field: str, description: str) -> None:
        """Name the field at fault, by its name in the .proto file, and say what is allowed."""
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description


class ReportsBusyError(AnalyticsError):
    """As many heavy reports as may run at once are under way; the same question is worth repeating."""

    reason: ClassVar[str] = "REPORTS_BUSY"

    def __init__(self) -> None:
        """Tell the caller what to do."""
        super().__init__("too many reports are running: retry a little later, or raise ANALYTICS_REPORTS_CONCURRENT")
