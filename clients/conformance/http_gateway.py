"""A faulty HTTP gateway: an HTTP/1.1 proxy in front of the real gateway. Each connection serves one request."""

import asyncio
import gzip
import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from socket import SO_LINGER, SOL_SOCKET

from clients.conformance.faults import POISON, RETRY_AFTER_S, Fault, FaultPlan

MOST_HEAD_BYTES = 64 * 1024
ABORT = struct.pack("ii", 1, 0)
"""Closing a socket with this SO_LINGER sends RST: the peer sees a reset, not an end."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        line: "POST /path HTTP/1.1".
        headers: by name in lower case.
        body: as sent, without chunk sizes.
    """

    line: str
    headers: Mapping[str, str]
    body: bytes

    def to_bytes(self) -> bytes:
        """Write it for the real gateway, which ends the connection after its response."""
        kept = {name: value for name, value in self.headers.items() if name not in HOP_HEADERS}
        lines = [self.line, *(f"{name}: {value}" for name, value in kept.items())]
        lines += [f"content-length: {len(self.body)}", "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body

    def text(self) -> str:
        """Read the body as text, decompressed."""
        is_compressed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if is_compressed else self.body).decode("utf-8", "replace")


HOP_HEADERS = frozenset({"connection", "content-length", "transfer-encoding", "expect", "keep-alive"})


class HttpGateway:
    """Listens on 127.0.0.1 at `port`, and passes requests on to the real gateway at `target_port`, or not."""

    def __init__(self, target_port: int, plan: FaultPlan) -> None:
        self.port = 0
        self._target_port = target_port
        self._plan = plan
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, limit=MOST_HEAD_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Break all connections and listen no longer."""
        assert self._server is not None  # noqa: S101 - the order of the calls
        self._server.close()
        for writer in list(self._writers):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._serve(await read_request(reader, writer), writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        fault = None
        if request.line.startswith("POST "):
            text = request.text()
            fault = self._plan.next_fault(count_events(text), has_poison=POISON in text)
        match fault:
            case Fault.UNAVAILABLE:
                writer.write(refusal(503, "UNAVAILABLE", "SERVER_AWAY", f"retry-after: {RETRY_AFTER_S}\r\n"))
            case Fault.TOO_LARGE:
                writer.write(refusal(413, "OUT_OF_RANGE", "BODY_TOO_LARGE"))
            case Fault.POISON:
                writer.write(refusal(400, "INVALID_ARGUMENT", "BAD_REQUEST"))
            case Fault.STALL:
                await asyncio.sleep(self._plan.stall_s)
                _reset(writer)
            case Fault.RESET:
                await self._forward(request)
                _reset(writer)
            case _:
                writer.write(await self._forward(request))
        await writer.drain()

    async def _forward(self, request: Request) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        try:
            writer.write(request.to_bytes())
            return await reader.read(-1)
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """Read one request with its body, which has a length or comes in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *fields = head.rstrip("\r\n").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    if headers.get("expect") == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:size]
        await reader.readuntil(b"\r\n")
        return Request(line, headers, body)
    return Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def count_events(text: str) -> int:
    """Count the events of a JSON body."""
    try:
        body = json.loads(text)
    except ValueError:
        return 1
    events = body.get("events") if isinstance(body, dict) else None
    return len(events) if isinstance(events, list) else 1


def refusal(status: int, code: str, reason: str, headers: str = "") -> bytes:
    """Write an error as the real gateway does; any page may read it."""
    body = json.dumps({"code": code, "reason": reason, "message": "a fault of the conformance kit", "violations": []})
    return (
        f"HTTP/1.1 {status} Fault\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\n{headers}"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}"
    ).encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection with a reset."""
    socket = writer.get_extra_info("socket")
    with suppress(OSError):
        socket.setsockopt(SOL_SOCKET, SO_LINGER, ABORT)
    writer.transport.abort()
