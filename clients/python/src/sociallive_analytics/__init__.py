"""Client of Social Live Analytics: events are queued, sent in batches, and stored exactly once.

Example:
    >>> from sociallive_analytics import Analytics
    >>> analytics = Analytics("127.0.0.1:50051")
    >>> event_id = analytics.track_view(content_type="post", content_id="post-123", user_id="user-1")
    >>> analytics.close()
    0
"""

from sociallive_analytics.async_client import AsyncAnalytics
from sociallive_analytics.client import Analytics
from sociallive_analytics.context import Envelope
from sociallive_analytics.errors import AnalyticsError, InvalidEventError, NotStoredError, RejectedError
from sociallive_analytics.helper import AnalyticsHelper
from sociallive_analytics.options import Options
from sociallive_analytics.outcomes import Dropped, EventStatus, Rejected, Statistics, Stored

__all__ = [
    "Analytics",
    "AnalyticsError",
    "AnalyticsHelper",
    "AsyncAnalytics",
    "Dropped",
    "Envelope",
    "EventStatus",
    "InvalidEventError",
    "NotStoredError",
    "Options",
    "Rejected",
    "RejectedError",
    "Statistics",
    "Stored",
]
