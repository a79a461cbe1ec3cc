from sociallive.analytics.v1 import cohort_pb2 as _cohort_pb2
from sociallive.analytics.v1 import dashboard_pb2 as _dashboard_pb2
from sociallive.analytics.v1 import event_list_pb2 as _event_list_pb2
from sociallive.analytics.v1 import funnel_pb2 as _funnel_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import retention_pb2 as _retention_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportRequest(_message.Message):
    __slots__ = ("dashboard", "events", "funnel", "cohort", "retention", "funnel_actors")
    DASHBOARD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    FUNNEL_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    FUNNEL_ACTORS_FIELD_NUMBER: _ClassVar[int]
    dashboard: _dashboard_pb2.GetDashboardRequest
    events: _event_list_pb2.ListEventsRequest
    funnel: _funnel_pb2.GetFunnelRequest
    cohort: _cohort_pb2.GetCohortRequest
    retention: _retention_pb2.GetRetentionRequest
    funnel_actors: _funnel_pb2.ListFunnelActorsRequest
    def __init__(self, dashboard: _Optional[_Union[_dashboard_pb2.GetDashboardRequest, _Mapping]] = ..., events: _Optional[_Union[_event_list_pb2.ListEventsRequest, _Mapping]] = ..., funnel: _Optional[_Union[_funnel_pb2.GetFunnelRequest, _Mapping]] = ..., cohort: _Optional[_Union[_cohort_pb2.GetCohortRequest, _Mapping]] = ..., retention: _Optional[_Union[_retention_pb2.GetRetentionRequest, _Mapping]] = ..., funnel_actors: _Optional[_Union[_funnel_pb2.ListFunnelActorsRequest, _Mapping]] = ...) -> None: ...

class ReportResponse(_message.Message):
    __slots__ = ("dashboard", "events", "funnel", "cohort", "retention", "funnel_actors")
    DASHBOARD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    FUNNEL_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    FUNNEL_ACTORS_FIELD_NUMBER: _ClassVar[int]
    dashboard: _dashboard_pb2.GetDashboardResponse
    events: _event_list_pb2.ListEventsResponse
    funnel: _funnel_pb2.GetFunnelResponse
    cohort: _cohort_pb2.GetCohortResponse
    retention: _retention_pb2.GetRetentionResponse
    funnel_actors: _funnel_pb2.ListFunnelActorsResponse
    def __init__(self, dashboard: _Optional[_Union[_dashboard_pb2.GetDashboardResponse, _Mapping]] = ..., events: _Optional[_Union[_event_list_pb2.ListEventsResponse, _Mapping]] = ..., funnel: _Optional[_Union[_funnel_pb2.GetFunnelResponse, _Mapping]] = ..., cohort: _Optional[_Union[_cohort_pb2.GetCohortResponse, _Mapping]] = ..., retention: _Optional[_Union[_retention_pb2.GetRetentionResponse, _Mapping]] = ..., funnel_actors: _Optional[_Union[_funnel_pb2.ListFunnelActorsResponse, _Mapping]] = ...) -> None: ...
