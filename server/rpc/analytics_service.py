"""AnalyticsService: tracking and reports."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeVar

import grpc

from reports.dashboard.reading import DashboardReader
from reports.events.read_ahead import EventPages
from server.access.caller import current_caller
from server.ingest.field_violations import write_violations
from server.ingest.pipeline import Pipeline
from server.ingest.tally import Tally
from server.paging import PageTokens
from server.reports import cohort, dashboard, event_list, funnel, retention
from server.reports.desk import ReportDesk
from server.reports.errors import QuestionError
from server.rpc.gateway_calls import address_of_caller
from sociallive.analytics.v1.analytics_service_pb2 import DESCRIPTOR
from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse, Precision
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest, ListEventsResponse
from sociallive.analytics.v1.funnel_pb2 import (
    GetFunnelRequest,
    GetFunnelResponse,
    ListFunnelActorsRequest,
    ListFunnelActorsResponse,
)
from sociallive.analytics.v1.report_pb2 import ReportRequest, ReportResponse
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest, GetRetentionResponse
from sociallive.analytics.v1.track_pb2 import (
    AssignedId,
    EventStatus,
    Rejection,
    TrackBatchRequest,
    TrackBatchResponse,
    TrackEventsRequest,
    TrackEventsResponse,
    TrackRequest,
    TrackResponse,
    TrackWarning,
)
from storage.write.writer import WriteOutcome

ResponseT = TypeVar("ResponseT", TrackBatchResponse, TrackEventsResponse)
Context = grpc.aio.ServicerContext[Any, Any]

REPORTS = {
    query.name: method.name
    for query in ReportRequest.DESCRIPTOR.oneofs_by_name["query"].fields
    for method in DESCRIPTOR.services_by_name["AnalyticsService"].methods
    if method.input_type is query.message_type
}
"""The method of each member of ReportRequest: the one that takes its message."""
STATUSES: dict[WriteOutcome, EventStatus] = {
    WriteOutcome.STORED: EventStatus.EVENT_STATUS_STORED,
    WriteOutcome.DUPLICATE: EventStatus.EVENT_STATUS_DUPLICATE,
    WriteOutcome.SPOOLED: EventStatus.EVENT_STATUS_SPOOLED,
}


class AnalyticsService:
    """Answers the methods of sociallive.analytics.v1.AnalyticsService; errors are the boundary's to translate."""

    def __init__(
        self,
        pipeline: Pipeline,
        desk: ReportDesk,
        dashboards: DashboardReader,
        tokens: PageTokens,
        pages: EventPages,
    ) -> None:
        self._pipeline = pipeline
        self._desk = desk
        self._dashboard = partial(dashboard.answer, dashboards)
        self._list_events = partial(event_list.answer, tokens=tokens, pages=pages)
        self._list_actors = partial(funnel.list_actors, tokens=tokens)

    async def Track(self, request: TrackRequest, context: Context) -> TrackResponse:  # noqa: N802, ARG002 - the contract's name and shape
        """Store one event, and answer when it is durable."""
        tracked = await self._pipeline.track(request, current_caller(), address_of_caller())
        return TrackResponse(event_id=tracked.event_id, status=STATUSES[tracked.outcome], warnings=tracked.warnings)

    async def TrackBatch(self, requests: AsyncIterator[TrackBatchRequest], context: Context) -> TrackBatchResponse:  # noqa: N802, ARG002 - the contract's name and shape
        """Store a stream of events, and answer once all of them are durable."""
        return _write_counts(await self._pipeline.track_stream(requests, current_caller()), TrackBatchResponse())

    async def TrackEvents(self, request: TrackEventsRequest, context: Context) -> TrackEventsResponse:  # noqa: N802, ARG002 - likewise
        """Store several events, and answer once all of them are durable."""
        tally = await self._pipeline.track_events(request, current_caller(), address_of_caller())
        return _write_counts(tally, TrackEventsResponse())

    async def Report(self, request: ReportRequest, context: Context) -> ReportResponse:  # noqa: N802 - likewise
        """Answer any report."""
        name = request.WhichOneof("query")
        if name is None:
            raise QuestionError("query", f"must be one of {', '.join(REPORTS)}")
        method = getattr(self, REPORTS[name])
        return ReportResponse(**{name: await method(getattr(request, name), context)})

    async def GetDashboard(self, request: GetDashboardRequest, context: Context) -> GetDashboardResponse:  # noqa: N802 - likewise
        """Answer totals and series of a time range."""
        heavy = request.precision == Precision.PRECISION_EXACT
        left_s = context.time_remaining()
        return await self._desk.answer_dashboard(self._dashboard, request, remaining_s=left_s, heavy=heavy)

    async def ListEvents(self, request: ListEventsRequest, context: Context) -> ListEventsResponse:  # noqa: N802 - likewise
        """Answer stored events, newest first, page by page."""
        return await self._desk.answer(self._list_events, request, remaining_s=context.time_remaining())

    async def GetFunnel(self, request: GetFunnelRequest, context: Context) -> GetFunnelResponse:  # noqa: N802 - likewise
        """Return how many actors go through a sequence of steps."""
        return await self._desk.answer(funnel.answer, request, remaining_s=context.time_remaining(), heavy=True)

    async def GetCohort(self, request: GetCohortRequest, context: Context) -> GetCohortResponse:  # noqa: N802 - likewise
        """Return what actors do in the periods after they first came."""
        return await self._desk.answer(cohort.answer, request, remaining_s=context.time_remaining(), heavy=True)

    async def GetRetention(self, request: GetRetentionRequest, context: Context) -> GetRetentionResponse:  # noqa: N802 - likewise
        """Return how many actors come back."""
        return await self._desk.answer(retention.answer, request, remaining_s=context.time_remaining(), heavy=True)

    async def ListFunnelActors(self, request: ListFunnelActorsRequest, context: Context) -> ListFunnelActorsResponse:  # noqa: N802 - likewise
        """Return which actors took a step of a funnel."""
        return await self._desk.answer(self._list_actors, request, remaining_s=context.time_remaining(), heavy=True)


def _write_counts(tally: Tally, response: ResponseT) -> ResponseT:
    response.received = tally.received
    response.stored = tally.stored
    response.duplicates = tally.duplicates
    response.rejected = tally.rejected
    response.spooled = tally.spooled
    for at in tally.rejections:
        response.rejections.append(
            Rejection(
                index=at.index,
                event_id=at.event_id,
                reason=at.reason,
                violations=write_violations(at.violations),
            )
        )
    response.assigned_ids.extend(AssignedId(index=index, event_id=event_id) for index, event_id in tally.assigned_ids)
    response.warnings.extend(
        TrackWarning(description=text, events=count) for text, count in sorted(tally.warnings.items())
    )
    return response
