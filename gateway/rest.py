"""The services, REST paths and methods of each port of the gateway, read from the descriptors."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

from sociallive.analytics.v1 import admin_service_pb2, analytics_service_pb2, key_service_pb2, schema_service_pb2

SERVICES: Sequence[ServiceDescriptor] = (
    analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"],
)
"""The services of both ports."""
ADMINISTRATIVE: Sequence[ServiceDescriptor] = (
    admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
    key_service_pb2.DESCRIPTOR.services_by_name["KeyService"],
)
"""The services of the admin port alone."""

_VARIABLE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method by REST.

    Attributes:
        method: "GET" or "POST".
        path: as in the .proto, for example "/analytics/schemas/{event_type}/{version}".
        cluster: the name of the servers that answer it.
    """

    method: str
    path: str
    cluster: str

    @property
    def pattern(self) -> str | None:
        """The regular expression of a path with variables; None where the path is one string."""
        parts = _VARIABLE.split(self.path)
        return "[^/]+".join(re.escape(part) for part in parts) if len(parts) > 1 else None


def bindings(services: Sequence[ServiceDescriptor] = SERVICES, cluster: str = "server") -> list[Binding]:
    """List every REST binding of some services, those without variables first."""
    found = list(_bindings(services, cluster))
    return sorted(found, key=lambda binding: binding.pattern is not None)


def descriptor_set(services: Sequence[ServiceDescriptor]) -> bytes:
    """Serialize services with all that they import, and the details that errors carry."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in files:
            for needed in file.dependencies:
                add(needed)
            files[file.name] = file

    for file in (*(service.file for service in services), error_details_pb2.DESCRIPTOR):
        add(file)
    built = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(built.file.add())
    return built.SerializeToString(deterministic=True)


def _bindings(services: Sequence[ServiceDescriptor], cluster: str) -> Iterator[Binding]:
    for service in services:
        for method in service.methods:
            options = method.GetOptions()
            if options.HasExtension(annotations_pb2.http):
                first = options.Extensions[annotations_pb2.http]
                for rule in (first, *first.additional_bindings):
                    verb = rule.WhichOneof("pattern")
                    if verb is not None:
                        yield Binding(verb.upper(), getattr(rule, verb), cluster)
