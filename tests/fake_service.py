"""A stand-in for the service at its gRPC port, for tests of what talks to it."""

from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from sociallive.analytics.v1.analytics_service_pb2_grpc import (
    AnalyticsServiceServicer,
    add_AnalyticsServiceServicer_to_server,
)
from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, GetDashboardResponse
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest, ListEventsResponse
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.funnel_pb2 import (
    FunnelActor,
    GetFunnelRequest,
    GetFunnelResponse,
    ListFunnelActorsRequest,
    ListFunnelActorsResponse,
)
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest, GetRetentionResponse
from sociallive.analytics.v1.track_pb2 import FieldViolation, Rejection, TrackBatchRequest, TrackBatchResponse


def status(code: grpc.StatusCode, message: str, *details: Message) -> status_pb2.Status:
    """Make an error as the service answers it."""
    made = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        made.details.append(packed)
    return made


def error_info(reason: str) -> Message:
    """Make the ErrorInfo of an error that the service itself raised."""
    info: Message = error_details_pb2.ErrorInfo(reason=reason, domain="analytics.sociallive")
    return info


def retry_info(delay_ms: int) -> Message:
    """Make the RetryInfo that says when to try again."""
    delay = Duration()
    delay.FromMilliseconds(delay_ms)
    info: Message = error_details_pb2.RetryInfo(retry_delay=delay)
    return info


class FakeService(AnalyticsServiceServicer):
    """Stores events in memory by id, rejects those of the user "bad", and fails as it is told to.

    Each item of `failures` is the end of one call: a status, or an exception class that ends it without one.
    """

    def __init__(self) -> None:
        """Begin empty, without failures."""
        self.events: dict[str, Event] = {}
        self.failures: list[status_pb2.Status] = []
        self.calls = 0
        self.messages: list[TrackBatchRequest] = []
        self.dashboard = GetDashboardResponse()
        self.funnel = GetFunnelResponse()
        self.retention = GetRetentionResponse()
        self.cohorts = GetCohortResponse()
        self.questions: list[Message] = []
        self.store_before_failing = False

    def TrackBatch(self, requests: Iterable[TrackBatchRequest], context: Any) -> TrackBatchResponse:  # noqa: N802 - gRPC
        """Take a stream; with `store_before_failing` a failure comes when its events are stored."""
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and not self.store_before_failing:
            context.abort_with_status(rpc_status.to_status(failure))
        answer = TrackBatchResponse()
        for message in requests:
            self.messages.append(message)
            for event in message.events:
                self._take(event, answer)
        if failure is not None:
            context.abort_with_status(rpc_status.to_status(failure))
        return answer

    def GetDashboard(self, request: GetDashboardRequest, context: Any) -> GetDashboardResponse:  # noqa: N802 - gRPC
        """Answer `dashboard`."""
        self.questions.append(request)
        if self.failures:
            context.abort_with_status(rpc_status.to_status(self.failures.pop(0)))
        return self.dashboard

    def GetFunnel(self, request: GetFunnelRequest, _context: Any) -> GetFunnelResponse:  # noqa: N802 - gRPC
        """Answer `funnel`."""
        self.questions.append(request)
        return self.funnel

    def GetRetention(self, request: GetRetentionRequest, _context: Any) -> GetRetentionResponse:  # noqa: N802 - gRPC
        """Answer `retention`."""
        self.questions.append(request)
        return self.retention

    def GetCohort(self, request: GetCohortRequest, _context: Any) -> GetCohortResponse:  # noqa: N802 - gRPC
        """Answer `cohorts`."""
        self.questions.append(request)
        return self.cohorts

    def ListFunnelActors(  # noqa: N802 - gRPC
        self, request: ListFunnelActorsRequest, _context: Any
    ) -> ListFunnelActorsResponse:
        """Answer actors without end, a page at a time; the page token is the number of the next one."""
        self.questions.append(request)
        first = int(request.page_token or 0)
        page = range(first, first + request.page_size)
        answer = ListFunnelActorsResponse(actors=[FunnelActor(actor_id=f"actor-{number}") for number in page])
        for actor in answer.actors:
            actor.step_times.add(seconds=1_700_000_000)
        answer.next_page_token = str(page.stop)
        return answer

    def ListEvents(self, request: ListEventsRequest, context: Any) -> ListEventsResponse:  # noqa: N802 - gRPC
        """Answer what is stored, newest first; the page token is where to go on."""
        self.questions.append(request)
        if self.failures:
            context.abort_with_status(rpc_status.to_status(self.failures.pop(0)))
        found = sorted(self.events.values(), key=lambda event: event.timestamp.seconds, reverse=True)
        start = int(request.page_token or 0)
        end = start + request.page_size
        answer = ListEventsResponse(events=found[start:end], next_page_token=str(end) if end < len(found) else "")
        answer.info.time_zone = request.time_zone or "UTC"
        return answer

    def _take(self, event: Event, answer: TrackBatchResponse) -> None:
        index = answer.received
        answer.received += 1
        if event.user_id == "bad":
            violation = FieldViolation(field="user_id", rule="BAD", description="must not be bad")
            answer.rejected += 1
            answer.rejections.append(
                Rejection(index=index, event_id=event.event_id, reason="INVALID_EVENT", violations=[violation])
            )
        elif event.event_id in self.events:
            answer.duplicates += 1
        else:
            self.events[event.event_id] = event
            answer.stored += 1


@contextmanager
def serving(service: FakeService, health_status: int = health_pb2.HealthCheckResponse.SERVING) -> Iterator[str]:
    """Serve on a free loopback port, with the standard health service; yields HOST:PORT."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    add_AnalyticsServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
    servicer = health.HealthServicer()
    servicer.set("", health_status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
