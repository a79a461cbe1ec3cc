"""SchemaService: the schemas of events, and the validation of single events."""

from datetime import date
from typing import Any

import grpc

from events.normalize import COLUMNS, Rejected
from events.stored_event import write_event
from server.ingest.field_violations import write_violations
from server.ingest.pipeline import Pipeline
from server.schemas.registry import Release, SchemaRegistry
from sociallive.analytics.v1.schema_service_pb2 import (
    GetSchemaRequest,
    GetSchemaResponse,
    ListSchemasRequest,
    ListSchemasResponse,
    Schema,
    ValidateRequest,
    ValidateResponse,
)

Context = grpc.aio.ServicerContext[Any, Any]


class SchemaService:
    """Answers the methods of sociallive.analytics.v1.SchemaService; errors are the boundary's to translate."""

    def __init__(self, registry: SchemaRegistry, pipeline: Pipeline) -> None:
        self._registry = registry
        self._pipeline = pipeline

    async def ListSchemas(self, request: ListSchemasRequest, context: Context) -> ListSchemasResponse:  # noqa: N802, ARG002 - the contract's name and shape
        """Answer every event type and its versions."""
        return ListSchemasResponse(schemas=[self._write_schema(release) for release in self._registry.releases()])

    async def GetSchema(self, request: GetSchemaRequest, context: Context) -> GetSchemaResponse:  # noqa: N802, ARG002 - likewise
        """Return the JSON Schema of one version of an event type."""
        release = self._registry.find(request.event_type, request.version)
        response = GetSchemaResponse(schema=self._write_schema(release))
        response.json_schema.update(self._registry.json_schema(release))
        return response

    async def Validate(self, request: ValidateRequest, context: Context) -> ValidateResponse:  # noqa: N802, ARG002 - likewise
        """Check an event as Track would, and store nothing."""
        prepared = self._pipeline.dry_run(request)
        if isinstance(prepared, Rejected):
            return ValidateResponse(violations=write_violations(prepared.violations))
        event = write_event(dict(zip(COLUMNS, prepared, strict=True)))
        return ValidateResponse(event=event, warnings=self._pipeline.warnings_of(prepared))

    def _write_schema(self, release: Release) -> Schema:
        event_type, version = release
        return Schema(
            event_type=event_type.name,
            version=version.version,
            release_date=version.released.isoformat(),
            deprecation_date=_iso(version.deprecated),
            sunset_date=_iso(self._registry.sunset(version)),
            newest=version.version == event_type.newest,
        )


def _iso(day: date | None) -> str:
    return day.isoformat() if day else ""
