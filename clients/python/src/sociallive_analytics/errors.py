"""The errors of the client. A call that only queues an event raises none but InvalidEventError."""


class AnalyticsError(Exception):
    """The root of the client's errors."""


class InvalidEventError(AnalyticsError, ValueError):
    """The event cannot be written: its type or a field does not exist, or a value has the wrong type."""


class RejectedError(AnalyticsError):
    """The service refused an event that was tracked with `wait=True`; the same event is refused again.

    Attributes:
        event_id: of the event.
        reason: a value of ErrorReason without its prefix, for example "INVALID_EVENT".
    """

    def __init__(self, event_id: str, reason: str, message: str) -> None:
        super().__init__(f"{message} ({reason})")
        self.event_id = event_id
        self.reason = reason


class NotStoredError(AnalyticsError):
    """The service did not acknowledge an event in time that was tracked with `wait=True`.

    It may be stored or not. To send it again safely, track it again with `event_id=error.event_id` and the same data.

    Attributes:
        event_id: of the event.
    """

    def __init__(self, event_id: str, message: str) -> None:
        super().__init__(message)
        self.event_id = event_id
