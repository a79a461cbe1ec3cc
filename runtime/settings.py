"""Settings: read once from the environment, typed and frozen."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from runtime.errors import AnalyticsError
from runtime.variables import (
    choice,
    cron_line,
    jwks_place,
    listed,
    origin,
    postgres_url,
    seconds,
    secret,
    upstream_list,
    whole_number,
)

MAX_WORKERS = 64
"""More than the cores of any intended machine; a typo should not start thousands of processes."""
MAX_STORE_BYTES = 1 << 50
"""More than any disk; a typo should be reported as one."""

PREFIX = "ANALYTICS_"
FOR_TESTS = "ANALYTICS_TEST_"
OF_COMMANDS = frozenset(
    {
        "ANALYTICS_ADDRESS",
        "ANALYTICS_ADMIN_ADDRESS",
        "ANALYTICS_CA_FILE",
        "ANALYTICS_CLIENT_CERT_FILE",
        "ANALYTICS_CLIENT_KEY_FILE",
        "ANALYTICS_KEY",
        "ANALYTICS_KEY_FILE",
        "ANALYTICS_SERVER_NAME",
    }
)
"""What single commands read, as their --help says."""
LEAST_LIKENESS = 0.7
"""A difflib ratio: one or two wrong letters in a name still match."""
_OF_KUBERNETES = re.compile(
    r"ANALYTICS(_\w+)?_SERVICE_(HOST|PORT\w*)|ANALYTICS(_\w+)?_PORT_\d+_(TCP|UDP|SCTP)\w*|ANALYTICS_PORT"
)
"""Variables that Kubernetes sets in every container for services named analytics or analytics-something."""


class SettingsError(AnalyticsError):
    """One or more variables of the environment cannot be used; the message names each."""

    reason: ClassVar[str] = "BAD_SETTINGS"


def spare_cores() -> int:
    """Count the cores left for workers when Postgres has one: at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


def _set_by(
    variable: str,
    parse: Callable[[str], object],
    default: object = None,
    *,
    default_factory: Callable[[], object] | None = None,
    is_secret: bool = False,
) -> Any:
    """Declare a field: the variable that sets it, the parser of its text, and the default."""
    how = {"variable": variable, "parse": parse, "is_secret": is_secret}
    if default_factory is not None:
        return field(default_factory=default_factory, metadata=how)
    return field(default=default, repr=not is_secret, metadata=how)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set.

    Example:
        >>> Settings.from_environment({"GRPC_PORT": "0"}).grpc_port
        0
    """

    database_url: str | None = _set_by("DATABASE_URL", postgres_url, None, is_secret=True)
    """The URL of an external Postgres; without it the embedded one is used."""
    data_dir: Path = _set_by("ANALYTICS_DATA_DIR", Path, Path(".analytics"))  # noqa: RUF009 - a path never changes
    """The embedded Postgres, the spool and a generated secret."""
    host: str = _set_by("ANALYTICS_HOST", str, "127.0.0.1")
    """The address to listen on."""
    port: int = _set_by("PORT", whole_number(0, 65535), 3006)
    """The API gateway; 0 picks a free one."""
    gateway: str = _set_by("ANALYTICS_GATEWAY", choice("auto", "off"), "auto")
    """Whether `analytics up` runs the gateway: auto (where Envoy is installed) or off."""
    upstreams: tuple[str, ...] = _set_by("ANALYTICS_UPSTREAMS", upstream_list, ())
    """HOST:PORT, or unix:PATH, of each server behind `analytics gateway`; by default the server on GRPC_PORT."""
    cors_origins: tuple[str, ...] = _set_by("ANALYTICS_CORS_ORIGINS", listed(origin), ())
    """Web origins whose pages may call the gateway; "*" for any, none by default."""
    trusted_hops: int = _set_by("ANALYTICS_TRUSTED_HOPS", whole_number(0, 10), 0)
    """Proxies in front of the gateway whose x-forwarded-for is believed."""
    requests_per_address: int | None = _set_by("ANALYTICS_REQUESTS_PER_ADDRESS", whole_number(0, 1_000_000), None)
    """The gateway refuses more requests a second of one address; 0 for no limit. 1,000 beyond loopback if not set."""
    admin_port: int = _set_by("ANALYTICS_ADMIN_PORT", whole_number(0, 65535), 3007)
    """Every service, with AdminService, on loopback alone; 0 picks a free one."""
    admin_upstreams: tuple[str, ...] = _set_by("ANALYTICS_ADMIN_UPSTREAMS", upstream_list, ())
    """The admin port of each server behind `analytics gateway`; without it that gateway has no admin port."""
    tls: str = _set_by("ANALYTICS_TLS", choice("auto", "upstream"), "auto")
    """Who encrypts: auto (this service, beyond loopback) or upstream (a proxy in front of it)."""
    tls_cert_file: Path | None = _set_by("ANALYTICS_TLS_CERT_FILE", Path)  # noqa: RUF009 - a path never changes
    """The certificate chain of both ports, in PEM; read again when it changes."""
    tls_key_file: Path | None = _set_by("ANALYTICS_TLS_KEY_FILE", Path)  # noqa: RUF009 - a path never changes
    """The private key of the certificate, in PEM."""
    tls_client_ca_file: Path | None = _set_by("ANALYTICS_TLS_CLIENT_CA_FILE", Path)  # noqa: RUF009 - a path never changes
    """The authorities of client certificates: callers of the gRPC port then need one."""
    grpc_port: int = _set_by("GRPC_PORT", whole_number(0, 65535), 50051)
    """The gRPC server; 0 picks a free one."""
    metrics_port: int = _set_by("ANALYTICS_METRICS_PORT", whole_number(0, 65535), 9464)
    """GET /metrics for Prometheus; 0 turns it off."""
    workers: int = _set_by("ANALYTICS_WORKERS", whole_number(1, MAX_WORKERS), default_factory=spare_cores)
    """Server processes on the gRPC port."""
    writers: int = _set_by("ANALYTICS_WRITERS", whole_number(1, 32), 2)
    """Concurrent write transactions of one worker."""
    batch_size: int | None = _set_by("ANALYTICS_BATCH_SIZE", whole_number(1, 100_000), None)
    """Write at once when this many events wait; tuned by the writer if not set."""
    batch_interval_ms: int | None = _set_by("ANALYTICS_BATCH_INTERVAL", whole_number(0, 600_000), None)
    """Write after this many milliseconds at the latest; tuned by the writer if not set."""
    retention_raw_days: int = _set_by("ANALYTICS_RETENTION_RAW_DAYS", whole_number(0, 36_500), 90)
    """Age at which raw events are deleted; 0 keeps them."""
    retention_hourly_days: int = _set_by("ANALYTICS_RETENTION_HOURLY_DAYS", whole_number(0, 36_500), 365)
    """Age at which hour summaries are deleted; 0 keeps them. At least that of raw events, and the same if not set."""
    retention_daily_days: int = _set_by("ANALYTICS_RETENTION_DAILY_DAYS", whole_number(0, 36_500), 1826)
    """Age at which day summaries are deleted; 0 keeps them. At least that of hours, and the same if not set."""
    events_table_days: int = _set_by("ANALYTICS_EVENTS_TABLE_DAYS", whole_number(0, 366), 7)
    """How many days before today the table analytics_events has, for SQL and BI tools; 0 for no table. The same on all
    servers of a database."""
    retention_cron: str = _set_by("ANALYTICS_RETENTION_CRON", cron_line, "20 3 * * *")
    """When data older than its retention period is deleted, in UTC; "off" for never."""
    schema_sunset_days: int = _set_by("ANALYTICS_SCHEMA_SUNSET_DAYS", whole_number(0, 36_500), 90)
    """How long events of a deprecated schema version are accepted; 0: without limit."""
    spool_max_bytes: int = _set_by("ANALYTICS_SPOOL_MAX_BYTES", whole_number(0, MAX_STORE_BYTES), 1024 * 1024 * 1024)
    """The room for events in data_dir while Postgres is unavailable; 0 refuses them instead."""
    quarantine_max_bytes: int = _set_by(
        "ANALYTICS_QUARANTINE_MAX_BYTES", whole_number(0, MAX_STORE_BYTES), 256 * 1024 * 1024
    )
    """Size of the quarantine above which rejected events are counted, not kept."""
    segment_cache_bytes: int = _set_by(
        "ANALYTICS_SEGMENT_CACHE_BYTES", whole_number(0, MAX_STORE_BYTES), 4 * 1024 * 1024 * 1024
    )
    """The room in data_dir for parts of segments that reports have read; 0 reads them anew each time."""
    max_message_bytes: int = _set_by(
        "ANALYTICS_MAX_MESSAGE_BYTES", whole_number(16 * 1024, 64 * 1024 * 1024), 4 * 1024 * 1024
    )
    """The largest gRPC message accepted; a REST body may have 1 KiB less."""
    reports_concurrent: int = _set_by("ANALYTICS_REPORTS_CONCURRENT", whole_number(1, 64), 2)
    """How many heavy reports one worker answers at once; half its connections."""
    ip_hash_key: str | None = _set_by("ANALYTICS_IP_HASH_KEY", secret(16), None, is_secret=True)
    """The secret from which the key of address hashes and others are derived; generated in data_dir if missing.
    Several servers on one database need the same."""
    auth: str = _set_by("ANALYTICS_AUTH", choice("auto", "required", "off"), "auto")
    """Whether calls need a key or a token: auto (beyond loopback), required or off."""
    jwt_issuer: str | None = _set_by("ANALYTICS_JWT_ISSUER", str, None)
    """The issuer (`iss`) of the tokens that are accepted; without it none are."""
    jwt_audience: str | None = _set_by("ANALYTICS_JWT_AUDIENCE", str, None)
    """The audience (`aud`) that tokens must name."""
    jwt_jwks: str | None = _set_by("ANALYTICS_JWT_JWKS", jwks_place, None)
    """Where the public keys of tokens are: an https:// URL or the path of a file, read again regularly."""
    jwt_scope_claim: str = _set_by("ANALYTICS_JWT_SCOPE_CLAIM", str, "scope")
    """The claim of a token that lists its scopes, as a list or as words."""
    drain_s: float = _set_by("ANALYTICS_DRAIN_SECONDS", seconds(0, 600), 5.0)
    """How long a stopping server waits for its calls to finish."""
    hang_s: float = _set_by("ANALYTICS_HANG_SECONDS", seconds(2, 3600), 20.0)
    """How long a worker or the gateway may send no heartbeat before it is killed and restarted."""
    log_level: str = _set_by("ANALYTICS_LOG_LEVEL", choice("debug", "info", "warning", "error"), "info")
    """The least severe lines that are logged."""
    log_format: str = _set_by("ANALYTICS_LOG_FORMAT", choice("auto", "json", "console"), "auto")
    """How lines look; auto is console on a terminal and JSON elsewhere."""

    @property
    def spool_folder(self) -> Path:
        """Where events wait while Postgres is unavailable."""
        return self.data_dir / "spool"

    @property
    def segment_cache_folder(self) -> Path:
        """Where reports keep parts of segments that they have read."""
        return self.data_dir / "cache" / "segments"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read all settings from `environ`; empty variables count as missing.

        Raises:
            SettingsError: variables that are unknown, cannot be understood, or contradict each other; the message lists
                all of them.
        """
        given = {name: text.strip() for name, text in environ.items() if text.strip()}
        problems = [*_unknown(given), *_read_secret_files(given)]
        values: dict[str, Any] = {}
        for one in fields(cls):
            variable = one.metadata["variable"]
            if variable not in given:
                continue
            try:
                values[one.name] = one.metadata["parse"](given[variable])
            except ValueError as exc:
                problems.append(f"{variable} {exc}")
        settings = cls(**values)
        for finer, coarser in (
            ("retention_raw_days", "retention_hourly_days"),
            ("retention_hourly_days", "retention_daily_days"),
        ):
            problem = settings._settle_retention(finer, coarser, is_given=coarser in values)
            problems += [problem] if problem else []
        tokens = {name: getattr(settings, name) for name in ("jwt_issuer", "jwt_audience", "jwt_jwks")}
        if any(tokens.values()) and not all(tokens.values()):
            missing = ", ".join(variable_of(name) for name, value in tokens.items() if not value)
            problems.append(f"{missing} must be set too, since tokens need issuer, audience and keys")
        problems += settings._check_tls()
        if problems:
            raise SettingsError("invalid environment variables: " + "; ".join(problems))
        return settings

    def _check_tls(self) -> list[str]:
        """List what is missing between the files of TLS."""
        if (self.tls_cert_file is None) is not (self.tls_key_file is None):
            return ["ANALYTICS_TLS_CERT_FILE and ANALYTICS_TLS_KEY_FILE belong together: set both, or neither"]
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            return ["ANALYTICS_TLS_CLIENT_CA_FILE needs ANALYTICS_TLS_CERT_FILE and ANALYTICS_TLS_KEY_FILE"]
        if self.tls == "upstream" and self.tls_cert_file is not None:
            return ["ANALYTICS_TLS=upstream and ANALYTICS_TLS_CERT_FILE contradict each other: set one of them"]
        return []

    def _settle_retention(self, finer: str, coarser: str, *, is_given: bool) -> str:
        """Keep coarser data at least as long as finer data; return the problem if the settings forbid that."""
        finer_days, coarser_days = getattr(self, finer), getattr(self, coarser)
        if not coarser_days or (finer_days and finer_days <= coarser_days):
            return ""
        if not is_given:
            object.__setattr__(self, coarser, finer_days)
            return ""
        least = f"{finer_days} or more" if finer_days else "0"
        return (
            f"{variable_of(coarser)} must be {least}, or unset, not {coarser_days}: "
            f"{variable_of(finer)} keeps finer data {f'{finer_days} days' if finer_days else 'without limit'}"
        )


def variable_of(name: str) -> str:
    """Name the variable that sets a field.

    Example:
        >>> variable_of("drain_s")
        'ANALYTICS_DRAIN_SECONDS'
    """
    return next(str(one.metadata["variable"]) for one in fields(Settings) if one.name == name)


def _read_secret_files(given: dict[str, str]) -> list[str]:
    """Add the secrets that stand in files, such as DATABASE_URL by DATABASE_URL_FILE; list what is wrong with them."""
    problems = []
    for one in fields(Settings):
        variable = one.metadata["variable"]
        path = given.get(f"{variable}_FILE") if one.metadata["is_secret"] else None
        if path is None:
            continue
        if variable in given:
            problems.append(f"{variable} and {variable}_FILE are both set: unset one")
        try:
            given[variable] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            problems.append(f"{variable}_FILE cannot be read: {getattr(exc, 'strerror', None) or 'it is not UTF-8'}")
    return problems


def _unknown(given: Mapping[str, str]) -> list[str]:
    """List the unknown variables with our prefix, each with the variable that was probably meant."""
    variables = {str(one.metadata["variable"]): one.metadata["is_secret"] for one in fields(Settings)}
    known = {*variables, *(f"{name}_FILE" for name, is_secret in variables.items() if is_secret), *OF_COMMANDS}
    bare = {name.removeprefix(PREFIX): name for name in sorted(known)}
    problems = []
    for name in sorted(given):
        is_ours = name.startswith(PREFIX) and not name.startswith(FOR_TESTS) and not _OF_KUBERNETES.fullmatch(name)
        if is_ours and name not in known:
            near = get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=LEAST_LIKENESS)
            problems.append(f"{name} is not a setting; " + (f"did you mean {bare[near[0]]}?" if near else "unset it"))
    return problems
