"""Handles of the harness on a service under load: clients that can be killed, and probes that ask how it is."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import grpc

from sociallive.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from sociallive.analytics.v1.track_pb2 import TrackRequest
from tests.acceptance.running import Service
from tests.chaos.client import CHANNEL_OPTIONS, PATIENCE_S, read_failure, read_status
from tests.chaos.journal import STREAM_LANE, Counts, Failure, JournalWriter, Sending, Source, make_event, read_entries

PROBE_TIMEOUT_S = 3.0
"""A service that takes longer for one event does not count as serving."""
MID_STREAM_S = (0.05, 0.2)
"""A stream of the clients takes about a quarter of a second or longer; its first message is sent at once."""
PROBE_LANE = "probe"


class Load:
    """A load client in a process of its own."""

    def __init__(
        self, services: Sequence[Service], *, source: Source, epoch_ms: int, events_per_s: float, reverse: bool
    ) -> None:
        self.source = source
        self._arguments = [sys.executable, "-m", "tests.chaos.client", "--seed", source.seed]
        self._arguments += ["--journal", str(source.path), "--epoch-ms", str(epoch_ms), "--rate", str(events_per_s)]
        for service in services:
            self._arguments += ["--address", service.address]
        if reverse:
            self._arguments.append("--reverse")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; started again, it sends everything from the first event on."""
        self._process = subprocess.Popen(self._arguments, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """Kill -9 it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def finish(self) -> bool:
        """Let it send nothing new, and tell whether it got rid of all it had sent."""
        if self._process is None:
            return True
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE_S + 5) == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def count_taken(self) -> int:
        """Count the events that the service has taken so far."""
        return sum(entry.sending.count for entry in read_entries(self.source.path) if entry.counts is not None)

    def count_distinct(self) -> int:
        """Count the events that the service has taken so far, each once however often it was sent."""
        taken = {
            (entry.sending.lane, entry.sending.first): entry.sending.count
            for entry in read_entries(self.source.path)
            if entry.counts is not None
        }
        return sum(taken.values())

    def is_in_mid_stream(self) -> bool:
        """Tell whether a stream has begun a moment ago, so that some of its messages are sent and some are not."""
        newest = {entry.sending.lane: entry for entry in read_entries(self.source.path)}
        return any(
            entry.counts is None
            and entry.failure is None
            and MID_STREAM_S[0] < time.time() - entry.at < MID_STREAM_S[1]
            for lane, entry in newest.items()
            if lane.startswith(STREAM_LANE)
        )

    def failures_since(self, moment_s: float) -> list[Failure]:
        """List the failures since a moment (Unix seconds)."""
        entries = read_entries(self.source.path)
        return [entry.failure for entry in entries if entry.failure is not None and entry.at >= moment_s]


class Probe:
    """Sends single events to a service, each over a new connection and again until it is taken."""

    def __init__(self, service: Service, *, source: Source, epoch_ms: int) -> None:
        self.source = source
        self._service = service
        self._writer = JournalWriter(source.path)
        self._epoch_ms = epoch_ms
        self._number = 0
        self._attempt = 0

    def send(self) -> str:
        """Send the next event, or again the one that was not taken; answer its status or its error's code and reason.

        Example:
            >>> probe.send()
            'UNAVAILABLE SPOOL_FULL'
        """
        self._attempt += 1
        sending = Sending(PROBE_LANE, self._number, 1, self._attempt)
        event = make_event(self.source.seed, PROBE_LANE, self._number, self._epoch_ms)
        self._writer.sent(sending)
        with grpc.insecure_channel(self._service.address, options=CHANNEL_OPTIONS) as channel:
            stub: Any = AnalyticsServiceStub(channel)  # type: ignore[no-untyped-call]
            try:
                status = read_status(stub.Track(TrackRequest(event=event), timeout=PROBE_TIMEOUT_S).status)
            except grpc.RpcError as exc:
                failure = read_failure(exc)
                self._writer.failed(sending, failure)
                return str(failure)
        self._writer.taken(sending, Counts.of_status(status))
        self._number += 1
        self._attempt = 0
        return status

    def is_serving(self) -> bool:
        """Tell whether the service says that it serves, and stores an event."""
        return self._service.health() == "SERVING" and self.send() in {"STORED", "DUPLICATE"}

    def settle(self) -> bool:
        """Get rid of an event that was not taken yet; tell whether that is so."""
        return self._attempt == 0 or self.send() in {"STORED", "DUPLICATE", "SPOOLED"}

    def close(self) -> None:
        """Close the journal."""
        self._writer.close()
