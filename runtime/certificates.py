"""The certificate of this server: read from files, checked, and read again when they change."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from runtime.settings import Settings, SettingsError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a port needs for TLS, in PEM.

    Attributes:
        chain: the server's certificate and those between it and its authority.
        key: its private key.
        client_ca: the authorities of client certificates; empty where callers need none.
    """

    chain: bytes
    key: bytes
    client_ca: bytes

    def __repr__(self) -> str:
        """Show nothing: a key must not get into a log."""
        return "Certificates()"


class CertificateFiles:
    """The files of a certificate; a new certificate is used once its files fit together."""

    def __init__(self, chain: Path, key: Path, client_ca: Path | None) -> None:
        """Name the files, and read them.

        Raises:
            SettingsError: one cannot be read or used, or the key is not the certificate's.
        """
        self._chain, self._key, self._client_ca = chain, key, client_ca
        self._seen = self._signature()
        self.current = self._read()

    @classmethod
    def of(cls, settings: Settings) -> "CertificateFiles | None":
        """Find the files in the settings; None where the ports are not encrypted.

        Raises:
            SettingsError: one cannot be read or used, or the key is not the certificate's.
        """
        if settings.tls_cert_file is None or settings.tls_key_file is None:
            return None
        return cls(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)

    def refresh(self) -> Certificates | None:
        """Read the files if they have changed.

        Returns:
            The new certificates; None if they are those of before, or cannot be used (which is logged once).
        """
        signature = self._signature()
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            found = self._read()
        except SettingsError as exc:
            log.warning("certificate_not_reloaded", error=str(exc))
            return None
        if found == self.current:
            return None
        self.current = found
        log.info("certificate_reloaded")
        return found

    def _signature(self) -> tuple[Any, ...]:
        found: list[Any] = []
        for path in (self._chain, self._key, self._client_ca):
            try:
                state = path.stat() if path is not None else None
            except OSError as exc:
                found.append(exc.errno)
            else:
                found.append(state and (state.st_ino, state.st_mtime_ns, state.st_size))
        return tuple(found)

    def _read(self) -> Certificates:
        found = self._read_once()
        self._check()
        if self._read_once() != found:
            raise SettingsError("the files of TLS changed while they were read: start again")
        return found

    def _read_once(self) -> Certificates:
        return Certificates(
            _read("ANALYTICS_TLS_CERT_FILE", self._chain),
            _read("ANALYTICS_TLS_KEY_FILE", self._key),
            _read("ANALYTICS_TLS_CLIENT_CA_FILE", self._client_ca) if self._client_ca is not None else b"",
        )

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # Without a password here, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self._chain, self._key, password="")
        except (OSError, ValueError) as exc:
            raise SettingsError(
                f"ANALYTICS_TLS_CERT_FILE={self._chain} and ANALYTICS_TLS_KEY_FILE={self._key} are not a certificate "
                "in PEM and its private key without a password"
            ) from exc
        try:
            if self._client_ca is not None:
                context.load_verify_locations(self._client_ca)
        except OSError as exc:
            raise SettingsError(f"ANALYTICS_TLS_CLIENT_CA_FILE={self._client_ca} has no certificate in PEM") from exc


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise SettingsError(f"{variable}={path} cannot be read: {exc.strerror}") from exc
