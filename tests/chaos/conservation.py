"""The count after a scenario: what clients were told, beside what Postgres holds."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from storage.write.batch import EVENT_ID, RECEIVED_AT
from storage.write.hours import hour_of
from tests.chaos.journal import Account
from tests.stored import rows_in_blocks, rows_in_segments

RETRYABLE = {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CANCELLED"}
"""What a client may be answered whose valid event was not taken; the last two come from deadlines and cut calls."""
BROKEN_IN_MID_WRITE = "INTERNAL (Internal error from Core)"
"""What grpc.aio's client says when a connection breaks while it writes; no word of the server's."""
IDS_SHOWN = 3
STATS_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 10
LEDGER_COLUMNS = ("stored", "duplicates", "rejected")


@dataclass(slots=True)
class Truth:
    """What Postgres holds.

    Attributes:
        copies: rows of each event id.
        keys: the ledger of ids.
        received: stored events by hour of receipt.
        ledger: the conservation ledger by hour: stored, duplicates, rejected.
        quarantined: rejected events, kept or only counted.
    """

    copies: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    received: Counter[datetime] = field(default_factory=Counter)
    ledger: dict[datetime, Counter[str]] = field(default_factory=dict)
    quarantined: int = 0

    @property
    def ledger_total(self) -> Counter[str]:
        """The conservation ledger over all hours."""
        return sum(self.ledger.values(), Counter())


@dataclass(slots=True)
class Verdict:
    """The outcome of a count; the scenario holds when `problems` is empty."""

    lost: set[str]
    twice: set[str]
    problems: list[str]


async def read_truth(url: str) -> Truth:
    """Read everything there is to compare, in one snapshot."""
    connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = [*await rows_in_blocks(connection), *await rows_in_segments(connection)]
            keys = await connection.fetch("SELECT event_id FROM analytics_event_keys")
            ledger = await connection.fetch(
                "SELECT hour, sum(stored)::bigint AS stored, sum(duplicates)::bigint AS duplicates, "
                "sum(rejected)::bigint AS rejected FROM analytics_ingest_ledger GROUP BY hour"
            )
            quarantined = await connection.fetchval(
                "SELECT coalesce(sum(event_count), 0)::bigint FROM analytics_rejected_events"
            )
    finally:
        await connection.close()
    return Truth(
        copies=Counter(row[EVENT_ID] for row in rows),
        keys={str(row["event_id"]) for row in keys},
        received=Counter(hour_of(row[RECEIVED_AT]) for row in rows),
        ledger={row["hour"]: Counter({name: row[name] for name in LEDGER_COLUMNS}) for row in ledger},
        quarantined=quarantined,
    )


def count_missing(url: str, ids: Collection[str]) -> int:
    """Count those of the ids that Postgres does not hold; an id and its event come in one transaction."""

    async def ask() -> int:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        try:
            found: int = await connection.fetchval(
                "SELECT count(*) FROM analytics_event_keys WHERE event_id = ANY ($1::uuid[])",
                [uuid.UUID(text) for text in ids],
            )
        finally:
            await connection.close()
        return len(ids) - found

    return asyncio.run(ask())


def read_stats(data_dir: Path, database_url: str) -> list[dict[str, Any]]:
    """Ask `analytics ingest stats --json` for its hours."""
    run = subprocess.run(
        [sys.executable, "-m", "cli", "ingest", "stats", "--json"],
        env={**os.environ, "ANALYTICS_DATA_DIR": str(data_dir), "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=STATS_TIMEOUT_S,
        check=False,
    )
    if run.returncode:
        raise AssertionError(f"analytics ingest stats ended with {run.returncode}: {run.stderr[-500:]}")
    hours: list[dict[str, Any]] = json.loads(run.stdout)["hours"]
    return hours


def judge_storage(account: Account, truth: Truth) -> Verdict:
    """Compare what clients were told with what is stored.

    Args:
        account: the journals of all clients of this database.
        truth: what it holds.
    """
    stored = set(truth.copies)
    lost = account.acknowledged - stored
    twice = {event_id for event_id, copies in truth.copies.items() if copies > 1}
    problems = []
    if lost:
        problems.append(f"{len(lost)} acknowledged events are not stored: {_some(lost)}")
    if twice:
        problems.append(f"{len(twice)} events are stored more than once: {_some(twice)}")
    if stored - account.sent:
        problems.append(f"{len(stored - account.sent)} events are stored that were not sent, or break a rule")
    if account.unacknowledged:
        problems.append(f"{len(account.unacknowledged)} events were never taken: {_some(account.unacknowledged)}")
    if truth.keys != stored:
        problems.append(
            f"the ledger of ids has {len(truth.keys - stored)} ids without an event, "
            f"and lacks {len(stored - truth.keys)} of stored ones"
        )
    problems += _judge_ledger(account, truth)
    return Verdict(lost, twice, problems)


def judge_answers(account: Account) -> list[str]:
    """Find answers that contradict each other, or mislead a client."""
    problems = []
    if account.stored_twice_told:
        problems.append(f"{len(account.stored_twice_told)} events were called STORED twice")
    if account.false_duplicates:
        problems.append(f"{account.false_duplicates} events were called duplicates at their first sending")
    if account.miscounted:
        problems.append(f"{len(account.miscounted)} answers do not add up, as {account.miscounted[0]}")
    if account.unhelpful:
        problems.append(f"failures without RetryInfo: {dict(account.unhelpful)}")
    strange = {
        told: count
        for told, count in account.failures.items()
        if told.split()[0] not in RETRYABLE and told != BROKEN_IN_MID_WRITE
    }
    if strange:
        problems.append(f"failures that tell a client not to try again: {strange}")
    return problems


def _judge_ledger(account: Account, truth: Truth) -> list[str]:
    """Compare the conservation ledger with the stored events and with the answers that clients received.

    An answer may have been lost on its way, so the ledger lies between what was answered and what was sent.
    """
    problems = []
    total = truth.ledger_total
    stored = Counter({hour: counts["stored"] for hour, counts in truth.ledger.items()})
    if stored != truth.received:
        problems.append(f"the conservation ledger says stored: {_by_hour(stored)}; it is {_by_hour(truth.received)}")
    if truth.quarantined != total["rejected"]:
        problems.append(f"{truth.quarantined} events lie in quarantine, the ledger says {total['rejected']}")
    if account.answered_rejected > total["rejected"]:
        problems.append(f"the ledger has {total['rejected']} rejected, clients were told {account.answered_rejected}")
    if not account.answered_events <= total.total() <= account.sent_events:
        problems.append(
            f"the ledger has {total.total()} events received; {account.answered_events} were answered, "
            f"{account.sent_events} sent"
        )
    return problems


def judge_stats(hours: Sequence[Mapping[str, Any]], truth: Truth) -> list[str]:
    """Check that every hour adds up, and all of them to what the database holds, with nothing left in the spool."""
    problems = [
        f"an hour does not add up: {hour}"
        for hour in hours
        if hour["received"]
        != hour["stored"] + hour["duplicates"] + hour["rejected"] + hour["spooled"] + hour["set_aside"]
    ]
    found = {name: sum(hour[name] for hour in hours) for name in (*LEDGER_COLUMNS, "spooled", "set_aside")}
    expected = {name: truth.ledger_total[name] for name in LEDGER_COLUMNS} | {"spooled": 0, "set_aside": 0}
    if found != expected:
        problems.append(f"ingest stats says {found}, the database {expected}")
    return problems


def judge_report(events: int, truth: Truth) -> list[str]:
    """Check that the dashboard of the last day counts what is stored; -1 events: it does not answer."""
    if events == truth.copies.total():
        return []
    return [f"the dashboard counts {events} events, {truth.copies.total()} are stored"]


def _by_hour(counts: Counter[datetime]) -> str:
    return ", ".join(f"{hour:%Y-%m-%d %H:00} {count}" for hour, count in sorted(counts.items())) or "nothing"


def _some(ids: Collection[str]) -> str:
    return ", ".join(sorted(ids)[:IDS_SHOWN])
