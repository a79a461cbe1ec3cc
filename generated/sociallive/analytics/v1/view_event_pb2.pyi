from sociallive.analytics.v1 import options_pb2 as _options_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ViewEvent(_message.Message):
    __slots__ = ("content_type", "content_id", "view_duration", "scroll_depth", "referrer")
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    VIEW_DURATION_FIELD_NUMBER: _ClassVar[int]
    SCROLL_DEPTH_FIELD_NUMBER: _ClassVar[int]
    REFERRER_FIELD_NUMBER: _ClassVar[int]
    content_type: str
    content_id: str
    view_duration: float
    scroll_depth: float
    referrer: str
    def __init__(self, content_type: _Optional[str] = ..., content_id: _Optional[str] = ..., view_duration: _Optional[float] = ..., scroll_depth: _Optional[float] = ..., referrer: _Optional[str] = ...) -> None: ...
