from google.protobuf import struct_pb2 as _struct_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StreamEvent(_message.Message):
    __slots__ = ("stream_id", "action", "watch_duration", "viewer_count", "quality", "bitrate_kbps", "metadata")
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    WATCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    VIEWER_COUNT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    BITRATE_KBPS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    stream_id: str
    action: str
    watch_duration: float
    viewer_count: int
    quality: str
    bitrate_kbps: int
    metadata: _struct_pb2.Struct
    def __init__(self, stream_id: _Optional[str] = ..., action: _Optional[str] = ..., watch_duration: _Optional[float] = ..., viewer_count: _Optional[int] = ..., quality: _Optional[str] = ..., bitrate_kbps: _Optional[int] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
