import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from sociallive.analytics.v1 import engagement_event_pb2 as _engagement_event_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import purchase_event_pb2 as _purchase_event_pb2
from sociallive.analytics.v1 import session_event_pb2 as _session_event_pb2
from sociallive.analytics.v1 import stream_event_pb2 as _stream_event_pb2
from sociallive.analytics.v1 import view_event_pb2 as _view_event_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TimestampSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIMESTAMP_SOURCE_UNSPECIFIED: _ClassVar[TimestampSource]
    TIMESTAMP_SOURCE_CLIENT: _ClassVar[TimestampSource]
    TIMESTAMP_SOURCE_CORRECTED: _ClassVar[TimestampSource]
    TIMESTAMP_SOURCE_MISSING: _ClassVar[TimestampSource]
    TIMESTAMP_SOURCE_FUTURE: _ClassVar[TimestampSource]
TIMESTAMP_SOURCE_UNSPECIFIED: TimestampSource
TIMESTAMP_SOURCE_CLIENT: TimestampSource
TIMESTAMP_SOURCE_CORRECTED: TimestampSource
TIMESTAMP_SOURCE_MISSING: TimestampSource
TIMESTAMP_SOURCE_FUTURE: TimestampSource

class Event(_message.Message):
    __slots__ = ("event_id", "event_type", "schema_version", "user_id", "session_id", "timestamp", "sent_at", "sequence", "platform", "user_agent", "ip_address", "device", "data", "received_at", "timestamp_source", "view", "engagement", "purchase", "stream", "session")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    SENT_AT_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    USER_AGENT_FIELD_NUMBER: _ClassVar[int]
    IP_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_SOURCE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    ENGAGEMENT_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: str
    schema_version: str
    user_id: str
    session_id: str
    timestamp: _timestamp_pb2.Timestamp
    sent_at: _timestamp_pb2.Timestamp
    sequence: int
    platform: str
    user_agent: str
    ip_address: str
    device: Device
    data: _struct_pb2.Struct
    received_at: _timestamp_pb2.Timestamp
    timestamp_source: TimestampSource
    view: _view_event_pb2.ViewEvent
    engagement: _engagement_event_pb2.EngagementEvent
    purchase: _purchase_event_pb2.PurchaseEvent
    stream: _stream_event_pb2.StreamEvent
    session: _session_event_pb2.SessionEvent
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., schema_version: _Optional[str] = ..., user_id: _Optional[str] = ..., session_id: _Optional[str] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sent_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sequence: _Optional[int] = ..., platform: _Optional[str] = ..., user_agent: _Optional[str] = ..., ip_address: _Optional[str] = ..., device: _Optional[_Union[Device, _Mapping]] = ..., data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., timestamp_source: _Optional[_Union[TimestampSource, str]] = ..., view: _Optional[_Union[_view_event_pb2.ViewEvent, _Mapping]] = ..., engagement: _Optional[_Union[_engagement_event_pb2.EngagementEvent, _Mapping]] = ..., purchase: _Optional[_Union[_purchase_event_pb2.PurchaseEvent, _Mapping]] = ..., stream: _Optional[_Union[_stream_event_pb2.StreamEvent, _Mapping]] = ..., session: _Optional[_Union[_session_event_pb2.SessionEvent, _Mapping]] = ...) -> None: ...

class Device(_message.Message):
    __slots__ = ("type", "model", "os", "os_version", "app_version", "locale")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OS_FIELD_NUMBER: _ClassVar[int]
    OS_VERSION_FIELD_NUMBER: _ClassVar[int]
    APP_VERSION_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    type: str
    model: str
    os: str
    os_version: str
    app_version: str
    locale: str
    def __init__(self, type: _Optional[str] = ..., model: _Optional[str] = ..., os: _Optional[str] = ..., os_version: _Optional[str] = ..., app_version: _Optional[str] = ..., locale: _Optional[str] = ...) -> None: ...
