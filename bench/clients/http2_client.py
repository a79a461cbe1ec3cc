"""A client for measuring: unary calls by gRPC or by REST over one HTTP/2 connection, many at once, on one thread.

It costs 30 to 40 microseconds of processor time a call, a sixth of grpc's own Python client, so on a machine that it
shares with what it measures it disturbs that little. It speaks as much of HTTP/2 (RFC 9113) as a gRPC server needs, and
unlike general load tools it sends a different message with each call and hands out every response with its gRPC status.
"""

import re
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GO_AWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACKNOWLEDGED, END_HEADERS = 1, 1, 4
FRAME_HEADER_BYTES = 9
PREFIX_BYTES = 5
"""What gRPC puts before a message: whether it is compressed, and its length."""
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS = 1, 2, 3
INITIAL_WINDOW_BYTES = 65_535
"""What the protocol lets either side send before it hears of a larger window."""
LEAST_STREAMS = 100
"""Calls that a server is asked to allow at once at the least (RFC 9113, section 6.5.2)."""
WINDOW_BYTES = 1 << 30
"""What the server may send us: more than any run answers, so that we never have to grant more."""
READ_BYTES = 1 << 18
ANSWER_TIMEOUT_S = 30.0
"""A server that says nothing for so long will not."""

FIRST_HEADERS = b"\x83\x86"
"""POST, http: of the table that HPACK (RFC 7541) starts with."""
LAST_OF_TABLE = 0xBE
"""An indexed header: the entry that was added to the server's table last; earlier ones follow it."""
HTTP_OK = b"\x88"
"""`:status: 200` of the table that HPACK starts with."""
GRPC = "application/grpc"
JSON = "application/json"
_STATUS = re.compile(rb"grpc-status.(\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one call."""

    number: int
    """Which call of the connection, from 0."""
    status: int
    """The gRPC status, 0 for OK; a REST call that is not answered 200 ends the run instead."""
    message: bytes
    """The response; empty where the call failed."""


class UnaryConnection:
    """Calls one method over one connection.

    Example:
        >>> with UnaryConnection("127.0.0.1:50051", "/package.Service/Method") as connection:
        ...     connection.send([b"", b""])
        ...     answers = connection.receive(1.0)
    """

    def __init__(self, address: str, path: str, content_type: str = GRPC, *, key: str = "") -> None:
        """Connect to `host:port`; each call posts a message of this type to the path, with the key if there is one."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=ANSWER_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._by_grpc = content_type == GRPC
        headers = [(4, b"", path.encode()), (1, b"", address.encode()), (31, b"", content_type.encode())]
        if self._by_grpc:
            headers.append((0, b"te", b"trailers"))
        if key:
            headers.append((23, b"", b"Bearer " + key.encode()))
        self._headers = FIRST_HEADERS + b"".join(
            # Literals that the server keeps: a name of HPACK's table by its number, or one of our own.
            b"%c%s%c%s" % (0x40 | index, b"%c%s" % (len(name), name) if name else b"", len(value), value)
            for index, name, value in headers
        )
        # The same, as the entries that the first call left in the server's table.
        self._later_headers = FIRST_HEADERS + bytes(LAST_OF_TABLE + number for number in reversed(range(len(headers))))
        self._stream = 1
        self._window = INITIAL_WINDOW_BYTES
        self._under_way = 0
        self._most_under_way = LEAST_STREAMS  # until the server states its limit
        self._backlog: deque[bytes] = deque()
        self._unread = bytearray()
        self._messages: dict[int, bytes] = {}
        # Without a header table the server has to write its statuses out, and we need no table to read them.
        settings = struct.pack(">HIHI", HEADER_TABLE_SIZE, 0, ENABLE_PUSH, 0)
        self._socket.sendall(
            PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW_BYTES))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, messages: Iterable[bytes]) -> None:
        """Begin a call with each of these messages, as soon as the server's bounds of bytes and calls let us."""
        self._backlog.extend(messages)
        frames: list[bytes] = []
        while (
            self._backlog
            and len(self._backlog[0]) + PREFIX_BYTES <= self._window
            and self._under_way < self._most_under_way
        ):
            message = self._backlog.popleft()
            body = b"\0" + len(message).to_bytes(4, "big") + message if self._by_grpc else message
            self._window -= len(body)
            frames += (
                _frame(HEADERS, END_HEADERS, self._stream, self._headers),
                _frame(DATA, END_STREAM, self._stream, body),
            )
            self._headers = self._later_headers
            self._stream += 2
            self._under_way += 1
        if frames:
            self._socket.sendall(b"".join(frames))

    def receive(self, timeout_s: float) -> list[Answer]:
        """Wait for responses and return those that came together; none where the time is over.

        Raises:
            ConnectionError: the server ended the connection or a call without a response.
        """
        ends_at = time.monotonic() + timeout_s
        answers: list[Answer] = []
        while not answers and select.select((self._socket,), (), (), max(0.0, ends_at - time.monotonic()))[0]:
            answers = self._read()
        return answers

    def _read(self) -> list[Answer]:
        """Take in what has come, and return the responses in it."""
        data = self._socket.recv(READ_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._unread += data
        unread, start, answers = self._unread, 0, []
        while len(unread) - start >= FRAME_HEADER_BYTES:
            end = start + FRAME_HEADER_BYTES + int.from_bytes(unread[start : start + 3], "big")
            if end > len(unread):
                break
            stream = int.from_bytes(unread[start + 5 : start + 9], "big")
            answer = self._take(unread[start + 3], unread[start + 4], stream, bytes(unread[start + 9 : end]))
            if answer is not None:
                answers.append(answer)
            start = end
        del unread[:start]
        self.send(())
        return answers

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> Answer | None:
        """Take in a frame; where it ends a call, return the call's answer."""
        if kind in {DATA, HEADERS} and not self._by_grpc:
            return self._take_json(kind, flags, stream, payload)
        if kind == DATA:
            self._messages[stream] = self._messages.get(stream, b"") + payload
        elif kind == HEADERS and flags & END_STREAM:
            status = _STATUS.search(payload)
            if status is None:
                raise ConnectionError("an answer without a gRPC status")
            self._under_way -= 1
            return Answer(stream // 2, int(status[1]), self._messages.pop(stream, b"")[PREFIX_BYTES:])
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind in {SETTINGS, PING} and not flags & ACKNOWLEDGED:
            if kind == SETTINGS:
                settings = dict(struct.iter_unpack(">HI", payload))
                # Half: a server counts a call for a while longer than we do, and refuses what it finds too much.
                self._most_under_way = settings.get(MAX_CONCURRENT_STREAMS, 2 * self._most_under_way) // 2
            self._socket.sendall(_frame(kind, ACKNOWLEDGED, 0, payload if kind == PING else b""))
        elif kind in {RESET, GO_AWAY}:
            raise ConnectionError(f"the server ended {'a call' if kind == RESET else 'the connection'}: {payload!r}")
        return None

    def _take_json(self, kind: int, flags: int, stream: int, payload: bytes) -> Answer | None:
        """Take in a frame of an HTTP answer: headers with a status, the body, and perhaps trailers."""
        if kind == DATA:
            self._messages[stream] = self._messages.get(stream, b"") + payload
        elif stream not in self._messages and HTTP_OK not in payload[:2]:  # a change of the table's size may go first
            raise ConnectionError(f"an answer is not 200: {payload!r}")
        if not flags & END_STREAM:
            return None
        self._under_way -= 1
        return Answer(stream // 2, 0, self._messages.pop(stream, b""))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload
