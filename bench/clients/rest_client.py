"""An HTTP/1.1 client for measuring: POSTs over many kept connections, on one thread."""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

READ_BYTES = 1 << 16
ANSWER_TIMEOUT_S = 30.0
"""A server that says nothing for so long will not."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run measured: requests answered a second, and each one's milliseconds, ascending."""

    per_s: float
    latencies_ms: Sequence[float]


def saturate_rest(port: int, path: str, bodies: Sequence[bytes], connections: int) -> Run:
    """Post each body, always one a connection; each is to be answered 200.

    Raises:
        SystemExit: one was not, or no response came.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: ".encode()
    )
    requests = [b"%s%d\r\n\r\n%s" % (head, len(body), body) for body in bodies]
    latencies_ms: list[float] = []
    poll = select.epoll()
    opened = {}
    for _ in range(min(connections, len(requests))):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
    sent_at: dict[int, float] = {}
    unread = dict.fromkeys(opened, b"")
    waiting = iter(requests)
    started_at = time.perf_counter()
    for number, connection in opened.items():
        sent_at[number] = time.perf_counter()
        connection.sendall(next(waiting))
    while len(latencies_ms) < len(requests):
        ready = poll.poll(ANSWER_TIMEOUT_S)
        if not ready:
            raise SystemExit(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
        for number, _ in ready:
            unread[number] += opened[number].recv(READ_BYTES)
            if not _complete(unread[number]):
                continue
            unread[number] = b""
            now = time.perf_counter()
            latencies_ms.append((now - sent_at[number]) * 1000)
            following = next(waiting, None)
            if following is not None:
                sent_at[number] = now
                opened[number].sendall(following)
    seconds = time.perf_counter() - started_at
    for connection in opened.values():
        connection.close()
    poll.close()
    return Run(len(requests) / seconds, sorted(latencies_ms))


def _complete(answer: bytes) -> bool:
    """Return whether a whole answer is here."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"an answer is not 200: {answer[:500]!r}")
    return len(body) >= int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
