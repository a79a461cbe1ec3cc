"""The client side of gRPC: the service's address, channels and stubs, and errors for a terminal."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import click
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from cli.command_error import CommandError
from cli.main import EXIT_FAILED, EXIT_UNAVAILABLE, EXIT_USAGE
from cli.tls import HTTPS, channel_credentials, name_options
from runtime.addresses import LOOPBACK, callable_address
from runtime.settings import Settings
from server.processes.program import program_command
from sociallive.analytics.v1.admin_service_pb2_grpc import AdminServiceStub
from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.key_service_pb2_grpc import KeyServiceStub
from sociallive.analytics.v1.schema_service_pb2_grpc import SchemaServiceStub

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""A page of 1,000 events at their largest; gRPC's own 4 MiB would refuse it."""
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # The service is a neighbour; a proxy for web traffic that the environment names does not lead to it.
    ("grpc.enable_http_proxy", 0),
    # A service that restarts is found again within a second, not after gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
KEY = "analytics.key"
"""Where a command's context keeps its key."""
USAGE_CODES = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)
UNAVAILABLE_CODES = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the details of a google.rpc.Status add to its code and message."""

    reason: str = ""
    """The ErrorInfo's reason, in UPPER_SNAKE; empty where the error did not come from the service itself."""
    violations: tuple[str, ...] = ()
    """One "field: description" for each violation of a BadRequest."""
    retry_after_s: float | None = None
    """The RetryInfo's delay; None where the service does not say that it is worth trying again."""


class CallError(CommandError):
    """A call failed; the message has the service's message, every violation, and what to do."""

    def __init__(self, error: grpc.RpcError, address: str) -> None:
        """Read the error of a call to `address`, with the details of its google.rpc.Status."""
        self.code: grpc.StatusCode = error.code()
        self.explanation = _explain(error)
        super().__init__(
            "\n".join(_lines(self.code, error.details() or "", self.explanation, address)),
            exit_code=_exit_code(self.code),
        )


def address_option(command: Command) -> Command:
    """Give a command the option --address; the command receives `address: str`, as HOST:PORT or https://HOST:PORT."""
    return _address_option(
        command,
        "ANALYTICS_ADDRESS",
        default_address,
        "Address of the service, with https:// before it for TLS.  [default: from ANALYTICS_HOST and GRPC_PORT]",
    )


def admin_address_option(command: Command) -> Command:
    """Give a command the option --address for the admin port; the command receives `address: str` likewise."""
    return _address_option(
        command,
        "ANALYTICS_ADMIN_ADDRESS",
        admin_address,
        "Address of the service's admin port.  [default: from ANALYTICS_ADMIN_PORT, on this machine]",
    )


def _address_option(command: Command, variable: str, default: Callable[[], str], text: str) -> Command:
    command = click.option(
        "--key",
        metavar="KEY",
        envvar="ANALYTICS_KEY",
        show_envvar=True,
        expose_value=False,
        is_eager=True,
        callback=_keep_key,
        help="Key or token to send.  [default: from the file ANALYTICS_KEY_FILE]",
    )(command)
    return click.option(
        "--address",
        metavar="HOST:PORT",
        envvar=variable,
        show_envvar=True,
        callback=lambda _context, _parameter, value: check_address(value) if value else default(),
        help=text,
    )(command)


def default_address() -> str:
    """Return the address of the service on this machine, from the variables that configure it.

    An encrypted port has a certificate for the name by which others know it; on its own machine, the admin port answers
    the same calls without one.

    Raises:
        SettingsError: a variable of the environment is invalid.
        click.UsageError: GRPC_PORT is 0: the server picks a port, which a client cannot know.
    """
    settings = Settings.from_environment()
    if settings.tls_cert_file is not None:
        return admin_address()
    if settings.grpc_port == 0:
        raise click.UsageError("GRPC_PORT is 0, which names no port to call; give one with --address HOST:PORT")
    return callable_address(settings.host, settings.grpc_port)


def admin_address() -> str:
    """Return the address of the admin port of the service on this machine.

    Raises:
        SettingsError: a variable of the environment is invalid.
        click.UsageError: ANALYTICS_ADMIN_PORT is 0: the server picks a port, which a client cannot know.
    """
    settings = Settings.from_environment()
    if settings.admin_port == 0:
        raise click.UsageError(
            "ANALYTICS_ADMIN_PORT is 0, which names no port to call; give one with --address HOST:PORT"
        )
    return callable_address(LOOPBACK, settings.admin_port)


def check_address(text: str) -> str:
    """Return `text` when it is HOST:PORT or https://HOST:PORT.

    Raises:
        click.BadParameter: it is something else.
    """
    host, _, port = text.removeprefix(HTTPS).rpartition(":")
    is_port = port.isascii() and port.isdigit() and 1 <= int(port) <= 65535  # noqa: PLR2004 - TCP's own
    if not host or "/" in host or not is_port:
        raise click.BadParameter(f"must be HOST:PORT or https://HOST:PORT, as in 127.0.0.1:50051, not {text!r}")
    return text


@contextmanager
def open_channel(address: str) -> Iterator[grpc.Channel]:
    """Open a channel to `address`, encrypted if it begins with https://; it connects with the first call.

    Calls carry the key of the command that is run, if it was given one.

    Raises:
        SettingsError: a file that the environment names for TLS cannot be read.
    """
    target = address.removeprefix(HTTPS)
    channel = (
        grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        if target == address
        else grpc.secure_channel(target, channel_credentials(), options=[*CHANNEL_OPTIONS, *name_options()])
    )
    with channel:
        key = given_key()
        yield grpc.intercept_channel(channel, _KeySender(key)) if key else channel


def given_key() -> str:
    """Return the key that the command under way was given; empty if none was."""
    context = click.get_current_context(silent=True)
    return str(context.meta.get(KEY, "")) if context is not None else ""


def _keep_key(context: click.Context, _parameter: click.Parameter, given: str | None) -> None:
    """Keep the key for `open_channel`: the given one, or that of the file that the environment names."""
    place = os.environ.get("ANALYTICS_KEY_FILE", "").strip()
    if not given and place:
        try:
            given = Path(place).read_text()
        except (OSError, UnicodeDecodeError) as exc:
            raise click.UsageError(f"ANALYTICS_KEY_FILE cannot be read: {type(exc).__name__}") from None
    text = (given or "").strip()
    if not (text.isascii() and text.isprintable()):
        raise click.UsageError("the key has characters that no key has: copy it again")
    context.meta[KEY] = text


class _CallDetails(NamedTuple):
    """What grpc reads of a call; its own class for this is not public."""

    method: str
    timeout: float | None
    metadata: Sequence[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _KeySender(grpc.UnaryUnaryClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """Sends a key with each call."""

    def __init__(self, key: str) -> None:
        self._header = ("authorization", f"Bearer {key}")

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_key(client_call_details), request)

    def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return continuation(self._with_key(client_call_details), request_iterator)

    def _with_key(self, details: Any) -> _CallDetails:
        return _CallDetails(
            details.method,
            details.timeout,
            (*(details.metadata or ()), self._header),
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )


def analytics_stub(channel: grpc.Channel) -> Any:
    """Make the stub of AnalyticsService; the generated one has no types of its own."""
    return AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]


def schema_stub(channel: grpc.Channel) -> Any:
    """Make the stub of SchemaService; likewise."""
    return SchemaServiceStub(channel)  # type: ignore[no-untyped-call]


def key_stub(channel: grpc.Channel) -> Any:
    """Make the stub of KeyService; likewise."""
    return KeyServiceStub(channel)  # type: ignore[no-untyped-call]


def admin_stub(channel: grpc.Channel) -> Any:
    """Make the stub of AdminService; likewise."""
    return AdminServiceStub(channel)  # type: ignore[no-untyped-call]


@contextmanager
def translated_errors(address: str) -> Iterator[None]:
    """Turn the errors of calls to `address` made inside into CallError."""
    try:
        yield
    except grpc.RpcError as exc:
        raise CallError(exc, address) from exc


def _explain(error: grpc.RpcError) -> Explanation:
    try:
        status = rpc_status.from_call(cast("grpc.Call", error))
    except ValueError:  # the details contradict the call's own code: they are not worth reading
        status = None
    reason, violations, retry_after_s = "", [], None
    for detail in status.details if status is not None else ():
        info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            violations += [f"{item.field}: {item.description}" for item in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after_s = max(0.0, retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9)
    return Explanation(reason, tuple(violations), retry_after_s)


def _lines(code: grpc.StatusCode, message: str, explanation: Explanation, address: str) -> Iterator[str]:
    if code is grpc.StatusCode.UNAVAILABLE and not explanation.reason:
        yield f"cannot reach the service at {address}: {message.rpartition(': ')[2]}"
        if "SSL" in message or "certificate" in message.lower():
            yield "  ANALYTICS_CA_FILE names the authority of its certificate, ANALYTICS_SERVER_NAME its name."
        yield f"  Is it running? `{program_command()} up` starts it. Use --address for a service elsewhere."
        return
    if code is grpc.StatusCode.DEADLINE_EXCEEDED and not explanation.reason:
        yield f"the service at {address} did not respond in time"
        return
    label = f"{code.name}, {explanation.reason}" if explanation.reason else code.name
    yield f"{message or 'the call failed'} ({label})"
    if code is grpc.StatusCode.UNAUTHENTICATED:
        yield "  Give a key with --key, ANALYTICS_KEY or ANALYTICS_KEY_FILE; `analytics keys create --first` makes one."
    for violation in explanation.violations:
        if violation != message:
            yield f"  {violation}"
    if explanation.retry_after_s is not None:
        yield f"  Try again in {max(explanation.retry_after_s, 0.1):.1f} s."


def _exit_code(code: grpc.StatusCode) -> int:
    if code in USAGE_CODES:
        return EXIT_USAGE
    return EXIT_UNAVAILABLE if code in UNAVAILABLE_CODES else EXIT_FAILED
