"""Make gateway/openapi.json of what protoc-gen-openapiv3 writes: one document, completed by what the gateway answers.

Usage: python -m tools.openapi FOLDER > gateway/openapi.json
"""

import json
import sys
from pathlib import Path
from typing import Any

from gateway.replies import REPLIES
from gateway.routes import HEALTH_PATHS

Json = dict[str, Any]

SERVICES = ("analytics_service", "schema_service")
"""The descriptions to merge: those of the services that the gateway opens."""
ONE_EVENT_PATHS = frozenset({"/analytics/events/track", "/analytics/events/{event_type}"})
BODY_PATHS = frozenset({*ONE_EVENT_PATHS, "/analytics/events/batch", "/analytics/events/validate"})
"""What takes a body: `google.api.HttpBody` in the contract, since the server reads the JSON itself."""
BESIDE_THE_BODY = frozenset({"event_type", "backfill"})

BY_THE_SERVER = {
    409: "The id belongs to another event, which stays.",
    429: "More than the server takes just now: send it again after `retry-after` seconds, with the same event ids.",
    501: "Part of the contract, but not of this release.",
}
EVERYWHERE = (400, 405, 408, 414, 429, 431, 500, 501, 503, 504)
WITH_A_BODY = (413, 415)
RETRIED = (429, 503)
FOUND_BY_NAME = "/analytics/schemas/{event_type}/{version}"

ERROR: Json = {
    "type": "object",
    "description": "What every answer but 200 holds.",
    "required": ["code", "reason", "message", "violations"],
    "properties": {
        "code": {"type": "string", "description": "The name of the gRPC status code, for example INVALID_ARGUMENT."},
        "reason": {"type": "string", "description": "What to match on, for example INVALID_EVENT."},
        "message": {"type": "string", "description": "What to do, in words."},
        "violations": {
            "type": "array",
            "description": "What is wrong with the request, field by field.",
            "items": {
                "type": "object",
                "required": ["field", "rule", "description"],
                "properties": {name: {"type": "string"} for name in ("field", "rule", "description")},
            },
        },
    },
}


def complete(folder: Path) -> Json:
    """Merge the generated descriptions under `folder`, and add what they cannot know."""
    parts = [json.loads(next(folder.rglob(f"{name}.openapi.json")).read_text()) for name in SERVICES]
    schemas = {name: schema for part in parts for name, schema in part["components"]["schemas"].items()}
    paths = {path: item for part in parts for path, item in part["paths"].items()}
    for path, item in paths.items():
        for method, operation in item.items():
            _complete_operation(path, method, operation)
    for path in HEALTH_PATHS:
        paths[path] = {"get": _health()}
    return {
        "openapi": parts[0]["openapi"],
        "info": {
            "title": "Social Live Analytics",
            "version": "1.0.0",
            "description": "64-bit integers are strings of digits, since numbers lose digits; input may be either.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [tag for part in parts for tag in part["tags"]],
        "paths": paths,
        "components": {"schemas": {**dict(sorted(schemas.items())), "Error": ERROR}},
    }


def _complete_operation(path: str, method: str, operation: Json) -> None:
    statuses = [*EVERYWHERE]
    if method == "post":
        statuses += WITH_A_BODY
        if path in ONE_EVENT_PATHS:
            statuses.append(409)
        content = operation["requestBody"]["content"]
        # What navigator.sendBeacon calls a text.
        content["text/plain"] = {"schema": {"type": "string", "description": "The same JSON as text."}}
    if path == FOUND_BY_NAME:
        statuses.append(404)
    if path in BODY_PATHS:
        # A variable of the path, or a flag: the generator takes the message's other fields for parameters as well.
        operation["parameters"] = [each for each in operation["parameters"] if each["name"] in BESIDE_THE_BODY]
    operation["responses"].update({str(status): _failure(status) for status in sorted(statuses)})


def _failure(status: int) -> Json:
    said = BY_THE_SERVER.get(status) or REPLIES[status][2]
    if status == 400:  # noqa: PLR2004 - the text of the table is the cause's own
        said = "The request is not what the operation takes; `violations` names each field at fault."
    response: Json = {"description": said, "content": _as_json({"$ref": "#/components/schemas/Error"})}
    if status in RETRIED:
        response["headers"] = {"retry-after": {"description": "In seconds.", "schema": {"type": "string"}}}
    return response


def _health() -> Json:
    schema = {
        "type": "object",
        "required": ["status", "storage"],
        "properties": {"status": {"const": "SERVING"}, "storage": {"enum": ["SERVING", "NOT_SERVING"]}},
    }
    return {
        "tags": ["Health"],
        "summary": "Says whether events are taken, and whether the database answers.",
        "responses": {
            "200": {"description": "Events are taken.", "content": _as_json(schema)},
            **{str(status): _failure(status) for status in (405, 408, 431, 503)},
        },
    }


def _as_json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def main() -> None:
    """Print the document for the folder that the command line names."""
    print(json.dumps(complete(Path(sys.argv[1])), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
