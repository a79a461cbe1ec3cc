import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import report_scope_pb2 as _report_scope_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetDashboardRequest(_message.Message):
    __slots__ = ("timeframe", "start_time", "end_time", "time_zone")
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    def __init__(self, timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ...) -> None: ...

class GetDashboardResponse(_message.Message):
    __slots__ = ("info", "events", "users", "sessions", "new_users", "totals", "revenue", "mean_view_duration", "series", "top_content")
    INFO_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEW_USERS_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    MEAN_VIEW_DURATION_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    TOP_CONTENT_FIELD_NUMBER: _ClassVar[int]
    info: _report_scope_pb2.ReportInfo
    events: int
    users: int
    sessions: int
    new_users: int
    totals: _containers.RepeatedCompositeFieldContainer[EventTypeTotal]
    revenue: _containers.RepeatedCompositeFieldContainer[_report_scope_pb2.Revenue]
    mean_view_duration: float
    series: _containers.RepeatedCompositeFieldContainer[SeriesPoint]
    top_content: _containers.RepeatedCompositeFieldContainer[ContentTotal]
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., events: _Optional[int] = ..., users: _Optional[int] = ..., sessions: _Optional[int] = ..., new_users: _Optional[int] = ..., totals: _Optional[_Iterable[_Union[EventTypeTotal, _Mapping]]] = ..., revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ..., mean_view_duration: _Optional[float] = ..., series: _Optional[_Iterable[_Union[SeriesPoint, _Mapping]]] = ..., top_content: _Optional[_Iterable[_Union[ContentTotal, _Mapping]]] = ...) -> None: ...

class EventTypeTotal(_message.Message):
    __slots__ = ("event_type", "count", "previous_count")
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_COUNT_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    count: int
    previous_count: int
    def __init__(self, event_type: _Optional[str] = ..., count: _Optional[int] = ..., previous_count: _Optional[int] = ...) -> None: ...

class SeriesPoint(_message.Message):
    __slots__ = ("time", "event_type", "count", "incomplete")
    TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    event_type: str
    count: int
    incomplete: bool
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_type: _Optional[str] = ..., count: _Optional[int] = ..., incomplete: _Optional[bool] = ...) -> None: ...

class ContentTotal(_message.Message):
    __slots__ = ("content_type", "content_id", "views")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    content_id: str
    views: int
    def __init__(self, content_type: _Optional[str] = ..., content_id: _Optional[str] = ..., views: _Optional[int] = ...) -> None: ...
