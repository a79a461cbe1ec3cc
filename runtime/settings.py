"""Settings: read once from the environment, typed and frozen."""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from runtime.errors import AnalyticsError

MAX_WORKERS = 64
"""More processes than any machine this is meant for has cores; a typo should not start thousands."""

MAX_STORE_BYTES = 1 << 50
"""More than any disk; a typo should be told as one."""

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s,*]+")
"""Scheme and host, with a port where it is not the scheme's own, and nothing after it: as browsers send it."""


CRON_FIELDS = (5, 6)


class SettingsError(AnalyticsError):
    """One or more variables of the environment cannot be understood; the message names each."""

    reason: ClassVar[str] = "BAD_SETTINGS"


def spare_cores() -> int:
    """Count the cores left for workers when Postgres has one: at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, with the variable that sets it.

    Example:
        >>> Settings.from_environment({"GRPC_PORT": "0"}).grpc_port
        0
    """

    database_url: str | None = field(default=None, repr=False)
    """DATABASE_URL: a Postgres of one's own; the embedded one where missing."""
    data_dir: Path = Path(".analytics")
    """ANALYTICS_DATA_DIR: the embedded Postgres, the spool and a generated secret."""
    host: str = "127.0.0.1"
    """ANALYTICS_HOST: the address to listen on."""
    port: int = 3006
    """PORT: the API gateway; 0 picks a free one."""
    gateway: str = "auto"
    """ANALYTICS_GATEWAY: whether `analytics up` runs the gateway: auto (where Envoy is installed) or off."""
    upstreams: tuple[str, ...] = ()
    """ANALYTICS_UPSTREAMS: HOST:PORT of each server that `analytics gateway` stands before; that of GRPC_PORT where
    missing."""
    cors_origins: tuple[str, ...] = ()
    """ANALYTICS_CORS_ORIGINS: web origins whose pages may call the gateway; "*" for any, none where missing."""
    trusted_hops: int = 0
    """ANALYTICS_TRUSTED_HOPS: proxies in front of the gateway whose x-forwarded-for is believed."""
    grpc_port: int = 50051
    """GRPC_PORT: the gRPC server; 0 picks a free one."""
    metrics_port: int = 9464
    """ANALYTICS_METRICS_PORT: GET /metrics for Prometheus; 0 turns it off."""
    workers: int = field(default_factory=spare_cores)
    """ANALYTICS_WORKERS: server processes on the gRPC port."""
    writers: int = 2
    """ANALYTICS_WRITERS: concurrent write transactions of one worker."""
    batch_size: int | None = None
    """ANALYTICS_BATCH_SIZE: write at once when so many events wait; tuned by the writer where missing."""
    batch_interval_ms: int | None = None
    """ANALYTICS_BATCH_INTERVAL: write after so many milliseconds at the latest; tuned by the writer where missing."""
    retention_raw_days: int = 90
    """ANALYTICS_RETENTION_RAW_DAYS: age at which raw events go; 0 keeps them."""
    retention_hourly_days: int = 365
    """ANALYTICS_RETENTION_HOURLY_DAYS: age at which hour rollups go, not before raw events do; 0 keeps them."""
    retention_daily_days: int = 1826
    """ANALYTICS_RETENTION_DAILY_DAYS: age at which day rollups go, not before hours do; 0 keeps them."""
    aggregate_cron: str = "2-57/5 * * * *"
    """ANALYTICS_AGGREGATE_CRON: when deltas are folded into rollups, in UTC; "off" for never."""
    retention_cron: str = "20 3 * * *"
    """ANALYTICS_RETENTION_CRON: when goes what has aged out."""
    partitions_cron: str = "7 0 * * *"
    """ANALYTICS_PARTITIONS_CRON: when the partitions of the coming days are made."""
    schema_sunset_days: int = 90
    """ANALYTICS_SCHEMA_SUNSET_DAYS: how long events of a deprecated schema version are taken; 0 takes them for ever."""
    spool_max_bytes: int = 1024 * 1024 * 1024
    """ANALYTICS_SPOOL_MAX_BYTES: what events may take up in data_dir while Postgres is away; 0 refuses them instead."""
    quarantine_max_bytes: int = 256 * 1024 * 1024
    """ANALYTICS_QUARANTINE_MAX_BYTES: size of the quarantine past which rejected events are counted, not kept."""
    max_message_bytes: int = 4 * 1024 * 1024
    """ANALYTICS_MAX_MESSAGE_BYTES: the largest gRPC message taken."""
    reports_concurrent: int = 2
    """ANALYTICS_REPORTS_CONCURRENT: how many heavy reports one worker answers at once; half its connections."""
    ip_hash_key: str | None = field(default=None, repr=False)
    """ANALYTICS_IP_HASH_KEY: the secret from which the key of address hashes and others are derived; generated into
    data_dir where missing. Several servers on one database need the same."""
    drain_s: float = 5.0
    """ANALYTICS_DRAIN_SECONDS: how long a stopping server lets waiting calls finish."""
    log_level: str = "info"
    """ANALYTICS_LOG_LEVEL: debug, info, warning or error."""
    log_format: str = "auto"
    """ANALYTICS_LOG_FORMAT: json, console, or auto (console on a terminal)."""

    @property
    def spool_folder(self) -> Path:
        """Where events wait while Postgres is away."""
        return self.data_dir / "spool"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read all settings from `environ`; empty variables count as missing.

        Raises:
            SettingsError: a variable's value is of no use; the message lists every such variable.
        """
        problems: list[str] = []
        values: dict[str, object] = {}

        def read(name: str, variable: str, parse: Callable[[str], object]) -> None:
            text = environ.get(variable, "").strip()
            if not text:
                return
            try:
                values[name] = parse(text)
            except ValueError as exc:
                problems.append(f"{variable} {exc}")

        read("database_url", "DATABASE_URL", _postgres_url)
        read("data_dir", "ANALYTICS_DATA_DIR", Path)
        read("host", "ANALYTICS_HOST", str)
        read("port", "PORT", _integer(0, 65535))
        read("gateway", "ANALYTICS_GATEWAY", _choice("auto", "off"))
        read("upstreams", "ANALYTICS_UPSTREAMS", _list(_host_and_port))
        read("cors_origins", "ANALYTICS_CORS_ORIGINS", _list(_origin))
        read("trusted_hops", "ANALYTICS_TRUSTED_HOPS", _integer(0, 10))
        read("grpc_port", "GRPC_PORT", _integer(0, 65535))
        read("metrics_port", "ANALYTICS_METRICS_PORT", _integer(0, 65535))
        read("workers", "ANALYTICS_WORKERS", _integer(1, MAX_WORKERS))
        read("writers", "ANALYTICS_WRITERS", _integer(1, 32))
        read("batch_size", "ANALYTICS_BATCH_SIZE", _integer(1, 100_000))
        read("batch_interval_ms", "ANALYTICS_BATCH_INTERVAL", _integer(0, 600_000))
        read("retention_raw_days", "ANALYTICS_RETENTION_RAW_DAYS", _integer(0, 36_500))
        read("retention_hourly_days", "ANALYTICS_RETENTION_HOURLY_DAYS", _integer(0, 36_500))
        read("retention_daily_days", "ANALYTICS_RETENTION_DAILY_DAYS", _integer(0, 36_500))
        read("aggregate_cron", "ANALYTICS_AGGREGATE_CRON", _cron)
        read("retention_cron", "ANALYTICS_RETENTION_CRON", _cron)
        read("partitions_cron", "ANALYTICS_PARTITIONS_CRON", _cron)
        read("schema_sunset_days", "ANALYTICS_SCHEMA_SUNSET_DAYS", _integer(0, 36_500))
        read("spool_max_bytes", "ANALYTICS_SPOOL_MAX_BYTES", _integer(0, MAX_STORE_BYTES))
        read("quarantine_max_bytes", "ANALYTICS_QUARANTINE_MAX_BYTES", _integer(0, MAX_STORE_BYTES))
        read("max_message_bytes", "ANALYTICS_MAX_MESSAGE_BYTES", _integer(1024, 64 * 1024 * 1024))
        read("reports_concurrent", "ANALYTICS_REPORTS_CONCURRENT", _integer(1, 64))
        read("ip_hash_key", "ANALYTICS_IP_HASH_KEY", _secret(16))
        read("drain_s", "ANALYTICS_DRAIN_SECONDS", _seconds(0, 600))
        read("log_level", "ANALYTICS_LOG_LEVEL", _choice("debug", "info", "warning", "error"))
        read("log_format", "ANALYTICS_LOG_FORMAT", _choice("auto", "json", "console"))
        if problems:
            raise SettingsError("cannot use these variables: " + "; ".join(problems))
        return cls(**values)  # type: ignore[arg-type]


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be a whole number, not {text!r}") from None
        if not low <= value <= high:
            raise ValueError(f"must lie in {low}..{high}, not {value}")
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"must be a number of seconds in {low}..{high}, not {text!r}")
        return value

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {text!r}")
        return text.lower()

    return parse


def _secret(least: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if len(text) < least:
            raise ValueError(f"must have at least {least} characters")
        return text

    return parse


def _cron(text: str) -> str:
    fields = text.lower().split()
    if fields != ["off"] and len(fields) not in CRON_FIELDS:
        raise ValueError(f'must be five cron fields, six with seconds in front, or "off", not {text!r}')
    return " ".join(fields)


def _list(parse_one: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        return tuple(parse_one(part.strip()) for part in text.split(",") if part.strip())

    return parse


def _host_and_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"must be HOST:PORT, separated by commas, not {text!r}")
    return text


def _origin(text: str) -> str:
    if text != "*" and not _ORIGIN.fullmatch(text):
        raise ValueError(f"must be origins such as https://shop.example, separated by commas, or *, not {text!r}")
    return text


def _postgres_url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql://, as in postgresql://user:password@host:5432/database")
    return text
