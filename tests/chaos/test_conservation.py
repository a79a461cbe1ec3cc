"""The count finds what it is there to find: a chaos run that cannot fail would prove nothing."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.conservation import Truth, judge_answers, judge_report, judge_stats, judge_storage
from tests.chaos.journal import (
    STREAM_LANE,
    Account,
    Counts,
    Entry,
    Failure,
    JournalWriter,
    Sending,
    Source,
    add_up,
    event_id,
    make_event,
)

SEED, LANE = "seed", "unary-0"
STORED = Counts(stored=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
IDS = [event_id(SEED, LANE, number) for number in range(3)]


def entries(
    number: int, answer: Counts | Failure, *, attempt: int = 1, lane: str = LANE, count: int = 1
) -> list[Entry]:
    """Make the two lines of a call: sent, and what came of it."""
    sending = Sending(lane, number, count, attempt)
    if isinstance(answer, Failure):
        return [Entry(0.0, sending), Entry(0.0, sending, failure=answer)]
    return [Entry(0.0, sending), Entry(0.0, sending, counts=answer)]


def account_of(folder: Path, *lines: Entry) -> Account:
    """Append to the journal and add it up."""
    writer = JournalWriter(folder / "journal")
    for line in lines:
        writer._write(line)
    writer.close()
    return add_up([Source(SEED, folder / "journal")])


def all_is_well(folder: Path) -> tuple[Account, Truth]:
    """Make a journal of three events that were stored, and what the database should hold then."""
    lines = [line for number in range(3) for line in entries(number, STORED)]
    truth = Truth(Counter(IDS), set(IDS), Counter({NOON: 3}), {NOON: Counter(stored=3)})
    return account_of(folder, *lines), truth


def test_finds_nothing_where_all_is_well(tmp_path: Path) -> None:
    """What was told agrees with what is stored."""
    account, truth = all_is_well(tmp_path)
    verdict = judge_storage(account, truth)
    assert (verdict.lost, verdict.twice, verdict.problems) == (set(), set(), [])


def test_finds_a_lost_event(tmp_path: Path) -> None:
    """An acknowledged event that is not in the table, although its id is in the ledger."""
    account, truth = all_is_well(tmp_path)
    del truth.copies[IDS[1]]
    verdict = judge_storage(account, truth)
    assert verdict.lost == {IDS[1]}
    assert any("not stored" in problem for problem in verdict.problems)
    assert any("without an event" in problem for problem in verdict.problems)


def test_finds_an_event_stored_twice(tmp_path: Path) -> None:
    """Two rows of one id."""
    account, truth = all_is_well(tmp_path)
    truth.copies[IDS[1]] += 1
    assert judge_storage(account, truth).twice == {IDS[1]}


def test_finds_an_event_that_nobody_sent(tmp_path: Path) -> None:
    """A row whose id is no valid event's."""
    account, truth = all_is_well(tmp_path)
    truth.copies[event_id(SEED, LANE, 99)] = 1
    assert any("were not sent" in problem for problem in judge_storage(account, truth).problems)


def test_finds_sums_that_disagree(tmp_path: Path) -> None:
    """One event more than the conservation ledger has."""
    account, truth = all_is_well(tmp_path)
    truth.received[NOON] += 1
    assert judge_storage(account, truth).problems


def test_finds_answers_that_the_ledger_has_not_received(tmp_path: Path) -> None:
    """A fourth answer was given, and the ledger knows of three events."""
    _, truth = all_is_well(tmp_path)
    account = account_of(tmp_path, *entries(0, Counts(duplicates=1), attempt=2))
    assert any("events received" in problem for problem in judge_storage(account, truth).problems)


def test_finds_an_event_called_stored_twice(tmp_path: Path) -> None:
    """Two answers STORED for one id."""
    account = account_of(tmp_path, *entries(0, STORED), *entries(0, STORED, attempt=2))
    assert account.stored_twice_told == {IDS[0]}
    assert any("called STORED twice" in problem for problem in judge_answers(account))


def test_finds_a_false_duplicate(tmp_path: Path) -> None:
    """DUPLICATE for an event that was never sent before is a wrong answer, unless clients resend on purpose."""
    account = account_of(tmp_path, *entries(0, Counts(duplicates=1)))
    assert any("at their first sending" in problem for problem in judge_answers(account))
    assert judge_answers(add_up([Source(SEED, tmp_path / "journal", resends=True)])) == []


def test_finds_failures_that_mislead_a_client(tmp_path: Path) -> None:
    """A code that is not worth a retry, and a refusal by the server that does not say when to come back."""
    account = account_of(
        tmp_path,
        *entries(0, Failure("INTERNAL", "INTERNAL")),
        *entries(0, Failure("UNAVAILABLE", "SPOOL_FULL", 1.0), attempt=2),
        *entries(0, Failure("UNAVAILABLE"), attempt=3),  # the transport's own
    )
    assert set(account.unhelpful) == {"INTERNAL INTERNAL"}
    problems = judge_answers(account)
    assert any("not to try again" in problem for problem in problems)


def test_finds_answers_that_do_not_add_up(tmp_path: Path) -> None:
    """A stream's answer accounts for each event, and rejects those that break a rule."""
    lane = f"{STREAM_LANE}-0"
    assert account_of(tmp_path, *entries(0, Counts(98, 0, 2), lane=lane, count=100)).miscounted == []
    account = account_of(tmp_path, *entries(100, Counts(97, 0, 2), lane=lane, count=100))
    assert [entry.sending.first for entry in account.miscounted] == [100]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """The client was killed while it wrote."""
    account_of(tmp_path, *entries(0, STORED))
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"at":1.0,"sen')
    assert add_up([Source(SEED, tmp_path / "journal")]).acknowledged == {IDS[0]}


def test_events_of_a_number_are_the_same_every_time() -> None:
    """A client that starts again sends the same bytes."""
    for number in range(12):
        first, again = (make_event(SEED, LANE, number, 1_700_000_000_000) for _ in range(2))
        assert first.SerializeToString(deterministic=True) == again.SerializeToString(deterministic=True)
        assert first.event_id == event_id(SEED, LANE, number)


def test_a_report_has_to_count_what_is_stored(tmp_path: Path) -> None:
    """Neither more nor fewer, and it has to answer."""
    _, truth = all_is_well(tmp_path)
    assert judge_report(3, truth) == []
    assert all(judge_report(events, truth) for events in (2, 4, -1))


def test_hours_have_to_add_up() -> None:
    """What was received was stored, duplicate, rejected, spooled or set aside, in each hour and in the database."""
    hour = {"received": 3, "stored": 3, "duplicates": 0, "rejected": 0, "spooled": 0, "set_aside": 0}
    truth = Truth(ledger={NOON: Counter(stored=3)})
    assert judge_stats([hour], truth) == []
    assert len(judge_stats([{**hour, "received": 4}], truth)) == 1
    assert len(judge_stats([{**hour, "received": 4, "spooled": 1}], truth)) == 1
