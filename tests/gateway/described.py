"""Checks answers against gateway/openapi.json: every call of the tests of the gateway goes through here."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker

DESCRIPTION: dict[str, Any] = json.loads((Path(__file__).parents[2] / "gateway" / "openapi.json").read_text())
FORMATS = FormatChecker(["date-time"])
_PATHS = {
    re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", path))): path
    for path in DESCRIPTION["paths"]
}


def check_answer(method: str, target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """See that an answer has a status, headers and a body that the description has; a path without one is let be."""
    path = _path_of(urlsplit(target).path)
    operation = DESCRIPTION["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return
    response = operation["responses"].get(str(status))
    assert response is not None, f"{method} {path} answers {status}, which is not described: {body[:500]!r}"
    assert headers["content-type"] == "application/json"
    described = response.get("headers", {}).get("retry-after")
    assert described is not None or "retry-after" not in headers, f"{path} {status} has retry-after"
    assert described is None or not described["required"] or "retry-after" in headers, f"{path} {status} lacks it"
    for error in _validator(path, method.lower(), status).iter_errors(json.loads(body)):
        raise AssertionError(f"{method} {path} {status}: {error.json_path}: {error.message}")


def _path_of(written: str) -> str:
    if written in DESCRIPTION["paths"]:
        return written
    return next((path for pattern, path in _PATHS.items() if pattern.fullmatch(written)), "")


@lru_cache
def _validator(path: str, method: str, status: int) -> Draft202012Validator:
    response = DESCRIPTION["paths"][path][method]["responses"][str(status)]
    schema = {**response["content"]["application/json"]["schema"], "components": _closed_components()}
    return Draft202012Validator(schema, format_checker=FORMATS)


@lru_cache
def _closed_components() -> dict[str, Any]:
    """Take the components, and let none have members that it does not describe."""
    schemas = DESCRIPTION["components"]["schemas"]
    return {
        "schemas": {
            name: {"additionalProperties": False, **schema} if "properties" in schema else schema
            for name, schema in schemas.items()
        }
    }
