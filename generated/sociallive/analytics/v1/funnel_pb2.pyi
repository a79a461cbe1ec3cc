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

class FunnelOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUNNEL_ORDER_UNSPECIFIED: _ClassVar[FunnelOrder]
    FUNNEL_ORDER_ORDERED: _ClassVar[FunnelOrder]
    FUNNEL_ORDER_STRICT: _ClassVar[FunnelOrder]
    FUNNEL_ORDER_ANY: _ClassVar[FunnelOrder]

class FunnelEntry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUNNEL_ENTRY_UNSPECIFIED: _ClassVar[FunnelEntry]
    FUNNEL_ENTRY_BEST: _ClassVar[FunnelEntry]
    FUNNEL_ENTRY_FIRST: _ClassVar[FunnelEntry]
FUNNEL_ORDER_UNSPECIFIED: FunnelOrder
FUNNEL_ORDER_ORDERED: FunnelOrder
FUNNEL_ORDER_STRICT: FunnelOrder
FUNNEL_ORDER_ANY: FunnelOrder
FUNNEL_ENTRY_UNSPECIFIED: FunnelEntry
FUNNEL_ENTRY_BEST: FunnelEntry
FUNNEL_ENTRY_FIRST: FunnelEntry

class GetFunnelRequest(_message.Message):
    __slots__ = ("timeframe", "start_time", "end_time", "time_zone", "steps", "window", "order", "entry", "exclusions", "breakdown")
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIONS_FIELD_NUMBER: _ClassVar[int]
    BREAKDOWN_FIELD_NUMBER: _ClassVar[int]
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    steps: _containers.RepeatedScalarFieldContainer[str]
    window: str
    order: FunnelOrder
    entry: FunnelEntry
    exclusions: _containers.RepeatedCompositeFieldContainer[FunnelExclusion]
    breakdown: str
    def __init__(self, timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ..., steps: _Optional[_Iterable[str]] = ..., window: _Optional[str] = ..., order: _Optional[_Union[FunnelOrder, str]] = ..., entry: _Optional[_Union[FunnelEntry, str]] = ..., exclusions: _Optional[_Iterable[_Union[FunnelExclusion, _Mapping]]] = ..., breakdown: _Optional[str] = ...) -> None: ...

class FunnelExclusion(_message.Message):
    __slots__ = ("step", "from_step", "to_step")
    STEP_FIELD_NUMBER: _ClassVar[int]
    FROM_STEP_FIELD_NUMBER: _ClassVar[int]
    TO_STEP_FIELD_NUMBER: _ClassVar[int]
    step: str
    from_step: int
    to_step: int
    def __init__(self, step: _Optional[str] = ..., from_step: _Optional[int] = ..., to_step: _Optional[int] = ...) -> None: ...

class GetFunnelResponse(_message.Message):
    __slots__ = ("info", "steps", "groups", "open_users")
    INFO_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OPEN_USERS_FIELD_NUMBER: _ClassVar[int]
    info: _report_scope_pb2.ReportInfo
    steps: _containers.RepeatedCompositeFieldContainer[FunnelStep]
    groups: _containers.RepeatedCompositeFieldContainer[FunnelGroup]
    open_users: int
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[FunnelStep, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[FunnelGroup, _Mapping]]] = ..., open_users: _Optional[int] = ...) -> None: ...

class FunnelStep(_message.Message):
    __slots__ = ("step", "users", "dropped", "conversion_from_first", "conversion_from_previous", "mean_seconds", "median_seconds", "p90_seconds")
    STEP_FIELD_NUMBER: _ClassVar[int]
    USERS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_FROM_FIRST_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_FROM_PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    MEAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    P90_SECONDS_FIELD_NUMBER: _ClassVar[int]
    step: str
    users: int
    dropped: int
    conversion_from_first: float
    conversion_from_previous: float
    mean_seconds: float
    median_seconds: float
    p90_seconds: float
    def __init__(self, step: _Optional[str] = ..., users: _Optional[int] = ..., dropped: _Optional[int] = ..., conversion_from_first: _Optional[float] = ..., conversion_from_previous: _Optional[float] = ..., mean_seconds: _Optional[float] = ..., median_seconds: _Optional[float] = ..., p90_seconds: _Optional[float] = ...) -> None: ...

class FunnelGroup(_message.Message):
    __slots__ = ("value", "steps", "other", "open_users")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    OPEN_USERS_FIELD_NUMBER: _ClassVar[int]
    value: str
    steps: _containers.RepeatedCompositeFieldContainer[FunnelStep]
    other: bool
    open_users: int
    def __init__(self, value: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[FunnelStep, _Mapping]]] = ..., other: bool = ..., open_users: _Optional[int] = ...) -> None: ...

class ListFunnelActorsRequest(_message.Message):
    __slots__ = ("funnel", "step", "dropped", "page_size", "page_token")
    FUNNEL_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    funnel: GetFunnelRequest
    step: int
    dropped: bool
    page_size: int
    page_token: str
    def __init__(self, funnel: _Optional[_Union[GetFunnelRequest, _Mapping]] = ..., step: _Optional[int] = ..., dropped: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFunnelActorsResponse(_message.Message):
    __slots__ = ("info", "actors", "next_page_token")
    INFO_FIELD_NUMBER: _ClassVar[int]
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    info: _report_scope_pb2.ReportInfo
    actors: _containers.RepeatedCompositeFieldContainer[FunnelActor]
    next_page_token: str
    def __init__(self, info: _Optional[_Union[_report_scope_pb2.ReportInfo, _Mapping]] = ..., actors: _Optional[_Iterable[_Union[FunnelActor, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FunnelActor(_message.Message):
    __slots__ = ("actor_id", "step_times", "value")
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    STEP_TIMES_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    actor_id: str
    step_times: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    value: str
    def __init__(self, actor_id: _Optional[str] = ..., step_times: _Optional[_Iterable[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]]] = ..., value: _Optional[str] = ...) -> None: ...
