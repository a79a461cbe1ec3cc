"""What must hold of events that go through writers, whatever fails: plain Python that knows what was sent and answered.

Every sending of an event has a `sequence` of its own, which is no part of the fingerprint: it tells which sending it is
that was stored or quarantined.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from sociallive.analytics.v1.event_pb2 import Event
from storage.postgres.database import Connection
from storage.write.batch import (
    COLUMNS,
    EVENT_ID,
    REASON,
    RECEIVED_AT,
    REJECTION_RECEIVED_AT,
    Rejection,
    Row,
    WriteOutcome,
)
from storage.write.fingerprint import fingerprint
from storage.write.hours import hour_of
from storage.write.ingest_ledger import IngestHour
from tests.stored import rows_in_blocks, rows_in_segments

SEQUENCE = COLUMNS.index("sequence")
REASONS = {"ID_CONFLICT": WriteOutcome.CONFLICT, "REFUSED_BY_DATABASE": WriteOutcome.REFUSED}
_clock = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Sent:
    """One sending of one event.

    Attributes:
        row: as it was sent.
        is_poison: whether a block does not take it, be its id free or not.
    """

    row: Row
    is_poison: bool

    @property
    def fingerprint(self) -> int:
        """What the key ledger knows of it where it is stored."""
        return fingerprint(self.row)


@dataclass(eq=False, slots=True)
class Call:
    """One call of a writer.

    Attributes:
        process: the place of the process that is called.
        sent, rejections: what is written.
        life: which process it was in that place.
        began, ended: when, by a clock that ticks with each of them; `ended` is None where there is no answer.
        outcomes: the answer; None where the call fails.
    """

    process: int
    sent: Sequence[Sent]
    rejections: Sequence[Rejection]
    life: int = 0
    began: int = 0
    ended: int | None = None
    outcomes: Sequence[WriteOutcome] | None = None

    def begin(self, life: int) -> None:
        """Note that it begins."""
        self.life, self.began = life, next(_clock)

    def end(self, outcomes: Sequence[WriteOutcome]) -> None:
        """Note the answer."""
        self.outcomes, self.ended = outcomes, next(_clock)

    def count_hours(self) -> Counter[datetime]:
        """Count its events by hour of receipt."""
        moments = [sent.row[RECEIVED_AT] for sent in self.sent]
        moments += [rejection[REJECTION_RECEIVED_AT] for rejection in self.rejections]
        return Counter(map(hour_of, moments))


@dataclass(frozen=True, slots=True)
class Observed:
    """What Postgres holds, in one snapshot.

    Attributes:
        events: all events of blocks and segments, in the order of COLUMNS.
        keys: the fingerprint of each id in the key ledger.
        quarantined: the reason of each rejection that is kept; events that storage turned down by their sequence,
            others by their rejection_id.
        quarantined_events: how many events the quarantine stands for.
        ledger: stored, duplicates and rejected by hour of receipt.
    """

    events: Sequence[Row]
    keys: Mapping[str, int]
    quarantined: Sequence[tuple[int | str, str]]
    quarantined_events: int
    ledger: Mapping[datetime, tuple[int, int, int]]

    @classmethod
    async def read(cls, sql: Connection) -> "Observed":
        """Look at all tables."""
        async with sql.transaction(isolation="repeatable_read", readonly=True):
            events = [*await rows_in_blocks(sql), *await rows_in_segments(sql)]
            keys = await sql.fetch("SELECT event_id, fingerprint FROM analytics_event_keys")
            kept = await sql.fetch("SELECT rejection_id, reason, payload, event_count FROM analytics_rejected_events")
            ledger = await sql.fetch(
                "SELECT hour, sum(stored)::bigint, sum(duplicates)::bigint, sum(rejected)::bigint "
                "FROM analytics_ingest_ledger GROUP BY 1"
            )
        return cls(
            events=events,
            keys={str(row["event_id"]): row["fingerprint"] for row in keys},
            quarantined=[(_trace(row), row["reason"]) for row in kept if row["payload"] is not None],
            quarantined_events=sum(row["event_count"] for row in kept),
            ledger={row[0]: (row[1], row[2], row[3]) for row in ledger},
        )


def _trace(kept: Record) -> int | str:
    """Tell which sending a rejection is of."""
    if kept["reason"] in REASONS:
        return int(Event.FromString(kept["payload"]).sequence)
    return str(kept["rejection_id"])


class WriteModel:
    """Remembers all calls, and compares what Postgres holds with them.

    Args of the constructor:
        keeps_rejections: whether the quarantine has room; else it only counts.
    """

    def __init__(self, *, keeps_rejections: bool) -> None:
        self._keeps_rejections = keeps_rejections
        self._calls: list[Call] = []
        self._sent: dict[int, Sent] = {}
        self._rejections: dict[str, Rejection] = {}
        self._keys: Mapping[str, int] = {}

    def add(self, calls: Iterable[Call]) -> None:
        """Learn what is going to be sent."""
        for call in calls:
            self._calls.append(call)
            self._sent |= {sent.row[SEQUENCE]: sent for sent in call.sent}
            self._rejections |= {rejection[0]: rejection for rejection in call.rejections}

    def predict(self, call: Call) -> list[WriteOutcome]:
        """Tell the answer of a call that nothing fails for, and nothing comes between."""
        known = dict(self._keys)
        outcomes = []
        for sent in call.sent:
            event_id = sent.row[EVENT_ID]
            if sent.is_poison:
                outcomes.append(WriteOutcome.REFUSED)
            elif event_id in known:
                is_repeat = known[event_id] == sent.fingerprint
                outcomes.append(WriteOutcome.DUPLICATE if is_repeat else WriteOutcome.CONFLICT)
            else:
                known[event_id] = sent.fingerprint
                outcomes.append(WriteOutcome.STORED)
        return outcomes

    def check(self, observed: Observed, hours: Sequence[IngestHour], *, is_drained: bool) -> None:
        """Compare, after every call has been answered or has failed.

        Args:
            observed: what Postgres holds.
            hours: what `read_ingest_hours` tells.
            is_drained: whether no spool holds anything.

        Raises:
            AssertionError: something does not hold.
        """
        self._check_stored(observed)
        fates = self._check_quarantined(observed)
        fates |= {event[SEQUENCE]: WriteOutcome.STORED for event in observed.events}
        for call in self._calls:
            for sent, outcome in zip(call.sent, call.outcomes or (), strict=call.outcomes is not None):
                self._check_answer(sent, outcome, fates.get(sent.row[SEQUENCE]), observed.keys, is_drained=is_drained)
            if call.outcomes is not None and is_drained and self._keeps_rejections:
                kept = {trace for trace, _ in observed.quarantined}
                assert kept >= {rejection[0] for rejection in call.rejections}, "a rejection is lost"
        if is_drained:
            self._check_order(observed)
        self._check_counts(observed, hours, is_drained=is_drained)
        self._keys = observed.keys

    def _check_stored(self, observed: Observed) -> None:
        """Each event is stored once, as somebody sent it, and the key ledger knows it."""
        ids = Counter(event[EVENT_ID] for event in observed.events)
        assert set(ids.values()) <= {1}, f"stored twice: {ids}"
        assert observed.keys.keys() == ids.keys(), "keys and events differ"
        for event in observed.events:
            sent = self._sent[event[SEQUENCE]]
            assert not sent.is_poison
            assert event == sent.row
            assert observed.keys[sent.row[EVENT_ID]] == sent.fingerprint

    def _check_quarantined(self, observed: Observed) -> dict[int | str, WriteOutcome]:
        """Each rejection is kept once, for a good reason; return what became of the events that storage turned down."""
        traces = Counter(trace for trace, _ in observed.quarantined)
        assert set(traces.values()) <= {1}, f"quarantined twice: {traces}"
        stored = {event[SEQUENCE] for event in observed.events}
        fates: dict[int | str, WriteOutcome] = {}
        for trace, reason in observed.quarantined:
            if isinstance(trace, str):
                assert reason == self._rejections[trace][REASON]
                continue
            sent = self._sent[trace]
            assert trace not in stored, "stored and quarantined"
            fates[trace] = REASONS[reason]
            self._check_rejected(sent, fates[trace], observed.keys)
        return fates

    def _check_rejected(self, sent: Sent, outcome: WriteOutcome, keys: Mapping[str, int]) -> None:
        if outcome is WriteOutcome.REFUSED:
            assert sent.is_poison, f"a good event is refused: {sent}"
        else:
            other = keys.get(sent.row[EVENT_ID])
            assert other not in (None, sent.fingerprint), f"a conflict with nothing: {sent}"

    def _check_answer(
        self,
        sent: Sent,
        outcome: WriteOutcome,
        fate: WriteOutcome | None,
        keys: Mapping[str, int],
        *,
        is_drained: bool,
    ) -> None:
        """What was answered is what became of it.

        Args:
            sent: an event.
            outcome: what its sender was told.
            fate: STORED, or what it is quarantined for; None where it is neither stored nor kept in quarantine.
            keys: the key ledger.
            is_drained: whether no spool holds it any more.
        """
        is_known = keys.get(sent.row[EVENT_ID]) == sent.fingerprint
        if outcome is WriteOutcome.SPOOLED:
            if is_drained and fate is None and self._keeps_rejections:
                assert is_known, f"lost: {sent}"
        elif outcome is WriteOutcome.DUPLICATE:
            assert is_known, f"a repeat of nothing: {sent}"
            assert fate is None, f"answered DUPLICATE: {fate}"
        elif outcome is WriteOutcome.STORED or self._keeps_rejections:
            # Poison whose attempt is recalled when its id belongs to another event by now is told of that.
            assert fate is outcome or (sent.is_poison and {fate, outcome} <= set(REASONS.values())), (
                f"answered {outcome}, and is {fate}: {sent}"
            )
        else:
            self._check_rejected(sent, outcome, keys)

    def _check_order(self, observed: Observed) -> None:
        """Of what one process has spooled under one id, the first was stored, or what somebody else has sent."""
        stored = {event[SEQUENCE] for event in observed.events}
        first: dict[tuple[str, int, int], Call] = {}
        for call in sorted(self._calls, key=lambda call: call.began):
            for sent, outcome in zip(call.sent, call.outcomes or (), strict=call.outcomes is not None):
                if outcome is not WriteOutcome.SPOOLED or sent.is_poison:
                    continue
                before = first.setdefault((sent.row[EVENT_ID], call.process, call.life), call)
                is_later = before.ended is not None and before.ended < call.began
                assert not (is_later and sent.row[SEQUENCE] in stored), f"drained out of order: {sent}"

    def _check_counts(self, observed: Observed, hours: Sequence[IngestHour], *, is_drained: bool) -> None:
        """The ledger has counted each event once; those of failed calls once or never."""
        stored = Counter(hour_of(event[RECEIVED_AT]) for event in observed.events)
        assert {hour: counts[0] for hour, counts in observed.ledger.items() if counts[0]} == stored
        assert sum(counts[2] for counts in observed.ledger.values()) == observed.quarantined_events
        answered: Counter[datetime] = Counter()
        failed: Counter[datetime] = Counter()
        for call in self._calls:
            (failed if call.outcomes is None else answered).update(call.count_hours())
        told = {hour.hour: hour for hour in hours}
        assert answered.keys() <= told.keys() <= answered.keys() | failed.keys()
        for hour, counts in told.items():
            least, most = answered[hour], answered[hour] + failed[hour]
            assert least <= counts.received <= most, f"received between {least} and {most}, and told {counts}"
            assert not (is_drained and counts.spooled)
