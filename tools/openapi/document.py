"""Puts the document together: every path of the gateway, from the .proto files and the event catalogue."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from events.catalogue import load_catalogue
from gateway.rest import SERVICES
from gateway.routes import HEALTH_PATHS
from server.rpc.error_reasons import name_of
from sociallive.analytics.v1.errors_pb2 import ErrorReason
from tools.openapi.answers import Json, add_answer, reference
from tools.openapi.events import add_events
from tools.openapi.failures import OF_HEALTH, error_schema, failures, reason_schema, reasons_of
from tools.openapi.parameters import parameters_of, path_parameters
from tools.proto_comments import Comments

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
DIALECT = "3.1.1"
DESCRIPTION = (
    "64-bit integers are strings of digits in answers, since JSON numbers lose digits; requests may use either. Times "
    "are RFC 3339. Answers may get further members: ignore those that you do not know. Where the service needs a key "
    "or a token, send it as `authorization: Bearer`; a public key may stand in the query of the paths that take "
    "events, as `key`."
)
TYPE_IN_PATH = "{event_type}"

BODIES = {"Track": "event", "TrackEvents": "batch", "Validate": "event"}
"""The component that a method's body is."""


def write_description(comments: Comments) -> Json:
    """Write the whole document."""
    schemas: dict[str, Json] = {}
    add_events(load_catalogue(), schemas)
    paths: dict[str, Json] = {}
    for method, verb, path, has_body in _bindings():
        operation = _operation(method, comments, schemas, path=path, has_body=has_body)
        if has_body and TYPE_IN_PATH in path:
            for name in load_catalogue().types:
                paths[path.replace(TYPE_IN_PATH, name)] = {verb: _of_type(operation, name)}
        else:
            paths[path] = {verb: operation}
    for number, path in enumerate(HEALTH_PATHS):
        paths[path] = {"get": _health(number)}
    enum = ErrorReason.DESCRIPTOR
    schemas["Error"] = error_schema()
    schemas["ErrorReason"] = reason_schema(
        (name_of(value), comments[f"{enum.full_name}.{value.name}"]) for value in enum.values
    )
    return {
        "openapi": DIALECT,
        "info": {
            "title": "Social Live Analytics",
            "version": tomllib.loads(PROJECT.read_text())["project"]["version"],
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": service.name, "description": comments[service.full_name]} for service in SERVICES],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _bindings() -> Iterator[tuple[MethodDescriptor, str, str, bool]]:
    """Go through all REST bindings: method, verb, path, and whether it takes a body."""
    for service in SERVICES:
        for method in service.methods:
            options = method.GetOptions()
            if options.HasExtension(annotations_pb2.http):
                first = options.Extensions[annotations_pb2.http]
                for rule in (first, *first.additional_bindings):
                    verb = rule.WhichOneof("pattern")
                    yield method, verb, getattr(rule, verb), bool(rule.body)


def _operation(
    method: MethodDescriptor, comments: Comments, schemas: dict[str, Json], *, path: str, has_body: bool
) -> Json:
    summary, _, more = comments[method.full_name].partition(". ")
    operation: Json = {
        "tags": [method.containing_service.name],
        "summary": f"{summary.rstrip('.')}.",
        "operationId": method.name,
        "parameters": [*path_parameters(method, path, comments), *parameters_of(method, path, comments)],
        "responses": {
            "200": {
                "description": comments[method.output_type.full_name],
                "content": _as_json(add_answer(method.output_type, comments, schemas)),
            },
            **failures(reasons_of(method, has_body=has_body)),
        },
    }
    if more:
        operation["description"] = more
    if has_body:
        operation["requestBody"] = _body(BODIES[method.name])
    return operation


def _of_type(operation: Json, name: str) -> Json:
    """Write the operation of the path of one event type."""
    return {
        **operation,
        "summary": f"Stores one {name} event, and answers when it is durable.",
        "operationId": f"{operation['operationId']}{name.capitalize()}",
        "parameters": [each for each in operation["parameters"] if each["in"] != "path"],
        "requestBody": _body(f"path.{name}"),
    }


def _body(component: str) -> Json:
    content = _as_json(reference(component))
    # What navigator.sendBeacon calls a string.
    content["text/plain"] = {
        "schema": {"type": "string", "contentMediaType": "application/json", "description": "The same JSON as text."}
    }
    return {"required": True, "content": content}


def _health(number: int) -> Json:
    schema = {
        "type": "object",
        "required": ["status", "storage"],
        "properties": {"status": {"const": "SERVING"}, "storage": {"enum": ["SERVING", "NOT_SERVING"]}},
    }
    return {
        "tags": ["Health"],
        "summary": "Says whether events are taken, and whether the database answers.",
        "operationId": f"Health{number or ''}",
        "responses": {"200": {"description": "Events are taken.", "content": _as_json(schema)}, **failures(OF_HEALTH)},
    }


def _as_json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}
