"""Replays and purges of rejected events are in the audit log if and only if they happened."""

import os
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from server.admin.audit import AdminCall
from server.admin.purge import purge_rejected
from server.reports.scope import EARLIEST
from sociallive.analytics.v1.admin_service_pb2 import PurgeRejectedEventsRequest, ReplayRejectedEventsRequest
from storage.audit import AuditEntry, read_audit
from storage.job_health import read_job_health
from storage.rejections import RejectionFilter, ReplayedMeanwhileError
from tests.integration.rejection_desk import CALLER, MEND, NOW, TIMEOUT_S, Desk, bad, open_desk
from tests.rows import make_batch, make_id, make_rejection

BROKEN_AUDIT = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON analytics_audit_log FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A desk over an empty database."""
    async with open_desk(database_url) as opened:
        yield opened


async def audited(desk: Desk) -> Sequence[AuditEntry]:
    """Read the audit log."""
    return await read_audit(desk.database, limit=100)


async def purge(desk: Desk, **options: Any) -> Any:
    """Purge all."""
    request = PurgeRejectedEventsRequest(all=True, **options)
    return await purge_rejected(desk.rejections, request, lambda: NOW, caller=CALLER, timeout_s=TIMEOUT_S)


@pytest.mark.finding(31)
async def test_a_purge_says_who_did_it_with_which_arguments_and_what_went(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry, however many steps it took; a dry run leaves none."""
    monkeypatch.setattr("server.admin.purge.STEP_ROWS", 4)
    await desk.store.store(make_batch([], [make_rejection() for _ in range(10)]))
    await purge(desk, dry_run=True)
    assert await audited(desk) == []
    purged = await purge(desk)
    (entry,) = await audited(desk)
    assert (entry.actor, entry.action, entry.outcome) == (CALLER, "rejected purge", "done")
    assert (entry.rows, entry.bytes) == (purged.rows, purged.bytes) == (10, purged.bytes)
    assert (entry.details["arguments"], entry.details["pid"]) == ({"all": True}, os.getpid())
    assert await read_job_health(desk.database) == [], "it is not a job, and no job metric counts it"


@pytest.mark.finding(31)
async def test_a_purge_that_cannot_be_audited_does_not_happen(desk: Desk) -> None:
    """The entry is written in its transaction."""
    await desk.store.store(make_batch([], [make_rejection() for _ in range(10)]))
    await desk.sql.execute(BROKEN_AUDIT)
    with pytest.raises(asyncpg.RaiseError):
        await purge(desk)
    assert await desk.count("analytics_rejected_events") == 10


@pytest.mark.finding(31)
async def test_a_purge_that_is_cut_off_says_what_it_had_done(desk: Desk) -> None:
    """What went in the steps before is gone, and the audit log has it."""
    await desk.store.store(make_batch([], [make_rejection() for _ in range(10)]))
    call = AdminCall("rejected purge", CALLER, {}, NOW, lambda: NOW)
    steps = 0

    class CutError(Exception):
        """Stands for whatever ends a call."""

    def is_late() -> bool:
        nonlocal steps
        steps += 1
        if steps > 1:
            raise CutError
        return False

    with pytest.raises(CutError):
        await desk.rejections.purge(
            RejectionFilter(start=EARLIEST, end=NOW + timedelta(days=1)),
            step_rows=4,
            is_late=is_late,
            audit=lambda deleted, end: call.make_entry(outcome=end.value, rows=deleted.rows),
        )
    (entry,) = await audited(desk)
    assert (entry.outcome, entry.rows) == ("stopped", 4)
    assert await desk.count("analytics_rejected_events") == 6


@pytest.mark.finding(31)
async def test_a_replay_says_who_did_it_with_which_arguments_and_what_became_of_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry, however many transactions it took; the values of a patch are those of events and stay out."""
    monkeypatch.setattr("server.admin.replay.PORTION", 2)
    ids = await desk.reject(*(bad(event_id=make_id()) for _ in range(5)))
    await desk.replay(*ids, patch=[MEND], dry_run=True)
    assert await audited(desk) == []
    await desk.replay(*ids[:2], patch=[MEND])
    answer = await desk.replay(*ids, make_id(), patch=[MEND])
    assert (answer.stored, answer.duplicates, answer.failed) == (3, 2, 1)
    entry, first = await audited(desk)
    assert (first.rows, first.details["stored"]) == (2, 2)
    assert (entry.actor, entry.action, entry.outcome, entry.rows) == (CALLER, "rejected replay", "done", 3)
    assert (entry.details["stored"], entry.details["duplicates"], entry.details["failed"]) == (3, 2, 1)
    arguments: Any = entry.details["arguments"]
    assert (arguments["patches"], len(arguments["rejection_ids"])) == (["data.contentType"], 6)


@pytest.mark.finding(31)
async def test_a_replay_of_which_nothing_is_stored_is_audited_too(desk: Desk) -> None:
    """Its last transaction is that which notes why."""
    ids = await desk.reject(bad(event_id=make_id()))
    assert (await desk.replay(*ids)).failed == 1
    (entry,) = await audited(desk)
    assert (entry.rows, entry.details["failed"]) == (0, 1)


@pytest.mark.finding(31)
async def test_a_replay_that_cannot_be_audited_does_not_happen(desk: Desk) -> None:
    """The event is not stored, and goes on waiting for its replay."""
    ids = await desk.reject(bad(event_id=make_id()))
    await desk.sql.execute(BROKEN_AUDIT)
    with pytest.raises(asyncpg.RaiseError):
        await desk.replay(*ids, patch=[MEND])
    assert await desk.stored() == []
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 1


async def test_a_replay_that_fails_half_way_tells_what_it_had_done(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored before is stored, and said to be."""
    monkeypatch.setattr("server.admin.replay.PORTION", 2)
    ids = await desk.reject(*(bad(event_id=make_id()) for _ in range(4)))
    replayer = desk.replayer()
    write = replayer._write
    calls = 0

    async def write_once(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise ReplayedMeanwhileError
        return await write(*arguments)

    monkeypatch.setattr(replayer, "_write", write_once)
    request = ReplayRejectedEventsRequest(rejection_ids=ids, patches=[MEND])
    with pytest.raises(ReplayedMeanwhileError):
        await replayer.replay(request, caller=CALLER, timeout_s=TIMEOUT_S)
    (entry,) = await audited(desk)
    assert (entry.outcome, entry.rows, entry.started_at) == ("stopped", 2, NOW)
