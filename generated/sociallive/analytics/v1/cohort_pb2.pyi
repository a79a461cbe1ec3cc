import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import report_scope_pb2 as _report_scope_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCohortRequest(_message.Message):
    __slots__ = ("timeframe", "start_time", "end_time", "time_zone", "granularity", "step")
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    granularity: _report_scope_pb2.Granularity
    step: str
    def __init__(self, timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ..., granularity: _Optional[_Union[_report_scope_pb2.Granularity, str]] = ..., step: _Optional[str] = ...) -> None: ...

class GetCohortResponse(_message.Message):
    __slots__ = ("info", "cohorts")
    INFO_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    info: _report_scope_pb2.ReportInfo
    cohorts: _containers.RepeatedCompositeFieldContainer[Cohort]
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., cohorts: _Optional[_Iterable[_Union[Cohort, _Mapping]]] = ...) -> None: ...

class Cohort(_message.Message):
    __slots__ = ("start_time", "size", "periods")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    size: int
    periods: _containers.RepeatedCompositeFieldContainer[CohortPeriod]
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size: _Optional[int] = ..., periods: _Optional[_Iterable[_Union[CohortPeriod, _Mapping]]] = ...) -> None: ...

class CohortPeriod(_message.Message):
    __slots__ = ("index", "users", "events", "revenue", "complete", "share", "cumulative_events", "cumulative_revenue")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REVENUE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    CUMULATIVE_REVENUE_FIELD_NUMBER: _ClassVar[int]
    index: int
    users: int
    events: int
    revenue: _containers.RepeatedCompositeFieldContainer[_report_scope_pb2.Revenue]
    complete: bool
    share: float
    cumulative_events: int
    cumulative_revenue: _containers.RepeatedCompositeFieldContainer[_report_scope_pb2.Revenue]
    def __init__(self, index: _Optional[int] = ..., users: _Optional[int] = ..., events: _Optional[int] = ..., revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ..., complete: bool = ..., share: _Optional[float] = ..., cumulative_events: _Optional[int] = ..., cumulative_revenue: _Optional[_Iterable[_Union[_report_scope_pb2.Revenue, _Mapping]]] = ...) -> None: ...
