"""Gathers records into chunks, one per stream, bounded in events and bytes, so that a chunk can be sent again."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cli.command_error import CommandError
from cli.import_.records import EventFiller, Form, HopelessRecordError, RecordError, Records, Source
from cli.import_.sources import ImportFile
from cli.main import EXIT_USAGE
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest

DEFAULT_CHUNK_EVENTS = 2_000
"""Large enough that a stream's own cost is negligible, small enough that a resend is cheap."""
MOST_CHUNK_EVENTS = 50_000
MESSAGE_EVENTS = 500
"""Events in one message of a stream: a tenth of what the service takes, so that it can begin early."""
MESSAGE_BYTES = 512 * 1024
"""A message is closed when it has reached this; with the largest event it stays well under the service's 4 MiB."""
EVENT_BYTES = 1024 * 1024
"""The largest event that is sent."""
CHUNK_BYTES = 16 * 1024 * 1024
"""A chunk is closed when it has reached this: it bounds the memory of the chunks under way."""


@dataclass(slots=True)
class Chunk:
    """Some consecutive records of a file."""

    messages: list[TrackBatchRequest] = field(default_factory=list)
    """Their events, ready to send; sending them twice stores them once."""
    sources: list[Source] = field(default_factory=list)
    """Where each event comes from, in order."""
    failures: list[tuple[Source, RecordError]] = field(default_factory=list)
    """Each record that cannot become an event, and why."""
    consumed_bytes: int = 0
    """How much of the file had been read when the chunk was complete."""

    @property
    def records(self) -> int:
        """How many records it stands for."""
        return len(self.sources) + len(self.failures)


def build_chunks(
    file: ImportFile, records: Records[Form], filler: EventFiller[Form], chunk_events: int
) -> Iterator[Chunk]:
    """Fill events from records and gather them in chunks.

    Raises:
        CommandError: the file cannot be read further, or not with this command line; what was read before is yielded
            first.
    """
    chunk, chunk_bytes, message, message_bytes = Chunk(), 0, TrackBatchRequest(backfill=True), 0
    try:
        for source, record in records:
            try:
                message_bytes += _add(message, record, filler, source.row)
                chunk.sources.append(source)
            except RecordError as exc:
                chunk.failures.append((source, exc))
            except HopelessRecordError as exc:
                raise CommandError(f"{file.name}:{source.line}: {exc}", exit_code=EXIT_USAGE) from exc
            if len(message.events) >= MESSAGE_EVENTS or message_bytes >= MESSAGE_BYTES:
                chunk.messages.append(message)
                chunk_bytes += message_bytes
                message, message_bytes = TrackBatchRequest(backfill=True), 0
            if chunk.records >= chunk_events or chunk_bytes >= CHUNK_BYTES:
                yield _closed(chunk, message, file)
                chunk, chunk_bytes, message, message_bytes = Chunk(), 0, TrackBatchRequest(backfill=True), 0
    except CommandError:
        yield _closed(chunk, message, file)
        raise
    yield _closed(chunk, message, file)


def _add(message: TrackBatchRequest, record: Form | RecordError, filler: EventFiller[Form], position: int) -> int:
    """Add a record's event to the message, or leave it as it was; return the event's size in bytes.

    Raises:
        RecordError: the record cannot become an event.
        HopelessRecordError: no record can become an event, because an option is missing or wrong.
    """
    if isinstance(record, RecordError):
        raise record
    event = message.events.add()
    try:
        filler.fill(event, record, position)
        return _checked_size(event.ByteSize())
    except (RecordError, HopelessRecordError):
        del message.events[-1]
        raise


def _checked_size(size_bytes: int) -> int:
    if size_bytes > EVENT_BYTES:
        raise RecordError(f"makes an event of {size_bytes:,} bytes; at most {EVENT_BYTES:,} are allowed")
    return size_bytes


def _closed(chunk: Chunk, message: TrackBatchRequest, file: ImportFile) -> Chunk:
    if message.events:
        chunk.messages.append(message)
    chunk.consumed_bytes = file.consumed_bytes
    return chunk
