from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.rpc import code_pb2 as _code_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_EVENT: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_TOO_OLD: _ClassVar[ErrorReason]
    ERROR_REASON_SUNSET_VERSION: _ClassVar[ErrorReason]
    ERROR_REASON_ID_CONFLICT: _ClassVar[ErrorReason]
    ERROR_REASON_REFUSED_BY_DATABASE: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_EVENTS: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_MALFORMED_MESSAGE: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_PAGE_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_UNKNOWN_EVENT_TYPE: _ClassVar[ErrorReason]
    ERROR_REASON_UNKNOWN_VERSION: _ClassVar[ErrorReason]
    ERROR_REASON_NO_SUCH_REJECTION: _ClassVar[ErrorReason]
    ERROR_REASON_NO_CREDENTIAL: _ClassVar[ErrorReason]
    ERROR_REASON_BAD_CREDENTIAL: _ClassVar[ErrorReason]
    ERROR_REASON_MISSING_SCOPE: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_ALLOWED_BY_KEY: _ClassVar[ErrorReason]
    ERROR_REASON_NO_SUCH_KEY: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_KEYS: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_REPORTS_BUSY: _ClassVar[ErrorReason]
    ERROR_REASON_DRAINING: _ClassVar[ErrorReason]
    ERROR_REASON_INTERRUPTED: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_INTERRUPTED: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_REFUSED: _ClassVar[ErrorReason]
    ERROR_REASON_SPOOL_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_SPOOL_UNWRITABLE: _ClassVar[ErrorReason]
    ERROR_REASON_REPLAYED_MEANWHILE: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE: _ClassVar[ErrorReason]
    ERROR_REASON_QUOTA_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_FAILURES: _ClassVar[ErrorReason]
    ERROR_REASON_KEYS_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_FOREIGN_CALL: _ClassVar[ErrorReason]
    ERROR_REASON_PATCH_DOES_NOT_FIT: _ClassVar[ErrorReason]
    ERROR_REASON_PAYLOAD_NOT_KEPT: _ClassVar[ErrorReason]
    ERROR_REASON_BAD_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_NO_SUCH_PATH: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_TOO_SLOW: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_JSON: _ClassVar[ErrorReason]
    ERROR_REASON_HEADERS_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_REQUESTS: _ClassVar[ErrorReason]
    ERROR_REASON_QUERY_TOO_LONG: _ClassVar[ErrorReason]
    ERROR_REASON_SERVER_AWAY: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_SLOW: _ClassVar[ErrorReason]
    ERROR_REASON_GATEWAY_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_SERVER_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_REFUSED_BY_GATEWAY: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_EVENT: ErrorReason
ERROR_REASON_EVENT_TOO_OLD: ErrorReason
ERROR_REASON_SUNSET_VERSION: ErrorReason
ERROR_REASON_ID_CONFLICT: ErrorReason
ERROR_REASON_REFUSED_BY_DATABASE: ErrorReason
ERROR_REASON_TOO_MANY_EVENTS: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_MALFORMED_MESSAGE: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_INVALID_PAGE_TOKEN: ErrorReason
ERROR_REASON_UNKNOWN_EVENT_TYPE: ErrorReason
ERROR_REASON_UNKNOWN_VERSION: ErrorReason
ERROR_REASON_NO_SUCH_REJECTION: ErrorReason
ERROR_REASON_NO_CREDENTIAL: ErrorReason
ERROR_REASON_BAD_CREDENTIAL: ErrorReason
ERROR_REASON_MISSING_SCOPE: ErrorReason
ERROR_REASON_NOT_ALLOWED_BY_KEY: ErrorReason
ERROR_REASON_NO_SUCH_KEY: ErrorReason
ERROR_REASON_TOO_MANY_KEYS: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_REPORTS_BUSY: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_INTERRUPTED: ErrorReason
ERROR_REASON_STORAGE_UNAVAILABLE: ErrorReason
ERROR_REASON_STORAGE_INTERRUPTED: ErrorReason
ERROR_REASON_STORAGE_REFUSED: ErrorReason
ERROR_REASON_SPOOL_FULL: ErrorReason
ERROR_REASON_SPOOL_UNWRITABLE: ErrorReason
ERROR_REASON_REPLAYED_MEANWHILE: ErrorReason
ERROR_REASON_DEADLINE: ErrorReason
ERROR_REASON_QUOTA_EXCEEDED: ErrorReason
ERROR_REASON_TOO_MANY_FAILURES: ErrorReason
ERROR_REASON_KEYS_UNAVAILABLE: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_FOREIGN_CALL: ErrorReason
ERROR_REASON_PATCH_DOES_NOT_FIT: ErrorReason
ERROR_REASON_PAYLOAD_NOT_KEPT: ErrorReason
ERROR_REASON_BAD_REQUEST: ErrorReason
ERROR_REASON_NO_SUCH_PATH: ErrorReason
ERROR_REASON_METHOD_NOT_ALLOWED: ErrorReason
ERROR_REASON_REQUEST_TOO_SLOW: ErrorReason
ERROR_REASON_BODY_TOO_LARGE: ErrorReason
ERROR_REASON_NOT_JSON: ErrorReason
ERROR_REASON_HEADERS_TOO_LARGE: ErrorReason
ERROR_REASON_TOO_MANY_REQUESTS: ErrorReason
ERROR_REASON_QUERY_TOO_LONG: ErrorReason
ERROR_REASON_SERVER_AWAY: ErrorReason
ERROR_REASON_TOO_SLOW: ErrorReason
ERROR_REASON_GATEWAY_FAILED: ErrorReason
ERROR_REASON_SERVER_FAILED: ErrorReason
ERROR_REASON_REFUSED_BY_GATEWAY: ErrorReason
ERROR_FIELD_NUMBER: _ClassVar[int]
error: _descriptor.FieldDescriptor

class ErrorPolicy(_message.Message):
    __slots__ = ("code", "retryable", "http_status")
    CODE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
    code: _code_pb2.Code
    retryable: bool
    http_status: int
    def __init__(self, code: _Optional[_Union[_code_pb2.Code, str]] = ..., retryable: bool = ..., http_status: _Optional[int] = ...) -> None: ...
