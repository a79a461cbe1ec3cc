"""The JSON text of payloads and devices: what the columns event_data and device hold."""

from typing import Any, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message

MessageT = TypeVar("MessageT", bound=Message)


def to_json(values: dict[str, Any]) -> str:
    """Write a reader's values as JSON text; numbers are their shortest decimals (29.99, 45)."""
    return orjson.dumps(values).decode()


def from_json(text: str, message: MessageT) -> MessageT:
    """Read event_data or device, as a column holds it, into an empty message, and return that.

    A field that the message does not know (stored by a newer program) is left out.
    """
    values = orjson.loads(text)
    json_format.ParseDict(values, message, ignore_unknown_fields=True)
    return message
