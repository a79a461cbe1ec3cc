"""Rejected events are replayed exactly once, and counted as they should be, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from operator import itemgetter
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.catalogue import load_catalogue
from events.normalize import Normalizer
from events.rules.validation import Validator
from server.admin.listing import get_rejected
from server.reports.errors import QuestionError
from server.reports.scope import to_timestamp
from sociallive.analytics.v1.admin_service_pb2 import (
    FieldPatch,
    GetRejectedEventRequest,
    RejectedEventFilter,
    ReplayRejectedEventsRequest,
)
from storage.blocks.store import BlockStore
from storage.postgres.errors import StorageUnavailableError
from storage.rejections import ReplayedMeanwhileError
from storage.write.batch import WriteOutcome
from tests.integration.rejection_desk import (
    CALLER,
    DUPLICATE,
    EARLIER,
    FAILED,
    MEND,
    NOW,
    STORED,
    TIMEOUT_S,
    Desk,
    bad,
    open_desk,
)
from tests.rows import make_batch, make_id, make_rejection, make_row


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A desk over an empty database."""
    async with open_desk(database_url) as opened:
        yield opened


async def test_a_mended_event_is_stored_once_under_its_own_id_or_that_of_its_rejection(desk: Desk) -> None:
    """Its timestamp is reckoned from when it came first; it counts as received when it was replayed."""
    own = make_id()
    first, second = await desk.reject(bad(event_id=own), bad())
    answer = await desk.replay(first, second, first, patch=[MEND])
    assert [(r.rejection_id, r.event_id, r.status) for r in answer.results] == [
        (first, own, STORED),
        (second, second, STORED),
    ]
    rows = await desk.stored()
    assert {row["event_id"] for row in rows} == {own, second}
    assert {(row["timestamp"], row["timestamp_source"], row["received_at"]) for row in rows} == {
        (EARLIER, "missing", NOW)
    }
    assert await desk.counts() == (2, 0, 2)
    again = await desk.replay(first, second, patch=[MEND])
    assert (again.stored, again.duplicates, again.failed) == (0, 2, 0)
    assert [result.event_id for result in again.results] == [own, second]
    assert await desk.counts() == (2, 0, 2)
    shown = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=second), timeout_s=TIMEOUT_S)
    assert shown.rejected_event.last_replay.status == STORED
    assert shown.rejected_event.last_replay.event_id == second
    assert shown.rejected_event.HasField("replayed_at")


async def test_skew_is_corrected_by_the_first_receipt(desk: Desk) -> None:
    """The client's clock was wrong by an hour then, whatever the time is now."""
    event = bad(
        timestamp=to_timestamp(EARLIER - timedelta(hours=2)), sent_at=to_timestamp(EARLIER - timedelta(hours=1))
    )
    (rejection_id,) = await desk.reject(event)
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1
    (row,) = await desk.stored()
    assert (row["timestamp"], row["timestamp_source"]) == (EARLIER - timedelta(hours=1), "corrected")


async def test_a_replay_that_fails_says_so_and_stays(desk: Desk) -> None:
    """Still invalid, a conflict, too old by today's clock, a patch that does not fit: no second row, no count."""
    taken = make_id()
    await desk.store.store(make_batch([make_row(event_id=taken)]))
    (invalid,) = await desk.reject(bad())
    (conflict,) = await desk.reject(bad(event_id=taken))
    (old,) = await desk.reject(bad(), received_at=NOW - timedelta(days=91))
    before = await desk.counts()
    nothing = FieldPatch(field="userId", remove=True)
    assert [(r.reason, r.violations[0].field) for r in (await desk.replay(invalid, patch=[nothing])).results] == [
        ("INVALID_EVENT", "view.contentType")
    ]
    answer = await desk.replay(conflict, old, patch=[MEND])
    assert [(r.status, r.reason) for r in answer.results] == [(FAILED, "ID_CONFLICT"), (FAILED, "EVENT_TOO_OLD")]
    assert answer.results[0].event_id == taken
    misfit = FieldPatch(field="purchase.orderId")
    misfit.value.string_value = "o"
    assert (await desk.replay(invalid, patch=[misfit])).results[0].reason == "PATCH_DOES_NOT_FIT"
    assert await desk.counts() == before
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 3
    shown = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=conflict), timeout_s=TIMEOUT_S)
    assert (shown.rejected_event.last_replay.reason, shown.rejected_event.reason) == ("ID_CONFLICT", "INVALID_EVENT")
    assert shown.rejected_event.last_replay.violations[0].rule == "ID_CONFLICT"
    # What stood in the way is taken out of it.
    own_id = FieldPatch(field="eventId", remove=True)
    assert (await desk.replay(conflict, patch=[MEND, own_id])).results[0].event_id == conflict
    assert (await desk.replay(old, patch=[MEND], backfill=True)).stored == 1


async def test_an_event_that_came_as_json_is_replayed_with_all_that_it_was_sent_with(desk: Desk) -> None:
    """With the type that its path said, under the id of its rejection, and only once its misspelt field is mended."""
    raw = b'{"usrId": "ann", "ip_address": "192.0.2.1", "data": {"contentType": "post", "contentId": "p"}}'
    (rejection_id,) = await desk.reject_json(raw, event_type="view")
    kept = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=rejection_id), timeout_s=TIMEOUT_S)
    assert (kept.payload, kept.payload_type) == (raw.replace(b'"192.0.2.1"', b'""'), "application/json")
    assert (kept.event.event_type, kept.event.user_id, kept.event.data["contentId"]) == ("view", "", "p")
    (refused,) = (await desk.replay(rejection_id)).results
    assert [(each.field, each.rule) for each in refused.violations] == [("usrId", "UNKNOWN_FIELD")]
    move = FieldPatch(field="usrId", move_to="userId")
    dry = await desk.replay(rejection_id, patch=[move], dry_run=True)
    assert (dry.stored, await desk.stored()) == (1, [])
    assert [each.event_id for each in (await desk.replay(rejection_id, patch=[move])).results] == [rejection_id]
    (row,) = await desk.stored()
    assert itemgetter("event_type", "user_id", "ip_address", "timestamp")(row) == ("view", "ann", None, EARLIER)


async def test_what_is_no_json_is_shown_and_cannot_be_replayed(desk: Desk) -> None:
    """Its bytes say what was meant; a replay says what is wrong with them."""
    (rejection_id,) = await desk.reject_json(b'{"eventType": "view", ')
    kept = await get_rejected(desk.rejections, GetRejectedEventRequest(rejection_id=rejection_id), timeout_s=TIMEOUT_S)
    assert (kept.payload, kept.HasField("event")) == (b'{"eventType": "view", ', False)
    (result,) = (await desk.replay(rejection_id, patch=[MEND])).results
    assert (result.status, result.reason, result.violations[0].rule) == (FAILED, "INVALID_EVENT", "JSON")


async def test_a_row_that_postgres_refuses_fails_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its neighbours are stored and marked; it stays."""
    ids = await desk.reject(*(bad(user_id=f"user-{number}") for number in range(3)))
    prepare = desk.normalizer.prepare_json

    def poison(value: Any, *args: Any, **options: Any) -> Any:
        made = prepare(value, *args, **options)
        if value["userId"] == "user-1" and isinstance(made, tuple):
            return (*made[:-1], '{"contentType":"a\\u0000b"}')
        return made

    monkeypatch.setattr(desk.normalizer, "prepare_json", poison)
    before = await desk.counts()
    answer = await desk.replay(*ids, patch=[MEND])
    assert [result.reason for result in answer.results] == ["", "REFUSED_BY_DATABASE", ""]
    assert await desk.counts() == (before[0] + 2, before[1], before[2])
    assert await desk.count("analytics_rejected_events") == 3


async def test_after_a_fix_of_the_catalogue_a_replay_stores_what_was_invalid(desk: Desk) -> None:
    """The rules are those of today, not those by which the event was rejected."""
    ids = await desk.reject(bad(), bad(event_type="purchase"))
    assert (await desk.replay(*ids)).failed == 2
    catalogue = load_catalogue()
    view = catalogue.types["view"]
    fields = tuple(replace(each, required=False) for each in view.fields)
    fixed = replace(catalogue, types={**catalogue.types, "view": replace(view, fields=fields)})
    normalizer = Normalizer(ip_hash_key=b"key", retention_raw_days=90, validator=Validator(fixed))
    request = ReplayRejectedEventsRequest(rejection_ids=ids)
    answer = await desk.replayer(normalizer).replay(request, caller=CALLER, timeout_s=TIMEOUT_S)
    assert [result.status for result in answer.results] == [STORED, FAILED]
    assert [row["event_data"]["contentId"] for row in await desk.stored()] == ["post-1"]


async def test_what_is_not_kept_cannot_be_replayed(desk: Desk) -> None:
    """Counted rows, payloads over the bound and ids that do not exist are told; the others are replayed."""
    (good,) = await desk.reject(bad())
    large = make_rejection(payload=None, payload_bytes=100_000)
    unreadable = make_rejection(payload=b"\xff", payload_type="application/x-protobuf")
    await desk.store.store(make_batch([], [large, unreadable]))
    answer = await desk.replay(large[0], unreadable[0], make_id(), good, patch=[MEND])
    assert [result.reason for result in answer.results] == [
        "PAYLOAD_NOT_KEPT",
        "PAYLOAD_NOT_KEPT",
        "NO_SUCH_REJECTION",
        "",
    ]
    assert (answer.stored, answer.failed) == (1, 3)


async def test_a_dry_run_foresees_and_changes_nothing(desk: Desk) -> None:
    """It reports stored, duplicate, conflict and invalid; nothing is written, not even that it was tried."""
    taken, twice = make_id(), make_id()
    await desk.store.store(make_batch([make_row(event_id=taken)]))
    ids = await desk.reject(bad(event_id=taken), bad(event_id=twice), bad(event_id=twice), bad(event_type="purchase"))
    before = await desk.counts()
    answer = await desk.replay(*ids, patch=[MEND], dry_run=True)
    assert [result.status for result in answer.results] == [FAILED, STORED, DUPLICATE, FAILED]
    assert await desk.counts() == before
    assert len(await desk.stored()) == 1
    assert await desk.count("analytics_rejected_events WHERE tried_at IS NULL") == 4
    assert [result.status for result in (await desk.replay(*ids, patch=[MEND])).results] == [
        result.status for result in answer.results
    ]


async def test_a_filter_is_walked_oldest_first_in_bounded_calls(desk: Desk) -> None:
    """What fails again is passed by, so that the walk ends; what is replayed already is not looked at."""
    for number in range(5):
        await desk.reject(bad(user_id="u"), bad(event_type="purchase"), received_at=EARLIER + timedelta(minutes=number))
    request = ReplayRejectedEventsRequest(
        filter=RejectedEventFilter(reason="INVALID_EVENT"), patches=[MEND], page_size=3
    )
    replayer = desk.replayer()
    sizes, statuses = [], []
    while True:
        answer = await replayer.replay(request, caller=CALLER, timeout_s=TIMEOUT_S)
        sizes.append(len(answer.results))
        statuses += [result.status for result in answer.results]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert sizes == [3, 3, 3, 1]
    assert sorted(statuses) == [STORED] * 5 + [FAILED] * 5
    request.page_token = ""
    assert [
        result.status for result in (await replayer.replay(request, caller=CALLER, timeout_s=TIMEOUT_S)).results
    ] == [FAILED] * 3


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"rejection_ids": ["x"]},
        {"rejection_ids": [make_id()], "filter": {}},
        {"rejection_ids": [make_id()] * 1001},
        {"filter": {}, "pageSize": -1},
        {"filter": {"replayState": "REPLAY_STATE_REPLAYED"}},
        {"filter": {}, "patches": [{"field": "userld", "value": "u"}]},
        {"filter": {}, "patches": [{"field": "userld", "moveTo": "userIdd"}]},
        {"filter": {}, "patches": [{"field": "userId"}]},
        {"filter": {}, "patches": [{"field": "userId", "remove": False}]},
        {"filter": {}, "patches": [{"field": "userId", "remove": True}] * 33},
        {"filter": {}, "pageToken": "nonsense"},
    ],
)
async def test_a_replay_that_makes_no_sense_is_refused(desk: Desk, fields: dict[str, Any]) -> None:
    """Before anything is done."""
    request = json_format.ParseDict(fields, ReplayRejectedEventsRequest())
    with pytest.raises(QuestionError):
        await desk.replayer().replay(request, caller=CALLER, timeout_s=TIMEOUT_S)


async def test_a_value_that_is_no_json_is_refused(desk: Desk) -> None:
    """JSON knows no infinity."""
    patch = FieldPatch(field="sequence")
    patch.value.number_value = float("inf")
    with pytest.raises(QuestionError, match="JSON value"):
        await desk.replay(make_id(), patch=[patch])


async def test_rivals_replay_the_same_events_once(desk: Desk) -> None:
    """Also where each of them would give them other ids: a patch that takes the id out, and one that does not."""
    ids = await desk.reject(*(bad(event_id=make_id(), user_id=f"u{number}") for number in range(150)))
    without_id = FieldPatch(field="eventId", remove=True)
    requests = [
        ReplayRejectedEventsRequest(rejection_ids=ids, patches=[MEND]),
        ReplayRejectedEventsRequest(rejection_ids=ids, patches=[MEND, without_id]),
        ReplayRejectedEventsRequest(rejection_ids=list(reversed(ids)), patches=[MEND]),
    ]
    answers = await asyncio.gather(
        *(desk.replayer().replay(request, caller=CALLER, timeout_s=TIMEOUT_S) for request in requests)
    )
    assert sum(answer.stored for answer in answers) == 150
    assert sum(answer.duplicates for answer in answers) == 300
    assert len(await desk.stored()) == 150
    assert await desk.counts() == (150, 0, 150)


async def test_a_replay_cut_off_before_its_commit_has_done_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Event and mark are of one transaction: there is no moment between them to be killed in."""
    (rejection_id,) = await desk.reject(bad())

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr("storage.blocks.store.mark_replays", killed)
        with pytest.raises(asyncio.CancelledError):
            await desk.replay(rejection_id, patch=[MEND])
    assert len(await desk.stored()) == 0
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 1
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1


async def test_a_lost_answer_of_the_commit_is_found_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store looks whether its batch was committed, and tells STORED."""
    (rejection_id,) = await desk.reject(bad())
    write = BlockStore._write
    broken: list[bool] = []

    async def lose_the_answer(store: BlockStore, *args: Any, **options: Any) -> list[WriteOutcome]:
        outcomes = await write(store, *args, **options)
        if not broken:
            broken.append(True)
            raise ConnectionResetError
        return outcomes

    monkeypatch.setattr(BlockStore, "_write", lose_the_answer)
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1
    assert len(await desk.stored()) == 1
    assert await desk.counts() == (1, 0, 1)


async def test_while_postgres_is_away_nothing_is_marked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller learns it and may repeat; nothing goes to a spool."""
    monkeypatch.setattr("storage.blocks.store.RETRY_FOR_S", 0)
    (rejection_id,) = await desk.reject(bad())

    async def away(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr(BlockStore, "_write", away)
        with pytest.raises(StorageUnavailableError):
            await desk.replay(rejection_id, patch=[MEND])
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NULL") == 1
    assert (await desk.replay(rejection_id, patch=[MEND])).stored == 1


async def test_a_batch_of_replays_is_refused_when_one_of_them_is_gone(desk: Desk) -> None:
    """Purged or replayed meanwhile: nothing of the batch is written."""
    (kept,) = await desk.reject(bad())
    batch = make_batch([make_row(), make_row()], replays=[kept, make_id()])
    with pytest.raises(ReplayedMeanwhileError):
        await desk.store.store(batch)
    assert len(await desk.stored()) == 0


async def test_what_its_sender_sent_again_is_a_duplicate(desk: Desk) -> None:
    """The client mended and sent it before the operator did: it is stored, and needs no replay any more."""
    own = make_id()
    (rejection_id,) = await desk.reject(bad(event_id=own))
    mended = bad(event_id=own)
    mended.view.content_type = "post"
    row = desk.normalizer.prepare(mended, EARLIER)
    assert await desk.store.store(make_batch([row])) == [WriteOutcome.STORED]
    assert (await desk.replay(rejection_id, patch=[MEND])).duplicates == 1
    assert await desk.count("analytics_rejected_events WHERE replayed_at IS NOT NULL") == 1
    assert await desk.counts() == (1, 1, 1)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["reject", "reject twice", "track", "replay", "replay mended", "replay without id"]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
async def test_whatever_is_rejected_and_replayed_counts_are_conserved(desk: Desk, actions: Any) -> None:
    """The ledger agrees with both tables, and each rejection is stored at most once."""
    for table in ("analytics_blocks", "analytics_rejected_events", "analytics_event_keys", "analytics_ingest_ledger"):
        await desk.sql.execute(f"DELETE FROM {table}")
    own_ids = [make_id() for _ in range(4)]
    mended = [make_row(event_id=own_id) for own_id in own_ids]
    changes = {
        "replay": [],
        "replay mended": [MEND],
        "replay without id": [MEND, FieldPatch(field="eventId", remove=True)],
    }
    replayer = desk.replayer()
    stored, duplicates, rejected = 0, 0, 0
    for action, number in actions:
        if action.startswith("reject"):
            events = [bad(event_id=own_ids[number])] * (2 if "twice" in action else 1)
            await desk.reject(*events)
            rejected += len(events)
        elif action == "track":
            (outcome,) = await desk.store.store(make_batch([mended[number]]))
            stored += outcome is WriteOutcome.STORED
            duplicates += outcome is WriteOutcome.DUPLICATE
            rejected += outcome is WriteOutcome.CONFLICT
        else:
            request = ReplayRejectedEventsRequest(filter=RejectedEventFilter(), patches=changes[action])
            answer = await replayer.replay(request, caller=CALLER, timeout_s=TIMEOUT_S)
            stored, duplicates = stored + answer.stored, duplicates + answer.duplicates
    assert await desk.counts() == (stored, duplicates, rejected)
    assert len(await desk.stored()) == stored
    assert await desk.count("analytics_event_keys") == stored
    assert await desk.count("analytics_rejected_events") == rejected
    done = await desk.sql.fetchval("SELECT count(*) FROM analytics_rejected_events WHERE replay_outcome = 'STORED'")
    assert done <= stored
