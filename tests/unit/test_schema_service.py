"""SchemaService on a catalogue of its own: what a deprecated version looks like."""

from typing import Any

import pytest

from server.rpc.schema_service import SchemaService
from server.schemas.registry import SchemaRegistry
from sociallive.analytics.v1.schema_service_pb2 import GetSchemaRequest, ListSchemasRequest
from tests.unit.test_lifecycle import deprecating

UNUSED: Any = None
"""The pipeline, and the context of a call."""


@pytest.mark.parametrize(("sunset_days", "sunset"), [(90, "2024-08-30"), (0, "")])
async def test_a_deprecated_version_tells_its_sunset(sunset_days: int, sunset: str) -> None:
    """Where the service has one; a current version has neither date."""
    service = SchemaService(SchemaRegistry(deprecating("view"), sunset_days=sunset_days), UNUSED)
    listed = (await service.ListSchemas(ListSchemasRequest(), UNUSED)).schemas
    dates = {
        schema.version: (schema.deprecation_date, schema.sunset_date)
        for schema in listed
        if schema.event_type == "view"
    }
    assert dates == {"1.0.0": ("2024-06-01", sunset), "1.1.0": ("", "")}
    found = await service.GetSchema(GetSchemaRequest(event_type="view", version="1.0.0"), UNUSED)
    assert found.schema.sunset_date == sunset
