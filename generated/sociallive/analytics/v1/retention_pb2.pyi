import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import report_scope_pb2 as _report_scope_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RetentionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETENTION_KIND_UNSPECIFIED: _ClassVar[RetentionKind]
    RETENTION_KIND_ON: _ClassVar[RetentionKind]
    RETENTION_KIND_ON_OR_AFTER: _ClassVar[RetentionKind]
    RETENTION_KIND_BRACKETS: _ClassVar[RetentionKind]

class RetentionWindow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETENTION_WINDOW_UNSPECIFIED: _ClassVar[RetentionWindow]
    RETENTION_WINDOW_CALENDAR: _ClassVar[RetentionWindow]
    RETENTION_WINDOW_ROLLING_24H: _ClassVar[RetentionWindow]

class RetentionEntry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RETENTION_ENTRY_UNSPECIFIED: _ClassVar[RetentionEntry]
    RETENTION_ENTRY_FIRST_EVER: _ClassVar[RetentionEntry]
    RETENTION_ENTRY_FIRST_IN_RANGE: _ClassVar[RetentionEntry]
    RETENTION_ENTRY_RECURRING: _ClassVar[RetentionEntry]

class WeekStart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEEK_START_UNSPECIFIED: _ClassVar[WeekStart]
    WEEK_START_MONDAY: _ClassVar[WeekStart]
    WEEK_START_SUNDAY: _ClassVar[WeekStart]
RETENTION_KIND_UNSPECIFIED: RetentionKind
RETENTION_KIND_ON: RetentionKind
RETENTION_KIND_ON_OR_AFTER: RetentionKind
RETENTION_KIND_BRACKETS: RetentionKind
RETENTION_WINDOW_UNSPECIFIED: RetentionWindow
RETENTION_WINDOW_CALENDAR: RetentionWindow
RETENTION_WINDOW_ROLLING_24H: RetentionWindow
RETENTION_ENTRY_UNSPECIFIED: RetentionEntry
RETENTION_ENTRY_FIRST_EVER: RetentionEntry
RETENTION_ENTRY_FIRST_IN_RANGE: RetentionEntry
RETENTION_ENTRY_RECURRING: RetentionEntry
WEEK_START_UNSPECIFIED: WeekStart
WEEK_START_MONDAY: WeekStart
WEEK_START_SUNDAY: WeekStart

class GetRetentionRequest(_message.Message):
    __slots__ = ("timeframe", "start_time", "end_time", "time_zone", "entry_step", "return_step", "granularity", "kind", "window", "entry", "periods", "brackets", "week_start")
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_STEP_FIELD_NUMBER: _ClassVar[int]
    RETURN_STEP_FIELD_NUMBER: _ClassVar[int]
    GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    BRACKETS_FIELD_NUMBER: _ClassVar[int]
    WEEK_START_FIELD_NUMBER: _ClassVar[int]
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    entry_step: str
    return_step: str
    granularity: _report_scope_pb2.Granularity
    kind: RetentionKind
    window: RetentionWindow
    entry: RetentionEntry
    periods: int
    brackets: _containers.RepeatedScalarFieldContainer[str]
    week_start: WeekStart
    def __init__(self, timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ..., entry_step: _Optional[str] = ..., return_step: _Optional[str] = ..., granularity: _Optional[_Union[_report_scope_pb2.Granularity, str]] = ..., kind: _Optional[_Union[RetentionKind, str]] = ..., window: _Optional[_Union[RetentionWindow, str]] = ..., entry: _Optional[_Union[RetentionEntry, str]] = ..., periods: _Optional[int] = ..., brackets: _Optional[_Iterable[str]] = ..., week_start: _Optional[_Union[WeekStart, str]] = ...) -> None: ...

class GetRetentionResponse(_message.Message):
    __slots__ = ("info", "cohorts", "mean")
    INFO_FIELD_NUMBER: _ClassVar[int]
    COHORTS_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    info: _report_scope_pb2.ReportInfo
    cohorts: _containers.RepeatedCompositeFieldContainer[RetentionCohort]
    mean: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., cohorts: _Optional[_Iterable[_Union[RetentionCohort, _Mapping]]] = ..., mean: _Optional[_Iterable[float]] = ...) -> None: ...

class RetentionCohort(_message.Message):
    __slots__ = ("start_time", "size", "cells")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    size: int
    cells: _containers.RepeatedCompositeFieldContainer[RetentionCell]
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., size: _Optional[int] = ..., cells: _Optional[_Iterable[_Union[RetentionCell, _Mapping]]] = ...) -> None: ...

class RetentionCell(_message.Message):
    __slots__ = ("index", "users", "complete")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    index: int
    users: int
    complete: bool
    def __init__(self, index: _Optional[int] = ..., users: _Optional[int] = ..., complete: bool = ...) -> None: ...
