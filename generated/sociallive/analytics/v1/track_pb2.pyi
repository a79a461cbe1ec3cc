from google.api import httpbody_pb2 as _httpbody_pb2
from sociallive.analytics.v1 import event_pb2 as _event_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_STATUS_UNSPECIFIED: _ClassVar[EventStatus]
    EVENT_STATUS_STORED: _ClassVar[EventStatus]
    EVENT_STATUS_DUPLICATE: _ClassVar[EventStatus]
    EVENT_STATUS_SPOOLED: _ClassVar[EventStatus]
EVENT_STATUS_UNSPECIFIED: EventStatus
EVENT_STATUS_STORED: EventStatus
EVENT_STATUS_DUPLICATE: EventStatus
EVENT_STATUS_SPOOLED: EventStatus

class TrackRequest(_message.Message):
    __slots__ = ("event", "body", "event_type")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    body: _httpbody_pb2.HttpBody
    event_type: str
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., event_type: _Optional[str] = ...) -> None: ...

class TrackResponse(_message.Message):
    __slots__ = ("event_id", "status", "warnings")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    status: EventStatus
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_id: _Optional[str] = ..., status: _Optional[_Union[EventStatus, str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class TrackBatchRequest(_message.Message):
    __slots__ = ("events", "backfill")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    backfill: bool
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., backfill: bool = ...) -> None: ...

class TrackBatchResponse(_message.Message):
    __slots__ = ("received", "stored", "duplicates", "rejected", "spooled", "rejections", "warnings", "assigned_ids")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    SPOOLED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_IDS_FIELD_NUMBER: _ClassVar[int]
    received: int
    stored: int
    duplicates: int
    rejected: int
    spooled: int
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    warnings: _containers.RepeatedCompositeFieldContainer[TrackWarning]
    assigned_ids: _containers.RepeatedCompositeFieldContainer[AssignedId]
    def __init__(self, received: _Optional[int] = ..., stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., rejected: _Optional[int] = ..., spooled: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[TrackWarning, _Mapping]]] = ..., assigned_ids: _Optional[_Iterable[_Union[AssignedId, _Mapping]]] = ...) -> None: ...

class TrackEventsRequest(_message.Message):
    __slots__ = ("events", "backfill", "body")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_event_pb2.Event]
    backfill: bool
    body: _httpbody_pb2.HttpBody
    def __init__(self, events: _Optional[_Iterable[_Union[_event_pb2.Event, _Mapping]]] = ..., backfill: bool = ..., body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ...) -> None: ...

class TrackEventsResponse(_message.Message):
    __slots__ = ("received", "stored", "duplicates", "rejected", "spooled", "rejections", "warnings", "assigned_ids")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    SPOOLED_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    ASSIGNED_IDS_FIELD_NUMBER: _ClassVar[int]
    received: int
    stored: int
    duplicates: int
    rejected: int
    spooled: int
    rejections: _containers.RepeatedCompositeFieldContainer[Rejection]
    warnings: _containers.RepeatedCompositeFieldContainer[TrackWarning]
    assigned_ids: _containers.RepeatedCompositeFieldContainer[AssignedId]
    def __init__(self, received: _Optional[int] = ..., stored: _Optional[int] = ..., duplicates: _Optional[int] = ..., rejected: _Optional[int] = ..., spooled: _Optional[int] = ..., rejections: _Optional[_Iterable[_Union[Rejection, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[TrackWarning, _Mapping]]] = ..., assigned_ids: _Optional[_Iterable[_Union[AssignedId, _Mapping]]] = ...) -> None: ...

class AssignedId(_message.Message):
    __slots__ = ("index", "event_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    index: int
    event_id: str
    def __init__(self, index: _Optional[int] = ..., event_id: _Optional[str] = ...) -> None: ...

class TrackWarning(_message.Message):
    __slots__ = ("description", "events")
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    description: str
    events: int
    def __init__(self, description: _Optional[str] = ..., events: _Optional[int] = ...) -> None: ...

class Rejection(_message.Message):
    __slots__ = ("index", "event_id", "reason", "violations")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    index: int
    event_id: str
    reason: str
    violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    def __init__(self, index: _Optional[int] = ..., event_id: _Optional[str] = ..., reason: _Optional[str] = ..., violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ("field", "rule", "description")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    field: str
    rule: str
    description: str
    def __init__(self, field: _Optional[str] = ..., rule: _Optional[str] = ..., description: _Optional[str] = ...) -> None: ...
