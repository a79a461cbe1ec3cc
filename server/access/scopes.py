"""Scopes: what a key or token allows, and which of them each method needs, as its .proto file declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from runtime.errors import AnalyticsError
from sociallive.analytics.v1 import options_pb2

_REQUIRED: Any = options_pb2.required_scope  # the generated stub names another type than types-protobuf asks for
_OF_FIELD: Any = options_pb2.field_scope

INGEST = "ingest"
BACKFILL = "ingest.backfill"
READ_REPORTS = "read.reports"
READ_EVENTS = "read.events"
ADMIN_KEYS = "admin.keys"

SCOPES: Mapping[str, str] = MappingProxyType(
    {
        INGEST: "send events",
        BACKFILL: "mark events as an import of old data, besides `ingest`",
        READ_REPORTS: "read reports",
        READ_EVENTS: "read single events and lists of actors, which are personal data",
        "schemas": "read the schemas of events, and validate events without storing them",
        "admin.quarantine": "list, replay and purge rejected events",
        ADMIN_KEYS: "create, list, rotate and revoke keys",
    }
)
"""Every scope, with what it allows."""

PUBLIC_SCOPES = frozenset({INGEST})
"""What a key that anybody can read in a page may have."""
REPORTS = frozenset({READ_REPORTS, READ_EVENTS})
"""The scopes of methods that count as reports."""


class UndeclaredScopeError(AnalyticsError):
    """A method has no scope, or an unknown one: a mistake in a .proto file, for which no server starts."""

    reason: ClassVar[str] = "UNDECLARED_SCOPE"


@dataclass(frozen=True, slots=True)
class MethodAccess:
    """What a call of a method needs.

    Attributes:
        scope: of the method.
        field_scopes: the scope that the request needs besides, by the name of the field that is set.
        takes_events: whether quotas of events count, and keys of pages may come in the query.
        is_report: whether the quota of concurrent reports counts.
    """

    scope: str
    field_scopes: Mapping[str, str]
    takes_events: bool
    is_report: bool

    def scopes_of(self, request: Message) -> set[str]:
        """List the scopes that a request needs for the fields that it sets."""
        if not self.field_scopes:
            return set()
        return {self.field_scopes[field.name] for field, _ in request.ListFields() if field.name in self.field_scopes}


def read_access(method: MethodDescriptor) -> MethodAccess:
    """Read what a method needs from its options.

    Raises:
        UndeclaredScopeError: it has no scope, or one that does not exist.
    """
    scope = method.GetOptions().Extensions[_REQUIRED]
    fields = {field.name: field.GetOptions().Extensions[_OF_FIELD] for field in method.input_type.fields}
    field_scopes = {name: needed for name, needed in fields.items() if needed}
    for needed in (scope, *field_scopes.values()):
        if needed not in SCOPES:
            raise UndeclaredScopeError(
                f"{method.full_name} needs {needed!r}, which is not a scope: declare one of {', '.join(SCOPES)} in its "
                "option required_scope, or in field_scope of its request"
            )
    return MethodAccess(scope, MappingProxyType(field_scopes), scope == INGEST, scope in REPORTS)
