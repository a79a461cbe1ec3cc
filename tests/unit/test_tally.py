"""The tally: counts are unbounded, and the per-event details of an answer stay within the size that clients accept."""

import pytest

from events.normalize import Rejected
from events.violations import TOO_MANY_VIOLATIONS, Violation
from server.ingest.intake import MAX_EVENTS_PER_MESSAGE
from server.ingest.tally import MAX_ASSIGNED_IDS, MAX_REJECTION_BYTES, Tally, fitting
from server.rpc.analytics_service import _write_counts
from sociallive.analytics.v1.track_pb2 import TrackBatchResponse, TrackEventsResponse

CLIENTS_TAKE_BYTES = 4 * 1024 * 1024
"""The default of gRPC for an answer."""
EVENT_ID = "0190a5d0-0000-7000-8000-00000000000a"


def rejected(count: int, *, length: int = 40) -> Rejected:
    """Make a rejection with so many violations."""
    return Rejected("", "INVALID_EVENT", tuple(Violation(f"data.f{n}", "TYPE", "x" * length) for n in range(count)))


@pytest.mark.thorough
@pytest.mark.finding(15)
@pytest.mark.parametrize("violations", [1, 4, 32])
def test_every_rejection_of_the_largest_message_is_told(violations: int) -> None:
    """However much is wrong with each event, the answer stays below what a client takes."""
    tally = Tally()
    share = MAX_REJECTION_BYTES // MAX_EVENTS_PER_MESSAGE
    for index in range(MAX_EVENTS_PER_MESSAGE):
        tally.reject(index, EVENT_ID, rejected(violations, length=300), most_bytes=share)
    assert [each.index for each in tally.rejections] == list(range(MAX_EVENTS_PER_MESSAGE))
    assert all(each.violations[0].field == "data.f0" for each in tally.rejections)
    assert _write_counts(tally, TrackEventsResponse()).ByteSize() < CLIENTS_TAKE_BYTES


def test_a_stream_counts_on_where_its_answer_is_full() -> None:
    """Some 15,000 rejections and 16,000 ids are told; the counts are exact."""
    tally = Tally()
    for index in range(100_000):
        tally.reject(index, EVENT_ID, rejected(1), most_bytes=MAX_REJECTION_BYTES)
        tally.assign(index, EVENT_ID)
    assert tally.rejected == 100_000
    assert 15_000 <= len(tally.rejections) < 100_000
    assert [each.index for each in tally.rejections] == list(range(len(tally.rejections)))
    assert len(tally.assigned_ids) == MAX_ASSIGNED_IDS
    assert _write_counts(tally, TrackBatchResponse()).ByteSize() < CLIENTS_TAKE_BYTES


def test_violations_that_do_not_fit_are_cut_with_a_word() -> None:
    """Those that fit come first, and the last one says that there are more."""
    violations = rejected(10).violations
    assert fitting(violations, 10_000)[0] == violations
    kept, size_bytes = fitting(violations, 300)
    assert kept[:-1] == list(violations[: len(kept) - 1])
    assert len(kept) > 1
    assert kept[-1].rule == TOO_MANY_VIOLATIONS
    assert size_bytes <= 300
