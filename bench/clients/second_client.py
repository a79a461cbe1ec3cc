"""Independent clients of Track, to check our own against: h2load and ghz, where this machine has them.

Both send one and the same message with every call. It has no event_id, so that each call stores an event all the same.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.clients.http2_client import PREFIX_BYTES
from bench.clients.track_client import CALLERS, METHOD
from bench.data.sample_events import make_event
from sociallive.analytics.v1.track_pb2 import EventStatus, TrackRequest, TrackResponse

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".tools" / "bin"
DESCRIPTORS = ROOT / "generated" / "descriptors.binpb"

SecondClient = Callable[[str, int], float]
"""Calls Track at an address so many times, CALLERS at once; returns how many calls were answered a second."""


def second_clients() -> dict[str, SecondClient | None]:
    """List the clients by name; None stands for one that this machine does not have."""
    return {"h2load": run_h2load if _find("h2load") else None, "ghz": run_ghz if _find("ghz") else None}


def run_h2load(address: str, calls: int) -> float:
    """Call Track with nghttp2's h2load, over one connection.

    It does not read gRPC's status, but the response of a failed call is empty: the total bytes show that none failed.
    """
    message = _message()
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        output = _run(
            *("h2load", "-n", str(calls), "-c", "1", "-m", str(CALLERS), "-d", body.name),
            *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{METHOD}"),
        )
    rate = re.search(r"finished in \S+, ([\d.]+) req/s", output)
    answered = re.search(r"headers \(.*, \S+ \((\d+)\) data", output)
    if rate is None or answered is None:
        raise SystemExit(f"h2load's output is not understood:\n{output}")
    answer = TrackResponse(event_id="0" * 36, status=EventStatus.EVENT_STATUS_STORED)
    if int(answered[1]) != calls * (PREFIX_BYTES + answer.ByteSize()):
        raise SystemExit(f"calls of h2load failed:\n{output}")
    return float(rate[1])


def run_ghz(address: str, calls: int) -> float:
    """Call Track with ghz, which is built on Go's gRPC, over one connection."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(_message())
        body.flush()
        output = _run(
            *("ghz", "--insecure", "--protoset", str(DESCRIPTORS), "--call", METHOD.removeprefix("/")),
            *("--total", str(calls), "--concurrency", str(CALLERS), "--binary-file", body.name),
            *("--format", "json", address),
        )
    report = json.loads(output)
    if report["statusCodeDistribution"] != {"OK": calls}:
        raise SystemExit(f"calls of ghz failed: {report['statusCodeDistribution']}")
    return float(report["rps"])


def _message() -> bytes:
    event = make_event(1)
    event.ClearField("event_id")
    return TrackRequest(event=event).SerializeToString()


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{TOOLS}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def _run(program: str, *arguments: str) -> str:
    path = _find(program)
    if path is None:
        raise SystemExit(f"{program} is not here")
    return subprocess.run((path, *arguments), check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own command
