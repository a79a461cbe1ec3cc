"""Runs Envoy: starts it, restarts it when it dies, replaces it without a lost request, and drains it at the end."""

import asyncio
import random
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import structlog

from gateway.certificates import write_certificates
from gateway.configuration import Place, Upstreams, render
from gateway.envoy_process import ask_admin, find_envoy, server_info, start_envoy
from runtime.addresses import LOOPBACK
from runtime.certificates import CertificateFiles
from runtime.errors import AnalyticsError
from runtime.settings import Settings
from runtime.socket_folder import socket_folder
from runtime.supervision import wait_for_event

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 20.0
POLL_S = 0.05
END_TIMEOUT_S = 2.0
"""Many times what an Envoy without requests needs to end."""
CONNECTIONS = r"http\.gateway\w*\.downstream_cx_active"
LAST_BASE_ID = 1 << 20
"""Independent Envoys on one machine need different numbers."""
MAX_THREADS = 8
"""More threads would transcode more than the servers can handle."""


class GatewayFailedError(AnalyticsError):
    """Envoy does not start, or ended by itself."""

    reason: ClassVar[str] = "GATEWAY_FAILED"


class Gateway:
    """One Envoy and, while it is replaced, the next one."""

    def __init__(self, settings: Settings, upstreams: Upstreams, folder: Path, *, threads: int) -> None:
        """Name what it stands before; `folder` is private, and gone afterwards.

        Raises:
            SettingsError: the certificate cannot be used.
        """
        self._settings = settings
        self._certificates = CertificateFiles.of(settings)
        self._upstreams = upstreams
        self._folder = folder
        self._threads = min(threads, MAX_THREADS)
        self._base_id = random.randrange(1, LAST_BASE_ID)  # noqa: S311 - a number that is likely free, not a secret
        self._epoch = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._before: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start Envoy, or replace the running one by one with the configuration as it is now.

        Raises:
            GatewayFailedError: the new one does not become ready; a running one goes on.
        """
        epoch = self._epoch + 1
        if self._certificates is not None:
            write_certificates(self._folder, self._certificates.current)
        configuration = self._folder / f"envoy-{epoch}.yaml"
        configuration.write_text(render(self._settings, self._place(epoch), self._upstreams))
        try:
            process = start_envoy(
                configuration,
                base_id=self._base_id,
                epoch=epoch,
                threads=self._threads,
                drain_s=self._settings.drain_s,
            )
        except OSError as exc:
            raise GatewayFailedError(f"cannot start Envoy: {exc.strerror}") from exc
        try:
            await self._wait_until_live(process, epoch)
        except BaseException:
            process.kill()
            process.wait()
            raise
        # The one before ends by itself once it has drained.
        self._before, self._process, self._epoch = self._process, process, epoch
        if epoch:
            log.info("gateway_replaced", epoch=epoch)

    async def stop(self) -> None:
        """Wait for requests under way, accept no new connections, and end Envoy."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        admin = self._place(self._epoch).socket
        # First every response asks its caller to connect anew, then nobody can; what is under way still finishes.
        await ask_admin(admin, "POST", "/drain_listeners?graceful&skip_exit")
        if not await self._deserted(self._settings.drain_s / 2):
            await ask_admin(admin, "POST", "/drain_listeners")
            await self._deserted(self._settings.drain_s / 2)
        for ending in filter(None, (self._before, process)):
            ending.terminate()
            try:
                await asyncio.to_thread(ending.wait, END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                ending.kill()
                ending.wait()

    async def replace(self) -> None:
        """Replace Envoy once the one before the present one has ended; where the new one fails, the present goes on."""
        if self._before is not None:
            await asyncio.to_thread(self._before.wait)
        try:
            await self.start()
        except GatewayFailedError as exc:
            log.error("gateway_not_replaced", error=str(exc))  # noqa: TRY400 - the message is the whole story

    def renew_certificates(self) -> None:
        """Give Envoy the certificates of the files if these have changed."""
        found = self._certificates.refresh() if self._certificates is not None else None
        if found is not None:
            write_certificates(self._folder, found)

    def poll(self) -> int | None:
        """Return the exit code of an Envoy that ended by itself; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def _place(self, epoch: int) -> Place:
        return Place(
            self._settings.host,
            self._settings.port,
            self._settings.admin_port if self._upstreams.admin else None,
            self._folder if self._certificates is not None else None,
            self._folder / f"admin-{epoch}.sock",
        )

    async def _wait_until_live(self, process: "subprocess.Popen[bytes]", epoch: int) -> None:
        deadline_s = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while (await server_info(self._place(epoch).socket)).get("state") != "LIVE":
            if process.poll() is not None:
                raise GatewayFailedError(f"Envoy ended with code {process.returncode}; the log above says why")
            if asyncio.get_running_loop().time() > deadline_s:
                raise GatewayFailedError(f"Envoy is not ready within {START_TIMEOUT_S:.0f} s; the log above says why")
            await asyncio.sleep(POLL_S)

    async def _deserted(self, most_s: float) -> bool:
        """Wait until no caller is connected, for `most_s` at most; return whether that is so."""
        deadline_s = asyncio.get_running_loop().time() + most_s
        while connected := await self._count_connections():
            if asyncio.get_running_loop().time() > deadline_s:
                break
            await asyncio.sleep(POLL_S)
        return not connected

    async def _count_connections(self) -> int:
        """Count the callers' connections, also those of an Envoy that is being replaced."""
        sockets = [self._place(epoch).socket for epoch in range(max(0, self._epoch - 1), self._epoch + 1)]
        counted = [await ask_admin(socket, "GET", f"/stats?filter=^{CONNECTIONS}$") for socket in sockets]
        return sum(int(number) for text in counted for number in re.findall(rf"{CONNECTIONS}: (\d+)", text.decode()))


async def run_gateway(
    settings: Settings,
    upstreams: Upstreams,
    *,
    report_ready: Callable[[], None],
    threads: int,
    stop: asyncio.Event,
) -> None:
    """Run the gateway until `stop` is set; SIGUSR2 replaces Envoy.

    Raises:
        EnvoyMissingError: Envoy is not installed.
        GatewayFailedError: it does not start, a port is taken, or it ended by itself.
        SettingsError: the certificate cannot be used.
    """
    find_envoy()
    settings = replace(settings, port=choose_port(settings.host, settings.port, "PORT"))
    if upstreams.admin:
        settings = replace(settings, admin_port=choose_port(LOOPBACK, settings.admin_port, "ANALYTICS_ADMIN_PORT"))
    again = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, again.set)
    with socket_folder() as folder:
        gateway = Gateway(settings, upstreams, folder, threads=threads)
        try:
            await gateway.start()
            log.info("gateway_serving", address=f"{settings.host}:{settings.port}", upstreams=list(upstreams.servers))
            report_ready()
            while not await wait_for_event(stop, 4 * POLL_S):
                if gateway.poll() is not None:
                    raise GatewayFailedError(f"Envoy ended with code {gateway.poll()}")
                gateway.renew_certificates()
                if again.is_set():
                    again.clear()
                    await gateway.replace()
        finally:
            await gateway.stop()
    log.info("gateway_stopped")


def choose_port(host: str, port: int, variable: str) -> int:
    """Check that the port is free, since Envoy's own message is hard to understand; choose a port if it is 0.

    Args:
        host: the address to listen on.
        port: 0 picks a free one.
        variable: what sets the port, for the message of an error.

    Raises:
        GatewayFailedError: it is not free.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as exc:
            raise GatewayFailedError(
                f"cannot listen on {host}:{port}: {exc.strerror}; stop the program that listens there, set {variable}, "
                "or turn the gateway off with ANALYTICS_GATEWAY=off"
            ) from exc
        chosen: int = probe.getsockname()[1]
        return chosen
