"""The client side of TLS: whom a command believes, and how it shows who it is."""

import os
from collections.abc import Mapping
from pathlib import Path

import grpc

from runtime.settings import SettingsError

HTTPS = "https://"
"""What an address starts with whose port is encrypted."""
CA_FILE, CERT_FILE, KEY_FILE = "ANALYTICS_CA_FILE", "ANALYTICS_CLIENT_CERT_FILE", "ANALYTICS_CLIENT_KEY_FILE"
SERVER_NAME = "ANALYTICS_SERVER_NAME"


def channel_credentials(environ: Mapping[str, str] = os.environ) -> grpc.ChannelCredentials:
    """Make the credentials of a channel from the files that the environment names.

    ANALYTICS_CA_FILE holds the authorities to believe, instead of gRPC's own list of public ones;
    ANALYTICS_CLIENT_CERT_FILE and ANALYTICS_CLIENT_KEY_FILE are for servers that ask for a certificate.

    Raises:
        SettingsError: a file cannot be read, or one of the pair is missing.
    """
    if bool(environ.get(CERT_FILE)) is not bool(environ.get(KEY_FILE)):
        raise SettingsError(f"{CERT_FILE} and {KEY_FILE} belong together: set both, or neither")
    return grpc.ssl_channel_credentials(_read(CA_FILE, environ), _read(KEY_FILE, environ), _read(CERT_FILE, environ))


def name_options(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """Return the channel options for a server whose certificate has another name than its address."""
    name = environ.get(SERVER_NAME, "").strip()
    return [("grpc.ssl_target_name_override", name)] if name else []


def _read(variable: str, environ: Mapping[str, str]) -> bytes | None:
    path = environ.get(variable, "").strip()
    try:
        return Path(path).read_bytes() if path else None
    except OSError as exc:
        raise SettingsError(f"{variable}={path} cannot be read: {exc.strerror}") from exc
