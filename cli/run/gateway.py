"""`analytics gateway`: the API gateway alone, in front of servers that run elsewhere."""

import asyncio
import os
from pathlib import Path

import click

from gateway.configuration import Place, Upstreams, render
from gateway.runner import END_TIMEOUT_S, run_gateway
from runtime.addresses import callable_address
from runtime.logging import configure_logging
from runtime.settings import Settings
from runtime.supervised import stop_on_signals, supervised
from runtime.terminal import examples
from server.access.policy import require_tls


@click.command(
    "gateway",
    epilog=examples(
        "ANALYTICS_UPSTREAMS=10.0.0.1:50051,10.0.0.2:50051 analytics gateway", "analytics gateway --print > envoy.yaml"
    ),
)
@click.option("--print", "print_only", is_flag=True, help="Print the configuration of Envoy and exit.")
@click.option("--ready-fd", type=int, hidden=True, help="File descriptor that signals the supervisor that it serves.")
def command(ready_fd: int | None, *, print_only: bool) -> None:
    """Run the API gateway only.

    It takes REST, gRPC and gRPC-web on PORT and passes calls to the servers of ANALYTICS_UPSTREAMS. SIGUSR2 replaces
    Envoy without losing a request; SIGTERM drains and stops it.
    """
    settings = Settings.from_environment()
    servers = settings.upstreams or (callable_address(settings.host, settings.grpc_port),)
    upstreams = Upstreams(servers, settings.admin_upstreams)
    if print_only:
        place = Place(
            settings.host,
            settings.port,
            settings.admin_port,
            Path("/run/envoy") if settings.tls_cert_file is not None else None,
            Path("/run/envoy/admin.sock"),
        )
        click.echo(render(settings, place, upstreams), nl=False)
        return
    require_tls(settings)
    configure_logging(level=settings.log_level, form=settings.log_format, process="gateway")
    asyncio.run(_run(settings, upstreams, ready_fd))


async def _run(settings: Settings, upstreams: Upstreams, ready_fd: int | None) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with supervised(ready_fd, stop, grace_s=settings.drain_s + END_TIMEOUT_S) as report_ready:
        await run_gateway(settings, upstreams, report_ready=report_ready, threads=os.cpu_count() or 1, stop=stop)
