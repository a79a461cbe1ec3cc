"""The manifests of the clients: what conformance.json says of each."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).resolve().parents[1]
FILE = "conformance.json"
TRANSPORTS = frozenset({"rest", "grpc"})
PYTHON = "python"
"""Stands in a command for the interpreter that runs the kit."""


class ManifestError(Exception):
    """A manifest is wrong; the message says where and how."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a client says of itself.

    Attributes:
        name: of the client.
        folder: where its commands run.
        command: starts its adapter.
        transport: "rest" or "grpc".
        survives_kill: whether accepted events outlive SIGKILL in the folder that --state names.
        install: prepares the adapter; empty if nothing is to be prepared.
    """

    name: str
    folder: Path
    command: tuple[str, ...]
    transport: str
    survives_kill: bool
    install: tuple[str, ...]


def find_manifests() -> list[Manifest]:
    """Read every manifest, at clients/<x>/conformance.json or a folder below, ordered by the client's name.

    Raises:
        ManifestError: one is wrong.
    """
    paths = [*CLIENTS.glob(f"*/{FILE}"), *CLIENTS.glob(f"*/packages/*/{FILE}"), *CLIENTS.glob(f"*/*/{FILE}")]
    return sorted((read_manifest(path) for path in set(paths)), key=lambda manifest: manifest.name)


def read_manifest(path: Path) -> Manifest:
    """Read one manifest.

    Raises:
        ManifestError: it is wrong.
    """
    try:
        given: dict[str, Any] = json.loads(path.read_text())
        manifest = Manifest(
            name=given["name"],
            folder=path.parent,
            command=_command(given["command"]),
            transport=given["transport"],
            survives_kill=given["survives_kill"],
            install=_command(given.get("install", [])),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise ManifestError(f"{path}: {type(exc).__name__}: {exc}") from exc
    if manifest.transport not in TRANSPORTS:
        raise ManifestError(f"{path}: transport must be one of {sorted(TRANSPORTS)}, not {manifest.transport!r}")
    return manifest


def _command(words: list[str]) -> tuple[str, ...]:
    return tuple(sys.executable if word == PYTHON else word for word in words)
