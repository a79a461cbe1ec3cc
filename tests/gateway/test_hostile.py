"""Hostile HTTP: what could smuggle, swamp or stall is cut off, memory stays bounded, and the service serves on."""

import gzip
import re
import resource
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import routes
from tests.acceptance.running import eventually
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call
from tests.gateway.running import memory_mb, running_gateway

TRACK = "/analytics/events/track"
VIEW: dict[str, Any] = {"eventType": "view", "data": {"contentType": "post", "contentId": "post-1"}}
EVENT = b'{"eventType":"view","data":{"contentType":"post","contentId":"post-1"}}'
POST = b"POST /analytics/events/track HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
IDLE_CONNECTIONS = 5_000
MOST_OF_A_CONNECTION_MB = 0.02
STOPPED_REQUESTS = 500
SPARE_FILES = 1_000
"""What the tests' own process has open beside the connections."""
HUNDRED_MB = 100_000_000
MOST_MEMORY_MB = 400
"""Envoy alone takes some 100; each test may leave memory behind that its allocator keeps."""
SILENCE_S = 1.5
"""How long to listen for an answer too many; what is refused is mostly closed at once."""
READ_TIMEOUT_S = 60
"""Several times what anything here may last."""


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Open a connection to a gateway."""
    with socket.create_connection(("127.0.0.1", port), timeout=READ_TIMEOUT_S) as connection:
        yield connection


def exchange(gateway: GatewayService, *parts: bytes, answers: int) -> bytes:
    """Send the parts, and read until the gateway closes, or says no more after so many answers."""
    answer = b""
    with connected(gateway.rest_port) as connection, suppress(OSError):  # the gateway may hang up in the middle
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
        # What it has answered is read even where it has hung up since.
        while part := connection.recv(1 << 16):
            answer += part
            if len(statuses(answer)) >= answers:
                connection.settimeout(SILENCE_S)
    return answer


def statuses(answer: bytes) -> list[int]:
    """List the statuses of the answers on a connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def expect_well(gateway: GatewayService) -> None:
    """See that the gateway stores an event, and holds no more memory than it may."""
    assert call(gateway.rest_port, "POST", TRACK, VIEW).status == 200
    assert memory_mb(gateway) < MOST_MEMORY_MB


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)
HIDDEN = b"GET /analytics/schemas HTTP/1.1\r\nhost: localhost\r\n\r\n"
"""A request that would be answered 200 if it got through as one of its own."""


@pytest.mark.finding(35)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (POST + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKED + HIDDEN, [400]),
        (POST + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n" + CHUNKED + HIDDEN, [400]),
        (POST + b"transfer-encoding: chunked, identity\r\n\r\n" + CHUNKED + HIDDEN, [501]),
        (POST + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKED + HIDDEN, [501]),
        (POST + b"transfer-encoding : chunked\r\n\r\n" + CHUNKED + HIDDEN, [400]),
        (POST + b"content-length: 4\r\ncontent-length: 71\r\n\r\n" + EVENT + HIDDEN, [400]),
        (POST + b"content-length: +71\r\n\r\n" + EVENT + HIDDEN, [400]),
        (POST + b"content-length: -1\r\n\r\n" + EVENT + HIDDEN, [400]),
        (POST + b"content-length: 0x47\r\n\r\n" + EVENT + HIDDEN, [400]),
        # A folded line belongs to the header before it: there is no body, and what follows is a request in the open.
        (POST + b"x: y\r\n content-length: 71\r\n\r\n" + HIDDEN, [400, 200]),
        (POST + b"x: a\0b\r\n\r\n", [400]),
        (POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n" + HIDDEN, [400]),
        (POST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n" + HIDDEN, [400]),
        (b"GET /events/health HTTP/1.1\r\n\r\n", [400]),
        (b"GET /analytics%2f..%2fschemas HTTP/1.1\r\nhost: localhost\r\n\r\n", [400]),
        (b"GET /events/health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", [431]),
        (b"GET /events/health HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 500 + b"\r\n", [431]),
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", [431]),
        (HIDDEN.replace(b"GET", b"G\xff\xfeT"), [400]),
        (HIDDEN * 2 + b"\0\1\2 nonsense\r\n\r\n" + HIDDEN, [200, 200, 400]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 1000, []),
    ],
    ids=[
        *("CL.TE", "TE.CL", "TE identity", "TE unknown", "TE space", "two CL", "CL plus", "CL negative", "CL hex"),
        *("obs-fold", "NUL", "chunk size", "chunk overflow", "no host"),
        *("escaped slashes", "long header", "many headers", "long path", "method", "pipelined garbage", "HTTP/2 noise"),
    ],
)
def test_what_could_smuggle_is_refused(gateway: GatewayService, text: bytes, expected: list[int]) -> None:
    """Each has its status, and what hides behind it is never taken for a request of its own."""
    assert statuses(exchange(gateway, text, answers=len(expected))) == expected
    expect_well(gateway)


def _announced(size: int) -> tuple[bytes, ...]:
    return (POST + b"content-length: %d\r\n\r\n" % size, *[b"x" * 1_000_000] * (size // 1_000_000))


def _in_chunks(size: int) -> tuple[bytes, ...]:
    return (
        POST + b"transfer-encoding: chunked\r\n\r\n",
        *[b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"] * (size // 1_000_000),
    )


def _bomb(size: int) -> tuple[bytes, ...]:
    """Pack `size` bytes of JSON into a thousandth of it."""
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(b'{"eventType":"') + b"".join(
        packer.compress(b"x" * 1_000_000) for _ in range(size // 1_000_000)
    )
    packed += packer.compress(b'"}') + packer.flush()
    return (POST + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)


@pytest.mark.finding(35)
@pytest.mark.parametrize(
    ("make", "size"),
    [(_announced, HUNDRED_MB), (_in_chunks, HUNDRED_MB), (_bomb, HUNDRED_MB), (_bomb, 5 * HUNDRED_MB)],
    ids=["content-length", "chunks", "gzip bomb", "larger gzip bomb"],
)
def test_a_body_of_a_hundred_megabytes_is_refused_as_it_comes(
    gateway: GatewayService, make: Callable[[int], tuple[bytes, ...]], size: int
) -> None:
    """413, however it is packed, and never more of it in memory than a request may have."""
    parts = make(size)
    before_mb = memory_mb(gateway)
    answer = exchange(gateway, *parts, answers=1)
    assert statuses(answer) == [413], answer[:200]
    assert memory_mb(gateway) < before_mb + 100
    expect_well(gateway)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"data":' * 100_000 + b"1" + b"}" * 100_000, "BAD_REQUEST"),
        (b'{"data":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "BAD_REQUEST"),
        (b'{"eventType":"view","data":{"contentType":"\xc3\x28","contentId":"p"}}', "BAD_REQUEST"),
        (b'{"eventType":"view","data":{"contentType":"\xed\xa0\x80","contentId":"p"}}', "BAD_REQUEST"),
        (b'{"eventType":"view","data":{"contentType":"\\ud800","contentId":"p"}}', "BAD_REQUEST"),
        (b'{"eventType":"view","data":{"contentType":1e999,"contentId":"p"}}', "BAD_REQUEST"),
        (b'{"eventType":"view"}{"eventType":"view"}', "BAD_REQUEST"),
        (gzip.compress(EVENT)[:-9], "BAD_REQUEST"),
    ],
    ids=["deep objects", "deep lists", "UTF-8", "surrogate", "lone escape", "number", "two documents", "packed"],
)
def test_json_that_is_none_is_a_bad_request(gateway: GatewayService, body: bytes, reason: str) -> None:
    """400 in the one shape, or the server's own word where the text reaches it."""
    answer = call(gateway.rest_port, "POST", TRACK, body, headers={"content-type": "application/json"})
    assert answer.status == 400, answer
    assert answer.json["reason"] in {reason, "INVALID_EVENT", "MALFORMED_MESSAGE"}
    expect_well(gateway)


def test_thousands_of_idle_connections_take_little(gateway: GatewayService) -> None:
    """5,000 that say nothing and 500 that stop in the middle of a request leave the service serving."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = IDLE_CONNECTIONS + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this test opens {needed} files, and the system allows {hard}: raise it with ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    before_mb = memory_mb(gateway)
    try:
        with ExitStack() as opened:
            idle = [opened.enter_context(connected(gateway.rest_port)) for _ in range(IDLE_CONNECTIONS)]
            for number, connection in enumerate(idle[:STOPPED_REQUESTS]):
                connection.sendall((POST + b"content-length: 1000\r\n\r\n{", b"GET /eve")[number % 2])
            expect_well(gateway)
            assert memory_mb(gateway) < before_mb + IDLE_CONNECTIONS * MOST_OF_A_CONNECTION_MB
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    expect_well(gateway)


def _slowly(port: int, start: bytes, drop: bytes, pause_s: float) -> tuple[list[int], float]:
    """Send the start, and then a drop now and then; return the statuses, and the seconds until the gateway closed."""
    started_at = time.monotonic()
    with connected(port) as connection:
        connection.sendall(start)
        connection.settimeout(pause_s)
        answer = b""
        while time.monotonic() - started_at < READ_TIMEOUT_S:
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                if drop:
                    with suppress(OSError):
                        connection.sendall(drop)
                continue
            except OSError:
                break
            if not part:
                break
            answer += part
        return statuses(answer), time.monotonic() - started_at


@pytest.mark.slow
@pytest.mark.finding(35)
def test_who_sends_slowly_is_cut_off(gateway: GatewayService, tmp_path: Path) -> None:
    """Headers that trickle, a body that stops and one that trickles end with 408 within a minute.

    At this gateway within less: what a call may take is settled when its routes are built.
    """
    assert (routes.JSON_TIMEOUT_S, routes.MAX_JSON_CALL_S) == (30, 60)
    cases = {
        "headers": (b"GET /events/health HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n", 1.0),
        "no headers": (b"GET /eve", b"", 1.0),
        "no body": (POST + b"content-length: 1000\r\n\r\n{", b"", 1.0),
        "body": (POST + b"content-length: 1000\r\n\r\n{", b" ", 2.0),
        "chunks": (POST + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", 2.0),
    }
    hurry = "from gateway import routes; routes.JSON_TIMEOUT_S, routes.MAX_JSON_CALL_S = 5, 12"
    with running_gateway(tmp_path / "gateway", gateway.address, first=hurry) as (impatient, port):
        with ThreadPoolExecutor(len(cases)) as pool:
            ended = dict(zip(cases, pool.map(lambda case: _slowly(port, *case), cases.values()), strict=True))
        for name, (answered, seconds) in ended.items():
            assert seconds < READ_TIMEOUT_S, name
            assert answered == [408], name
        eventually("it serves on", lambda: call(port, "POST", TRACK, VIEW).status == 200)
        assert memory_mb(impatient) < MOST_MEMORY_MB
