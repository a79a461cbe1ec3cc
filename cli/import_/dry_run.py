"""Checks events in this process, by the rules of the service, and answers as an import would be; stores nothing."""

from collections.abc import Generator, Iterator
from datetime import UTC, datetime

from cli.import_.chunks import Chunk
from events.normalize import Normalizer, Rejected
from runtime.settings import Settings
from server.ingest.field_violations import write_violations
from sociallive.analytics.v1.track_pb2 import Rejection, TrackBatchResponse, TrackWarning

NO_KEY = bytes(32)
"""Hashes of addresses are made and thrown away here."""


class ChunkChecker:
    """Answers chunks as the service does, except for duplicates and conflicts, which depend on stored events."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings that decide what an import is warned about."""
        self._normalizer = Normalizer(ip_hash_key=NO_KEY, retention_raw_days=settings.retention_raw_days)

    def send_all(self, chunks: Iterator[Chunk]) -> Generator[tuple[Chunk, TrackBatchResponse], None, None]:
        """Yield each chunk with the response that the service would give."""
        for chunk in chunks:
            yield chunk, self._answer(chunk)

    def _answer(self, chunk: Chunk) -> TrackBatchResponse:
        answer, rows, now = TrackBatchResponse(), [], datetime.now(UTC)
        for index, event in enumerate(event for message in chunk.messages for event in message.events):
            prepared = self._normalizer.prepare(event, now, backfill=True)
            if isinstance(prepared, Rejected):
                violations = write_violations(prepared.violations)
                answer.rejections.append(Rejection(index=index, reason=prepared.reason, violations=violations))
            else:
                rows.append(prepared)
        answer.received = len(rows) + len(answer.rejections)
        answer.stored, answer.rejected = len(rows), len(answer.rejections)
        for description, events in self._normalizer.count_warnings(rows, backfill=True).items():
            answer.warnings.append(TrackWarning(description=description, events=events))
        return answer
