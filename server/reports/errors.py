"""What can be wrong with a question."""

from typing import ClassVar

from runtime.errors import AnalyticsError


class QuestionError(AnalyticsError):
    """A report's question cannot be answered as asked; the message says what is allowed."""

    reason: ClassVar[str] = "INVALID_QUESTION"

    def __init__(self, field: str, description: str) -> None:
        """Name the field at fault, by its name in the .proto file, and say what is allowed."""
        super().__init__(f"{field}: {description}")
        self.field = field
        self.description = description
