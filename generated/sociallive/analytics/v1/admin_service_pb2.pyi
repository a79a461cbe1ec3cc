import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import event_pb2 as _event_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import track_pb2 as _track_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReplayState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLAY_STATE_UNSPECIFIED: _ClassVar[ReplayState]
    REPLAY_STATE_WAITING: _ClassVar[ReplayState]
    REPLAY_STATE_REPLAYED: _ClassVar[ReplayState]

class ReplayStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPLAY_STATUS_UNSPECIFIED: _ClassVar[ReplayStatus]
    REPLAY_STATUS_STORED: _ClassVar[ReplayStatus]
    REPLAY_STATUS_DUPLICATE: _ClassVar[ReplayStatus]
    REPLAY_STATUS_FAILED: _ClassVar[ReplayStatus]
REPLAY_STATE_UNSPECIFIED: ReplayState
REPLAY_STATE_WAITING: ReplayState
REPLAY_STATE_REPLAYED: ReplayState
REPLAY_STATUS_UNSPECIFIED: ReplayStatus
REPLAY_STATUS_STORED: ReplayStatus
REPLAY_STATUS_DUPLICATE: ReplayStatus
REPLAY_STATUS_FAILED: ReplayStatus

class RejectedEventFilter(_message.Message):
    __slots__ = ("reason", "event_type", "event_id", "source", "timeframe", "start_time", "end_time", "time_zone", "replay_state")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TIMEFRAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    REPLAY_STATE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    event_type: str
    event_id: str
    source: str
    timeframe: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    time_zone: str
    replay_state: ReplayState
    def __init__(self, reason: _Optional[str] = ..., event_type: _Optional[str] = ..., event_id: _Optional[str] = ..., source: _Optional[str] = ..., timeframe: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., time_zone: _Optional[str] = ..., replay_state: _Optional[_Union[ReplayState, str]] = ...) -> None: ...

class ListRejectedEventsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: RejectedEventFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[RejectedEventFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRejectedEventsResponse(_message.Message):
    __slots__ = ("rejected_events", "counts", "next_page_token")
    REJECTED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rejected_events: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    counts: _containers.RepeatedCompositeFieldContainer[RejectionCount]
    next_page_token: str
    def __init__(self, rejected_events: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ..., counts: _Optional[_Iterable[_Union[RejectionCount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RejectionCount(_message.Message):
    __slots__ = ("reason", "events", "replayable")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    REPLAYABLE_FIELD_NUMBER: _ClassVar[int]
    reason: str
    events: int
    replayable: int
    def __init__(self, reason: _Optional[str] = ..., events: _Optional[int] = ..., replayable: _Optional[int] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("rejection_id", "received_at", "reason", "source", "event_id", "event_type", "violations", "event_count", "payload_bytes", "payload_kept", "replayed_at", "last_replay", "last_replayed_at")
    REJECTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_KEPT_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_REPLAY_FIELD_NUMBER: _ClassVar[int]
    LAST_REPLAYED_AT_FIELD_NUMBER: _ClassVar[int]
    rejection_id: str
    received_at: _timestamp_pb2.Timestamp
    reason: str
    source: str
    event_id: str
    event_type: str
    violations: _containers.RepeatedCompositeFieldContainer[_track_pb2.FieldViolation]
    event_count: int
    payload_bytes: int
    payload_kept: bool
    replayed_at: _timestamp_pb2.Timestamp
    last_replay: ReplayResult
    last_replayed_at: _timestamp_pb2.Timestamp
    def __init__(self, rejection_id: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ..., source: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[_track_pb2.FieldViolation, _Mapping]]] = ..., event_count: _Optional[int] = ..., payload_bytes: _Optional[int] = ..., payload_kept: bool = ..., replayed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_replay: _Optional[_Union[ReplayResult, _Mapping]] = ..., last_replayed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class GetRejectedEventRequest(_message.Message):
    __slots__ = ("rejection_id",)
    REJECTION_ID_FIELD_NUMBER: _ClassVar[int]
    rejection_id: str
    def __init__(self, rejection_id: _Optional[str] = ...) -> None: ...

class GetRejectedEventResponse(_message.Message):
    __slots__ = ("rejected_event", "event", "payload", "payload_type")
    REJECTED_EVENT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_TYPE_FIELD_NUMBER: _ClassVar[int]
    rejected_event: RejectedEvent
    event: _event_pb2.Event
    payload: bytes
    payload_type: str
    def __init__(self, rejected_event: _Optional[_Union[RejectedEvent, _Mapping]] = ..., event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., payload: _Optional[bytes] = ..., payload_type: _Optional[str] = ...) -> None: ...

class ReplayRejectedEventsRequest(_message.Message):
    __slots__ = ("rejection_ids", "filter", "patches", "dry_run", "backfill", "page_size", "page_token")
    REJECTION_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PATCHES_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rejection_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: RejectedEventFilter
    patches: _containers.RepeatedCompositeFieldContainer[FieldPatch]
    dry_run: bool
    backfill: bool
    page_size: int
    page_token: str
    def __init__(self, rejection_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[RejectedEventFilter, _Mapping]] = ..., patches: _Optional[_Iterable[_Union[FieldPatch, _Mapping]]] = ..., dry_run: bool = ..., backfill: bool = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class FieldPatch(_message.Message):
    __slots__ = ("field", "value", "remove", "move_to")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    MOVE_TO_FIELD_NUMBER: _ClassVar[int]
    field: str
    value: _struct_pb2.Value
    remove: bool
    move_to: str
    def __init__(self, field: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., remove: bool = ..., move_to: _Optional[str] = ...) -> None: ...

class ReplayRejectedEventsResponse(_message.Message):
    __slots__ = ("results", "stored", "duplicates", "failed", "next_page_token")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReplayResult]
    stored: int
    duplicates: int
    failed: int
    next_page_token: str
    def __init__(self, results: _Optional[_Iterable[_Union[ReplayResult, _Mapping]]] = ..., stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., failed: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReplayResult(_message.Message):
    __slots__ = ("rejection_id", "event_id", "status", "reason", "violations")
    REJECTION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    rejection_id: str
    event_id: str
    status: ReplayStatus
    reason: str
    violations: _containers.RepeatedCompositeFieldContainer[_track_pb2.FieldViolation]
    def __init__(self, rejection_id: _Optional[str] = ..., event_id: _Optional[str] = ..., status: _Optional[_Union[ReplayStatus, str]] = ..., reason: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[_track_pb2.FieldViolation, _Mapping]]] = ...) -> None: ...

class PurgeRejectedEventsRequest(_message.Message):
    __slots__ = ("filter", "all", "dry_run")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    filter: RejectedEventFilter
    all: bool
    dry_run: bool
    def __init__(self, filter: _Optional[_Union[RejectedEventFilter, _Mapping]] = ..., all: bool = ..., dry_run: bool = ...) -> None: ...

class PurgeRejectedEventsResponse(_message.Message):
    __slots__ = ("rows", "events", "bytes", "unfinished")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    rows: int
    events: int
    bytes: int
    unfinished: bool
    def __init__(self, rows: _Optional[int] = ..., events: _Optional[int] = ..., bytes: _Optional[int] = ..., unfinished: bool = ...) -> None: ...
