"""AdminService: lists, replays and purges rejected events for operators."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc

from server.admin.audit import caller_of
from server.admin.listing import get_rejected, list_rejected
from server.admin.purge import purge_rejected
from server.admin.replay import Replayer
from server.paging import PageTokens
from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    GetRejectedEventResponse,
    ListRejectedEventsRequest,
    ListRejectedEventsResponse,
    PurgeRejectedEventsRequest,
    PurgeRejectedEventsResponse,
    ReplayRejectedEventsRequest,
    ReplayRejectedEventsResponse,
)
from storage.rejections import Rejections

Context = grpc.aio.ServicerContext[Any, Any]

MAX_CALL_S = 20.0
"""The longest time that one call reads or deletes, even with a later deadline."""
ANSWER_SHARE = 0.8
"""Of the caller's deadline; the rest is for the way back and for the last step of a purge."""


class AdminService:
    """Answers the methods of sociallive.analytics.v1.AdminService; errors are the boundary's to translate."""

    def __init__(
        self, rejections: Rejections, replayer: Replayer, *, tokens: PageTokens, now: Callable[[], datetime]
    ) -> None:
        """Take the rejected events, their replayer, the page tokens, and the clock."""
        self._rejections = rejections
        self._replayer = replayer
        self._tokens = tokens
        self._now = now

    async def ListRejectedEvents(  # noqa: N802 - the contract's name
        self, request: ListRejectedEventsRequest, context: Context
    ) -> ListRejectedEventsResponse:
        """Answer rejected events, newest first, page by page."""
        return await list_rejected(
            self._rejections,
            request,
            self._now(),
            tokens=self._tokens,
            timeout_s=_timeout_s(context.time_remaining()),
        )

    async def GetRejectedEvent(self, request: GetRejectedEventRequest, context: Context) -> GetRejectedEventResponse:  # noqa: N802 - likewise
        """Answer one rejected event with its payload."""
        return await get_rejected(self._rejections, request, timeout_s=_timeout_s(context.time_remaining()))

    async def ReplayRejectedEvents(  # noqa: N802 - likewise
        self, request: ReplayRejectedEventsRequest, context: Context
    ) -> ReplayRejectedEventsResponse:
        """Send rejected events through validation and storage again."""
        return await self._replayer.replay(
            request, caller=caller_of(context), timeout_s=_timeout_s(context.time_remaining())
        )

    async def PurgeRejectedEvents(  # noqa: N802 - likewise
        self, request: PurgeRejectedEventsRequest, context: Context
    ) -> PurgeRejectedEventsResponse:
        """Delete rejected events."""
        return await purge_rejected(
            self._rejections,
            request,
            self._now,
            caller=caller_of(context),
            timeout_s=_timeout_s(context.time_remaining()),
        )


def _timeout_s(remaining_s: float | None) -> float:
    return MAX_CALL_S if remaining_s is None else max(0.001, min(MAX_CALL_S, ANSWER_SHARE * remaining_s))
