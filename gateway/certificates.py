"""The certificates of Envoy: files that it watches, and what its listener says about TLS."""

import json
import os
from pathlib import Path
from typing import Any

from runtime.certificates import Certificates

SERVER_SECRET, CLIENTS_SECRET = "certificate", "client-authorities"
"""The names of the files, too."""
_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."


def write_certificates(folder: Path, certificates: Certificates) -> None:
    """Replace the files of certificates, each in one step; Envoy then uses them for new connections.

    Certificate and key are in one file, so that Envoy never sees the halves of two. Only this user may read it.
    """
    server = {
        "certificate_chain": {"inline_string": certificates.chain.decode()},
        "private_key": {"inline_string": certificates.key.decode()},
    }
    _write(folder, SERVER_SECRET, tls_certificate=server)
    if certificates.client_ca:
        trusted = {"trusted_ca": {"inline_string": certificates.client_ca.decode()}}
        _write(folder, CLIENTS_SECRET, validation_context=trusted)


def transport_socket(folder: Path | None, *, asks_clients: bool) -> dict[str, Any] | None:
    """Describe TLS for a listener: 1.2 and later, HTTP/2 and HTTP/1.1.

    Args:
        folder: where write_certificates() writes; None for plain text.
        asks_clients: whether to ask callers for a certificate. A wrong one ends the connection. Browsers have none, so
            none is needed: keys say who calls.
    """
    if folder is None:
        return None
    context: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_watched(SERVER_SECRET, folder)],
    }
    if asks_clients:
        context["validation_context_sds_secret_config"] = _watched(CLIENTS_SECRET, folder)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_TLS}DownstreamTlsContext",
            "common_tls_context": context,
            "require_client_certificate": False,
        },
    }


def _write(folder: Path, name: str, **content: Any) -> None:
    path, beside = folder / f"{name}.json", folder / f".{name}.json"
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"resources": [{"@type": f"{_TLS}Secret", "name": name, **content}]}, file)
    beside.replace(path)


def _watched(name: str, folder: Path) -> dict[str, Any]:
    return {
        "name": name,
        "sds_config": {
            "path_config_source": {"path": str(folder / f"{name}.json")},
            "resource_api_version": "V3",
        },
    }
