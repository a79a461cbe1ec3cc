"""What the load client sends and is told: events that follow from their number, and a file that remembers answers.

The journal is written with one system call a line, so a kill -9 of the client loses no line that it has written.
"""

import os
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

NAMESPACE = uuid.UUID("6f1d3b0e-5a52-4e0c-9a43-0d1f5b8c2a77")
"""Any constant: it makes the same numbers the same ids in every process."""
STREAM_LANE = "stream"
"""How the name of a lane begins that sends by TrackBatch."""
USER_PREFIX = "chaos-user-"
"""Tells an event that is quoted somewhere."""
INVALID_EVERY = 40
"""In streams, every so many events one breaks a rule, so that rejections have to add up too."""


def event_id(seed: str, lane: str, number: int) -> str:
    """Tell the id of a lane's event; the same every time."""
    return str(uuid.uuid5(NAMESPACE, f"{seed}/{lane}/{number}"))


def is_valid(lane: str, number: int) -> bool:
    """Tell whether a lane's event of this number keeps the rules."""
    return not (lane.startswith(STREAM_LANE) and number % INVALID_EVERY == INVALID_EVERY - 1)


def make_event(seed: str, lane: str, number: int, epoch_ms: int) -> Event:
    """Make the event of this number, the same every time; only every other one says when it happened.

    Args:
        seed: of the client.
        lane: of the client's lane.
        number: from 0.
        epoch_ms: the moment of event 0, in Unix milliseconds.
    """
    event = Event(
        event_id=event_id(seed, lane, number),
        user_id=f"{USER_PREFIX}{number % 100}",
        session_id=f"{lane}-{number // 20}",
        platform="mobile",
        sequence=number,
    )
    if number % 2:
        event.timestamp.FromMilliseconds(epoch_ms + number)
    if not is_valid(lane, number):
        event.view.CopyFrom(ViewEvent(content_type="post"))
    elif number % 10:
        event.view.CopyFrom(ViewEvent(content_type="post", content_id=f"post-{number % 50}", view_duration=1.5))
    else:
        event.purchase.CopyFrom(
            PurchaseEvent(product_id="p-1", order_id=f"o-{number}", amount=29.99, currency="USD", quantity=1)
        )
    return event


@dataclass(frozen=True, slots=True)
class Sending:
    """One call: `count` events of a lane from number `first` on; attempts after the first send the same ids again."""

    lane: str
    first: int
    count: int
    attempt: int = 1

    def valid_ids(self, seed: str) -> set[str]:
        """List the ids of its valid events."""
        numbers = range(self.first, self.first + self.count)
        return {event_id(seed, self.lane, number) for number in numbers if is_valid(self.lane, number)}


@dataclass(frozen=True, slots=True)
class Counts:
    """What an answer says became of how many events."""

    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    spooled: int = 0

    @classmethod
    def of_status(cls, status: str) -> "Counts":
        """Count the one event of a Track call by its status."""
        return {"STORED": cls(stored=1), "DUPLICATE": cls(duplicates=1), "SPOOLED": cls(spooled=1)}[status]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call was not answered OK.

    ErrorInfo's reason and RetryInfo are missing where the failure is the transport's, and not the server's word.
    """

    code: str
    reason: str = ""
    retry_after_s: float | None = None
    message: str = ""

    def __str__(self) -> str:
        """Name code and reason, or what the transport says."""
        if self.reason or self.code == "UNAVAILABLE":  # the latter comes in many words, about addresses and times
            return f"{self.code} {self.reason}".strip()
        return f"{self.code} ({self.message})"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal: something was sent (no counts, no failure), taken (counts) or not taken (a failure).

    `at` are Unix seconds.
    """

    at: float
    sending: Sending
    counts: Counts | None = None
    failure: Failure | None = None


class JournalWriter:
    """Appends to a file; what is written outlives the process from then on."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def sent(self, sending: Sending) -> None:
        """Note a call, before it is made."""
        self._write(Entry(time.time(), sending))

    def taken(self, sending: Sending, counts: Counts) -> None:
        """Note that a call was answered OK."""
        self._write(Entry(time.time(), sending, counts=counts))

    def failed(self, sending: Sending, failure: Failure) -> None:
        """Note that a call was not."""
        self._write(Entry(time.time(), sending, failure=failure))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, entry: Entry) -> None:
        os.write(self._descriptor, orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))


@dataclass(frozen=True, slots=True)
class Source:
    """A client's journal, and what there is to know about it.

    Attributes:
        seed: makes its events' ids; clients with one seed send the same events.
        path: the file.
        resends: whether it sends events again on purpose, so that a first sending may be a duplicate.
    """

    seed: str
    path: Path
    resends: bool = False


@dataclass(slots=True)
class Account:
    """What journals say, added up.

    Attributes:
        acknowledged: the ids that the service has taken, by any answer.
        sent: the ids of valid events that were ever sent.
        sent_events: events sent, valid or not, each as often as it was.
        answered_events, answered_rejected: events in calls that were answered OK, and those of them that were rejected.
        stored_twice_told: ids that two answers claim to have stored.
        false_duplicates: events called duplicates although they were sent for the first time.
        miscounted: answers whose counts do not fit what was sent.
        failures: how often each failure was answered, by code and reason.
        unhelpful: those that the server explained without saying when to come back.
    """

    acknowledged: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    sent_events: int = 0
    answered_events: int = 0
    answered_rejected: int = 0
    stored_twice_told: set[str] = field(default_factory=set)
    false_duplicates: int = 0
    miscounted: list[Entry] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    unhelpful: Counter[str] = field(default_factory=Counter)

    @property
    def unacknowledged(self) -> set[str]:
        """Valid ids that were sent and never taken; the service may hold them all the same."""
        return self.sent - self.acknowledged


def read_entries(path: Path) -> list[Entry]:
    """Read a journal; a line that its writer was killed over is left out."""
    if not path.exists():
        return []
    return [_parse(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def add_up(sources: Iterable[Source]) -> Account:
    """Add up the journals of several clients."""
    account = Account()
    told_stored: set[str] = set()
    for source in sources:
        for entry in read_entries(source.path):
            ids = entry.sending.valid_ids(source.seed)
            if entry.failure is not None:
                account.failures[str(entry.failure)] += 1
                if entry.failure.reason and entry.failure.retry_after_s is None:
                    account.unhelpful[str(entry.failure)] += 1
            elif entry.counts is None:
                account.sent |= ids
                account.sent_events += entry.sending.count
            else:
                account.acknowledged |= ids
                _add_answer(account, entry, entry.counts, valid=len(ids))
                if entry.sending.attempt == 1 and not source.resends:
                    account.false_duplicates += entry.counts.duplicates
                if entry.counts.stored == len(ids):
                    account.stored_twice_told |= told_stored & ids
                    told_stored |= ids
    return account


def _parse(line: bytes) -> Entry:
    fields = orjson.loads(line)
    counts, failure = fields["counts"], fields["failure"]
    return Entry(
        fields["at"],
        Sending(**fields["sending"]),
        counts=Counts(**counts) if counts is not None else None,
        failure=Failure(**failure) if failure is not None else None,
    )


def _add_answer(account: Account, entry: Entry, counts: Counts, *, valid: int) -> None:
    account.answered_events += entry.sending.count
    account.answered_rejected += counts.rejected
    invalid = entry.sending.count - valid
    if counts.rejected != invalid or counts.stored + counts.duplicates + counts.spooled != valid:
        account.miscounted.append(entry)
