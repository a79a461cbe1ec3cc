"""Certificates of a test's own authority, as files that a service reads."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

NAMES = ("localhost", "127.0.0.1", "analytics.example")


class Authority:
    """An authority with a folder for what it issues."""

    def __init__(self, folder: Path) -> None:
        """Make the authority; `folder` is made too."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(self.ca_file))

    def issue(self, name: str, *, expired: bool = False, names: tuple[str, ...] = NAMES) -> tuple[Path, Path]:
        """Write a certificate and its key as NAME.pem and NAME.key, each in one step, and return their paths."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        made = self.ca.issue_cert(*names, not_after=yesterday) if expired else self.ca.issue_cert(*names)
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for path, blob in ((chain, made.cert_chain_pems[0]), (key, made.private_key_pem)):
            beside = path.with_suffix(".new")
            beside.write_bytes(blob.bytes())
            beside.replace(path)
        return chain, key

    def settings(self, name: str = "server") -> dict[str, Any]:
        """Issue a certificate for a server, and return the variables that name it."""
        chain, key = self.issue(name)
        return {"ANALYTICS_TLS_CERT_FILE": str(chain), "ANALYTICS_TLS_KEY_FILE": str(key)}

    def context(self) -> ssl.SSLContext:
        """Make the context of a client that believes this authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))


def served_certificate(port: int) -> str:
    """Read the certificate that a port shows, in PEM."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
