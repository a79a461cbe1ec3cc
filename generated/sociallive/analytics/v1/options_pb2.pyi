from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TextFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXT_FORMAT_UNSPECIFIED: _ClassVar[TextFormat]
    TEXT_FORMAT_UUID: _ClassVar[TextFormat]
    TEXT_FORMAT_CURRENCY: _ClassVar[TextFormat]
    TEXT_FORMAT_IP_ADDRESS: _ClassVar[TextFormat]
    TEXT_FORMAT_VERSION: _ClassVar[TextFormat]
TEXT_FORMAT_UNSPECIFIED: TextFormat
TEXT_FORMAT_UUID: TextFormat
TEXT_FORMAT_CURRENCY: TextFormat
TEXT_FORMAT_IP_ADDRESS: TextFormat
TEXT_FORMAT_VERSION: TextFormat
EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
event_type: _descriptor.FieldDescriptor
RULES_FIELD_NUMBER: _ClassVar[int]
rules: _descriptor.FieldDescriptor
FIELD_SCOPE_FIELD_NUMBER: _ClassVar[int]
field_scope: _descriptor.FieldDescriptor
REQUIRED_SCOPE_FIELD_NUMBER: _ClassVar[int]
required_scope: _descriptor.FieldDescriptor

class EventTypeOptions(_message.Message):
    __slots__ = ("name", "versions")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    versions: _containers.RepeatedCompositeFieldContainer[SchemaVersion]
    def __init__(self, name: _Optional[str] = ..., versions: _Optional[_Iterable[_Union[SchemaVersion, _Mapping]]] = ...) -> None: ...

class SchemaVersion(_message.Message):
    __slots__ = ("version", "released", "deprecated", "upcasts")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    DEPRECATED_FIELD_NUMBER: _ClassVar[int]
    UPCASTS_FIELD_NUMBER: _ClassVar[int]
    version: str
    released: str
    deprecated: str
    upcasts: _containers.RepeatedCompositeFieldContainer[Upcast]
    def __init__(self, version: _Optional[str] = ..., released: _Optional[str] = ..., deprecated: _Optional[str] = ..., upcasts: _Optional[_Iterable[_Union[Upcast, _Mapping]]] = ...) -> None: ...

class Upcast(_message.Message):
    __slots__ = ("field", "value")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    field: str
    value: str
    def __init__(self, field: _Optional[str] = ..., value: _Optional[str] = ..., **kwargs) -> None: ...

class FieldRules(_message.Message):
    __slots__ = ("since", "required", "minimum", "maximum", "max_length", "format", "allowed_values", "known_values", "unit", "max_items", "max_depth")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_VALUES_FIELD_NUMBER: _ClassVar[int]
    KNOWN_VALUES_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    MAX_ITEMS_FIELD_NUMBER: _ClassVar[int]
    MAX_DEPTH_FIELD_NUMBER: _ClassVar[int]
    since: str
    required: bool
    minimum: float
    maximum: float
    max_length: int
    format: TextFormat
    allowed_values: _containers.RepeatedScalarFieldContainer[str]
    known_values: _containers.RepeatedScalarFieldContainer[str]
    unit: str
    max_items: int
    max_depth: int
    def __init__(self, since: _Optional[str] = ..., required: bool = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., max_length: _Optional[int] = ..., format: _Optional[_Union[TextFormat, str]] = ..., allowed_values: _Optional[_Iterable[str]] = ..., known_values: _Optional[_Iterable[str]] = ..., unit: _Optional[str] = ..., max_items: _Optional[int] = ..., max_depth: _Optional[int] = ...) -> None: ...
