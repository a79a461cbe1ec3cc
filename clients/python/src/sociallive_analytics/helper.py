"""The calls that services are shown: one client for the process, and names as in JSON."""

import threading
from collections.abc import Mapping
from typing import Any

from sociallive_analytics.client import Analytics
from sociallive_analytics.options import Options


class AnalyticsHelper:
    """Tracks from anywhere in a service, without a client to pass around.

    Example:
        >>> AnalyticsHelper.trackView("user-1", "post", "post-123")  # doctest: +SKIP
    """

    _client: Analytics | None = None
    _lock = threading.Lock()

    @classmethod
    def configure(cls, address: str | None = None, options: Options | None = None) -> Analytics:
        """Make the client of the process and return it; without this, the first event makes it with the defaults."""
        with cls._lock:
            if cls._client is not None:
                cls._client.close()
            cls._client = Analytics(address, options)
            return cls._client

    @classmethod
    def trackView(cls, user_id: str, content_type: str, content_id: str) -> str | None:  # noqa: N802 - as in JSON
        """Track that a user viewed content; return the event's id, or None if it was dropped."""
        return cls._get().track_view(content_type=content_type, content_id=content_id, user_id=user_id)

    @classmethod
    def trackEngagement(  # noqa: N802 - as in JSON
        cls, user_id: str, action: str, target_type: str, target_id: str
    ) -> str | None:
        """Track that a user reacted to something; likewise."""
        return cls._get().track_engagement(action=action, target_type=target_type, target_id=target_id, user_id=user_id)

    @classmethod
    def trackPurchase(cls, user_id: str, purchase_data: Mapping[str, Any]) -> str | None:  # noqa: N802 - as in JSON
        """Track that a user bought something; `purchase_data` has the fields of a purchase event by their names."""
        return cls._get().track("purchase", purchase_data, user_id=user_id)

    @classmethod
    def _get(cls) -> Analytics:
        if cls._client is None:
            with cls._lock:
                if cls._client is None:
                    cls._client = Analytics()
        return cls._client
