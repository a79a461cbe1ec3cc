from google.protobuf import struct_pb2 as _struct_pb2
from sociallive.analytics.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PurchaseEvent(_message.Message):
    __slots__ = ("product_id", "order_id", "amount", "currency", "quantity", "payment_method", "conversion_path", "metadata")
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_PATH_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    order_id: str
    amount: float
    currency: str
    quantity: int
    payment_method: str
    conversion_path: _containers.RepeatedScalarFieldContainer[str]
    metadata: _struct_pb2.Struct
    def __init__(self, product_id: _Optional[str] = ..., order_id: _Optional[str] = ..., amount: _Optional[float] = ..., currency: _Optional[str] = ..., quantity: _Optional[int] = ..., payment_method: _Optional[str] = ..., conversion_path: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
