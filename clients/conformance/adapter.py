"""A client's adapter: a process that takes operations and answers them, one JSON object a line."""

import asyncio
import json
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path
from typing import Any

from clients.conformance.manifest import Manifest

ANSWER_TIMEOUT_S = 120.0
"""A client may hold a call back while its queue is full, as long as the gateway is offline."""
EXIT_TIMEOUT_S = 60.0
"""A client flushes for a bounded time when it is closed."""


class AdapterError(Exception):
    """An adapter broke the protocol; the message says how."""


class Adapter:
    """One adapter, which can be killed and started again.

    Attributes:
        rejected: by event id, the reason why the client says that the service refused the event.
        dropped: by event id, the reason why the client gave it up.
    """

    def __init__(self, manifest: Manifest, http_port: int, grpc_port: int, state: Path) -> None:
        self.rejected: dict[str, str] = {}
        self.dropped: dict[str, str] = {}
        self._folder = manifest.folder
        self._log = state.parent / f"{state.name}.log"
        self._arguments = [*manifest.command, "--endpoint", f"http://127.0.0.1:{http_port}", "--state", str(state)]
        if manifest.transport == "grpc":
            self._arguments += ["--address", f"127.0.0.1:{grpc_port}"]
        self._process: Process | None = None
        self._answers: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments, cwd=self._folder, stdin=PIPE, stdout=PIPE, stderr=log
            )
        self._answers = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(self._process, self._answers))

    async def track(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Track an event; the answer's `op` is "accepted" or "refused"."""
        return await self._ask({"op": "track", **operation}, {"accepted", "refused"})

    async def flush(self, timeout_ms: int) -> int:
        """Let the client send what it holds; return the number of events that it still holds afterwards."""
        answer = await self._ask({"op": "flush", "timeoutMs": timeout_ms}, {"flushed"}, timeout_ms / 1000)
        return int(answer["pending"])

    async def close(self) -> int:
        """Close the client and return the exit code of its process."""
        process = self._running()
        self._write({"op": "close"})
        try:
            async with asyncio.timeout(EXIT_TIMEOUT_S):
                code = await process.wait()
        except TimeoutError:
            raise AdapterError(f"does not exit within {EXIT_TIMEOUT_S:.0f} s of `close`") from None
        if self._reading is not None:
            await self._reading
        return code

    async def kill(self) -> None:
        """Kill the process with SIGKILL, if it runs, and take what it has still written."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    def log(self) -> str:
        """Read what it has written to stderr."""
        return self._log.read_text(errors="replace")

    def _running(self) -> Process:
        if self._process is None:
            raise AdapterError("is not started")
        return self._process

    def _write(self, operation: dict[str, Any]) -> None:
        stdin = self._running().stdin
        if stdin is None:
            raise AdapterError("has no stdin")
        stdin.write(json.dumps(operation).encode() + b"\n")

    async def _ask(self, operation: dict[str, Any], expected: set[str], extra_s: float = 0.0) -> dict[str, Any]:
        self._write(operation)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S + extra_s):
                answer = await self._answers.get()
        except TimeoutError:
            raise AdapterError(f"does not answer {operation['op']!r}: {self.log()[-2000:]}") from None
        if answer is None:
            raise AdapterError(f"ended instead of answering {operation['op']!r}: {self.log()[-2000:]}")
        if answer["op"] not in expected:
            raise AdapterError(f"answered {operation['op']!r} with {answer}")
        return answer

    async def _read(self, process: Process, answers: asyncio.Queue[dict[str, Any] | None]) -> None:
        if process.stdout is None:
            raise AdapterError("has no stdout")
        async for line in process.stdout:
            if not line.endswith(b"\n"):  # it was killed while it wrote
                break
            message = json.loads(line)
            match message["op"]:
                case "rejected":
                    self.rejected[message["eventId"]] = message["reason"]
                case "dropped":
                    self.dropped[message["eventId"]] = message["reason"]
                case _:
                    answers.put_nowait(message)
        answers.put_nowait(None)


async def run_install(manifest: Manifest) -> str:
    """Prepare a client; return why that is not possible here, or an empty text."""
    if not manifest.install:
        return ""
    try:
        process = await asyncio.create_subprocess_exec(
            *manifest.install, cwd=manifest.folder, stdin=DEVNULL, stdout=PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except FileNotFoundError:
        return f"{manifest.install[0]} is not installed"
    output, _ = await process.communicate()
    if process.returncode:
        return f"`{' '.join(manifest.install)}` failed:\n{output.decode(errors='replace')[-2000:]}"
    return ""
