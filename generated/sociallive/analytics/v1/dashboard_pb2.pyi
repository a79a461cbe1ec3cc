import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import report_scope_pb2 as _report_scope_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Precision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRECISION_UNSPECIFIED: _ClassVar[Precision]
    PRECISION_EXACT: _ClassVar[Precision]
    PRECISION_ESTIMATED: _ClassVar[Precision]
PRECISION_UNSPECIFIED: Precision
PRECISION_EXACT: Precision
PRECISION_ESTIMATED: Precision

class GetDashboardRequest(_message.Message):
    __slots__ = ("timeframe", "start_time", "end_time", "time_zone", "precision")
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    precision: Precision
    def __init__(self, timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ..., precision: _Optional[_Union[Precision, str]] = ...) -> None: ...

class GetDashboardResponse(_message.Message):
    __slots__ = ("info", "events", "users", "sessions", "new_users", "totals", "revenue", "mean_view_duration", "series", "top_content", "orders", "median_view_duration", "mean_session_duration", "streams", "platforms", "conversion_paths", "previous", "estimates", "missing_ranges")
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
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_VIEW_DURATION_FIELD_NUMBER: _ClassVar[int]
    MEAN_SESSION_DURATION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    PLATFORMS_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_PATHS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    MISSING_RANGES_FIELD_NUMBER: _ClassVar[int]
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
    orders: int
    median_view_duration: float
    mean_session_duration: float
    streams: StreamFigures
    platforms: _containers.RepeatedCompositeFieldContainer[PlatformTotal]
    conversion_paths: _containers.RepeatedCompositeFieldContainer[ConversionPathTotal]
    previous: PreviousFigures
    estimates: _containers.RepeatedCompositeFieldContainer[Estimate]
    missing_ranges: _containers.RepeatedCompositeFieldContainer[TimeRange]
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., events: _Optional[int] = ..., users: _Optional[int] = ..., sessions: _Optional[int] = ..., new_users: _Optional[int] = ..., totals: _Optional[_Iterable[_Union[EventTypeTotal, _Mapping]]] = ..., revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ..., mean_view_duration: _Optional[float] = ..., series: _Optional[_Iterable[_Union[SeriesPoint, _Mapping]]] = ..., top_content: _Optional[_Iterable[_Union[ContentTotal, _Mapping]]] = ..., orders: _Optional[int] = ..., median_view_duration: _Optional[float] = ..., mean_session_duration: _Optional[float] = ..., streams: _Optional[_Union[StreamFigures, _Mapping]] = ..., platforms: _Optional[_Iterable[_Union[PlatformTotal, _Mapping]]] = ..., conversion_paths: _Optional[_Iterable[_Union[ConversionPathTotal, _Mapping]]] = ..., previous: _Optional[_Union[PreviousFigures, _Mapping]] = ..., estimates: _Optional[_Iterable[_Union[Estimate, _Mapping]]] = ..., missing_ranges: _Optional[_Iterable[_Union[TimeRange, _Mapping]]] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("figure", "standard_error", "largest_error", "largest_count")
    FIGURE_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    LARGEST_ERROR_FIELD_NUMBER: _ClassVar[int]
    LARGEST_COUNT_FIELD_NUMBER: _ClassVar[int]
    figure: str
    standard_error: float
    largest_error: float
    largest_count: int
    def __init__(self, figure: _Optional[str] = ..., standard_error: _Optional[float] = ..., largest_error: _Optional[float] = ..., largest_count: _Optional[int] = ...) -> None: ...

class TimeRange(_message.Message):
    __slots__ = ("start_time", "end_time")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PreviousFigures(_message.Message):
    __slots__ = ("events", "users", "sessions", "new_users", "orders", "revenue", "mean_view_duration", "median_view_duration", "mean_session_duration", "streams")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEW_USERS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    MEAN_VIEW_DURATION_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_VIEW_DURATION_FIELD_NUMBER: _ClassVar[int]
    MEAN_SESSION_DURATION_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    events: int
    users: int
    sessions: int
    new_users: int
    orders: int
    revenue: _containers.RepeatedCompositeFieldContainer[_report_scope_pb2.Revenue]
    mean_view_duration: float
    median_view_duration: float
    mean_session_duration: float
    streams: StreamFigures
    def __init__(self, events: _Optional[int] = ..., users: _Optional[int] = ..., sessions: _Optional[int] = ..., new_users: _Optional[int] = ..., orders: _Optional[int] = ..., revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ..., mean_view_duration: _Optional[float] = ..., median_view_duration: _Optional[float] = ..., mean_session_duration: _Optional[float] = ..., streams: _Optional[_Union[StreamFigures, _Mapping]] = ...) -> None: ...

class StreamFigures(_message.Message):
    __slots__ = ("live_streams", "peak_viewers", "mean_viewers", "watch_duration")
    LIVE_STREAMS_FIELD_NUMBER: _ClassVar[int]
    PEAK_VIEWERS_FIELD_NUMBER: _ClassVar[int]
    MEAN_VIEWERS_FIELD_NUMBER: _ClassVar[int]
    WATCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    live_streams: int
    peak_viewers: int
    mean_viewers: float
    watch_duration: float
    def __init__(self, live_streams: _Optional[int] = ..., peak_viewers: _Optional[int] = ..., mean_viewers: _Optional[float] = ..., watch_duration: _Optional[float] = ...) -> None: ...

class PlatformTotal(_message.Message):
    __slots__ = ("platform", "events")
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    platform: str
    events: int
    def __init__(self, platform: _Optional[str] = ..., events: _Optional[int] = ...) -> None: ...

class ConversionPathTotal(_message.Message):
    __slots__ = ("steps", "orders", "revenue")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedScalarFieldContainer[str]
    orders: int
    revenue: _containers.RepeatedCompositeFieldContainer[_report_scope_pb2.Revenue]
    def __init__(self, steps: _Optional[_Iterable[str]] = ..., orders: _Optional[int] = ..., revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ...) -> None: ...

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
    __slots__ = ("time", "event_type", "count", "complete")
    TIME_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    event_type: str
    count: int
    complete: bool
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_type: _Optional[str] = ..., count: _Optional[int] = ..., complete: bool = ...) -> None: ...

class ContentTotal(_message.Message):
    __slots__ = ("content_type", "content_id", "views")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    content_id: str
    views: int
    def __init__(self, content_type: _Optional[str] = ..., content_id: _Optional[str] = ..., views: _Optional[int] = ...) -> None: ...
