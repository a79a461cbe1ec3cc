"""What the gateway opens to its callers, read from the descriptors: services, REST paths and their methods."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2

from sociallive.analytics.v1 import analytics_service_pb2, schema_service_pb2

SERVICES: Sequence[ServiceDescriptor] = (
    analytics_service_pb2.DESCRIPTOR.services_by_name["AnalyticsService"],
    schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"],
)
"""Open to callers. What is not here, such as AdminService, is not to be found through the gateway."""

_VARIABLE = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method by REST.

    Attributes:
        method: "GET" or "POST".
        path: as in the .proto, for example "/analytics/schemas/{event_type}/{version}".
    """

    method: str
    path: str

    @property
    def pattern(self) -> str | None:
        """The regular expression of a path with variables; None where the path is one text."""
        parts = _VARIABLE.split(self.path)
        return "[^/]+".join(re.escape(part) for part in parts) if len(parts) > 1 else None


@dataclass(frozen=True, slots=True)
class Body:
    """What the JSON body of a path holds.

    Attributes:
        message: the message that it is.
        field: where it stands in the request, for example "event.view"; empty for the request itself.
    """

    message: Descriptor
    field: str


def bindings() -> list[Binding]:
    """List every REST binding of the open services, those without variables first."""
    found = [Binding(verb.upper(), path) for _, verb, path, _ in _rules()]
    return sorted(found, key=lambda binding: binding.pattern is not None)


def descriptor_set() -> bytes:
    """Serialize the open services with all that they import, and the details that errors carry."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in files:
            for needed in file.dependencies:
                add(needed)
            files[file.name] = file

    for file in (*(service.file for service in SERVICES), error_details_pb2.DESCRIPTOR):
        add(file)
    built = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(built.file.add())
    return built.SerializeToString(deterministic=True)


def bodies() -> Mapping[str, Body]:
    """List the paths that take a body."""
    return {path: _body_of(method, body) for method, _, path, body in _rules() if body}


def _body_of(method: MethodDescriptor, body: str) -> Body:
    field = "" if body == "*" else body
    message = method.input_type
    for name in field.split(".") if field else ():
        inner = message.fields_by_name[name].message_type
        assert inner is not None, f"{body} is no message"  # noqa: S101 - the .proto file says what a body is
        message = inner
    return Body(message, field)


def _rules() -> Iterator[tuple[MethodDescriptor, str, str, str]]:
    """Go through all REST bindings: method, verb, path and body."""
    for service in SERVICES:
        for method in service.methods:
            options = method.GetOptions()
            if options.HasExtension(annotations_pb2.http):
                first = options.Extensions[annotations_pb2.http]
                for rule in (first, *first.additional_bindings):
                    verb = rule.WhichOneof("pattern")
                    if verb is not None:
                        yield method, verb, getattr(rule, verb), rule.body
