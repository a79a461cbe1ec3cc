"""`analytics health`: asks the standard gRPC health service; also the container's health check."""

import sys
from typing import Any

import click
import grpc
import orjson
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.client import address_option, open_channel, translated_errors
from cli.main import EXIT_FAILED
from runtime.terminal import examples

CHECK_TIMEOUT_S = 5.0
"""A service that takes longer to answer counts as unhealthy."""


def check_health(address: str, service: str = "") -> str:
    """Ask for the health of a service.

    Args:
        address: HOST:PORT of the server.
        service: a service's full name, "ingest", "storage", or "" for the whole server.

    Returns:
        "SERVING", "NOT_SERVING", "UNKNOWN", or "SERVICE_UNKNOWN" where the server has no such service.

    Raises:
        CallError: the server cannot be reached, or has no health service.
    """
    with translated_errors(address), open_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=CHECK_TIMEOUT_S)
        except grpc.RpcError as exc:
            if exc.code() is grpc.StatusCode.NOT_FOUND:
                return "SERVICE_UNKNOWN"
            raise
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


@click.command("health", epilog=examples("analytics health", "analytics health --service storage"))
@click.option(
    "--service",
    default="",
    metavar="NAME",
    help="`ingest` (events are accepted), `storage` (the database responds), or a full service name.  [default: all]",
)
@address_option
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
def command(service: str, address: str, *, as_json: bool) -> None:
    """Ask the service whether it is healthy.

    Exits with 0 if it serves, 1 if it does not, and 3 if it cannot be reached.
    """
    status = check_health(address, service)
    if as_json:
        click.echo(orjson.dumps({"address": address, "service": service, "status": status}))
    else:
        click.echo(f"{service or 'service'} at {address}: {status}")
    if status != "SERVING":
        sys.exit(EXIT_FAILED)
