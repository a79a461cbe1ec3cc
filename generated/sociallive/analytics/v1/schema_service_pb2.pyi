from google.api import annotations_pb2 as _annotations_pb2
from google.api import httpbody_pb2 as _httpbody_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from sociallive.analytics.v1 import event_pb2 as _event_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from sociallive.analytics.v1 import track_pb2 as _track_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListSchemasRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSchemasResponse(_message.Message):
    __slots__ = ("schemas",)
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    schemas: _containers.RepeatedCompositeFieldContainer[Schema]
    def __init__(self, schemas: _Optional[_Iterable[_Union[Schema, _Mapping]]] = ...) -> None: ...

class Schema(_message.Message):
    __slots__ = ("event_type", "version", "release_date", "deprecation_date", "sunset_date", "newest")
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RELEASE_DATE_FIELD_NUMBER: _ClassVar[int]
    DEPRECATION_DATE_FIELD_NUMBER: _ClassVar[int]
    SUNSET_DATE_FIELD_NUMBER: _ClassVar[int]
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    version: str
    release_date: str
    deprecation_date: str
    sunset_date: str
    newest: bool
    def __init__(self, event_type: _Optional[str] = ..., version: _Optional[str] = ..., release_date: _Optional[str] = ..., deprecation_date: _Optional[str] = ..., sunset_date: _Optional[str] = ..., newest: bool = ...) -> None: ...

class GetSchemaRequest(_message.Message):
    __slots__ = ("event_type", "version")
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    version: str
    def __init__(self, event_type: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class GetSchemaResponse(_message.Message):
    __slots__ = ("schema", "json_schema")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    schema: Schema
    json_schema: _struct_pb2.Struct
    def __init__(self, schema: _Optional[_Union[Schema, _Mapping]] = ..., json_schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ValidateRequest(_message.Message):
    __slots__ = ("event", "body", "event_type")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.Event
    body: _httpbody_pb2.HttpBody
    event_type: str
    def __init__(self, event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., body: _Optional[_Union[_httpbody_pb2.HttpBody, _Mapping]] = ..., event_type: _Optional[str] = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("violations", "event", "warnings")
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    violations: _containers.RepeatedCompositeFieldContainer[_track_pb2.FieldViolation]
    event: _event_pb2.Event
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, violations: _Optional[_Iterable[_Union[_track_pb2.FieldViolation, _Mapping]]] = ..., event: _Optional[_Union[_event_pb2.Event, _Mapping]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...
