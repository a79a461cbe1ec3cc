"""The columns of events in memory: flat, one array for each field, under the name `payload.field`.

A column that is missing holds nulls alone. So a table has the columns that its events need, and those that the
catalogue knows no more stay beside the others, untouched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

TEXT = pa.dictionary(pa.int32(), pa.string())
"""Texts repeat; in memory each distinct one is kept once."""
INSTANT = pa.timestamp("us", "UTC")
EVENT_ID_BYTES = 16
AMOUNT = pa.decimal128(38, 18)
"""20 digits before the point and 18 after it."""

ENVELOPE: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "actor_hash": pa.int64(),
        "timestamp": INSTANT,
        "sequence": pa.int64(),
        "event_id": pa.binary(EVENT_ID_BYTES),
        "received_at": INSTANT,
        "event_type": TEXT,
        "schema_version": TEXT,
        "timestamp_source": TEXT,
        # Null where it is the user's id, else the session's, else the event's: nearly always.
        "actor_id": TEXT,
        "user_id": TEXT,
        "session_id": TEXT,
        "platform": TEXT,
        "user_agent": TEXT,
        "ip_address": TEXT,
        # JSON: what of the payload, and of the device, has no column here. A newer program's field, for example.
        "extra": TEXT,
        "device_extra": TEXT,
    }
)
"""The columns that all events share, and their types."""
REQUIRED = ("actor_hash", "timestamp", "sequence", "event_id", "received_at", "event_type", "schema_version")
"""Those that are never null."""
DEVICE = "device"

_TYPES: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "text": TEXT,
        "double": pa.float64(),
        "decimal": AMOUNT,
        "int32": pa.int32(),
        "int64": pa.int64(),
        "uint64": pa.decimal128(20, 0),
        "flag": pa.bool_(),
        "texts": pa.list_(pa.string()),
        # Canonical JSON: sorted keys, no spaces.
        "json": TEXT,
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a payload or of the device.

    Attributes:
        name: of its column, `payload.field`.
        json_name: of the field in JSON.
        kind: "text", "double", "decimal", "int32", "int64", "uint64", "flag", "texts" or "json".
    """

    name: str
    json_name: str
    kind: str

    @property
    def type(self) -> pa.DataType:
        """The type of its array."""
        return _TYPES[self.kind]


@dataclass(frozen=True, slots=True)
class EventColumns:
    """The columns of this program's event catalogue.

    Attributes:
        structs: the columns of each payload by the name of its event type, and those of the device under "device".
    """

    structs: Mapping[str, Sequence[Column]]

    @classmethod
    def of(cls, described: Mapping[str, Sequence[tuple[str, str, str]]]) -> "EventColumns":
        """Take what `events.columns.columns_of` describes."""
        return cls(
            MappingProxyType(
                {
                    struct: tuple(Column(f"{struct}.{name}", json_name, kind) for name, json_name, kind in columns)
                    for struct, columns in described.items()
                }
            )
        )
