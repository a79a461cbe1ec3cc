"""`analytics import` against a stand-in for the service: what is sent, counted, repeated and told."""

import gzip
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import MessageToDict

from cli.import_ import problems, sender
from cli.import_.command import command
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest, TrackBatchResponse
from tests.fake_service import FakeService, error_info, retry_info, serving, status

HEADER = "customer,at,paid\n"
NO_TIME = "not an ISO 8601 date or time, such as 2024-01-31 or 2024-01-31T12:00:00Z"
MAPPING = """
event_type = "purchase"
[event]
timestamp = "{at}"
user_id = "{customer}"
[payload]
product_id = "p"
order_id = "o-{row}"
amount = "{paid}"
currency = "USD"
"""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat without waiting, as tests have no time."""
    monkeypatch.setattr(sender, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(sender, "LONGEST_WAIT_S", 0.002)


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    """Write the mapping file."""
    path = tmp_path / "m.toml"
    path.write_text(MAPPING)
    return str(path)


def csv_file(tmp_path: Path, rows: list[str], name: str = "sales.csv") -> str:
    """Write a CSV file."""
    path = tmp_path / name
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return str(path)


def run(address: str, *arguments: str, stdin: bytes | None = None) -> Result:
    """Run the command and print its counts as JSON."""
    return CliRunner().invoke(command, [*arguments, "--address", address, "--json"], input=stdin)


def counts(result: Result) -> tuple[int, int, int, int, int]:
    """Read received, stored, duplicates, rejected and spooled, which must add up."""
    found = json.loads(result.stdout)
    received, stored, duplicates, rejected, spooled = (
        found[name] for name in ("received", "stored", "duplicates", "rejected", "spooled")
    )
    assert received == stored + duplicates + rejected + spooled
    return received, stored, duplicates, rejected, spooled


def test_every_row_is_its_own_event_and_a_second_run_stores_none(tmp_path: Path, mapping: str) -> None:
    """Rows that are equal in all columns are two events, in every run the same two."""
    file = csv_file(tmp_path, ["a,2024-01-01,1.5", "a,2024-01-01,1.5", "b,2024-01-02,2"])
    with serving(service := FakeService()) as address:
        first = run(address, file, "--mapping", mapping)
        second = run(address, file, "--mapping", mapping)
    assert (first.exit_code, counts(first)) == (0, (3, 3, 0, 0, 0))
    assert (second.exit_code, counts(second)) == (0, (3, 0, 3, 0, 0))
    assert {event.purchase.order_id for event in service.events.values()} == {"o-1", "o-2", "o-3"}
    assert all(message.backfill for message in service.messages)


def test_chunks_and_messages_are_bounded(tmp_path: Path, mapping: str) -> None:
    """A stream carries at most --chunk-size events, a message at most 500."""
    file = csv_file(tmp_path, [f"u{number},2024-01-01,1" for number in range(2600)])
    with serving(service := FakeService()) as address:
        result = run(address, file, "--mapping", mapping, "--chunk-size", "1200")
    assert counts(result) == (2600, 2600, 0, 0, 0)
    assert service.calls == 3
    assert sorted(len(message.events) for message in service.messages) == [200, 200, 200, 500, 500, 500, 500]


def test_messages_are_bounded_in_bytes(tmp_path: Path) -> None:
    """Large events travel in small company, one that is too large not at all."""
    line = json.dumps({"eventType": "view", "data": {"contentId": "x" * 300_000}})
    huge = json.dumps({"eventType": "view", "data": {"list": [0] * 200_000}})
    file = tmp_path / "large.ndjson"
    file.write_text("\n".join([line] * 5 + [huge]))
    with serving(service := FakeService()) as address:
        result = run(address, str(file))
    assert counts(result) == (6, 5, 0, 1, 0)
    assert [len(message.events) for message in service.messages] == [2, 2, 1]
    assert "large.ndjson:6: makes an event of" in result.stderr


def test_json_lines_typed_or_as_data_gzip_or_not_get_ids(tmp_path: Path) -> None:
    """An event with an id keeps it; one without gets the same in every run, also without a timestamp."""
    given = "01890a5d-ac96-774b-bcce-b302099a8057"
    lines = [
        {"eventType": "engagement", "data": {"action": "like", "targetType": "post", "targetId": "1"}},
        {"userId": "u", "timestamp": "2024-01-01T12:00:00Z", "view": {"contentType": "post", "contentId": "1"}},
        {"eventId": given, "view": {"contentType": "post", "contentId": "1"}},
    ]
    content = "\n\n".join(json.dumps(line) for line in lines).encode()
    path = tmp_path / "events.ndjson.gz"
    path.write_bytes(gzip.compress(content))
    with serving(service := FakeService()) as address:
        first = run(address, str(path))
        second = run(address, "-", "--dataset", "events", stdin=content)
    assert counts(first) == (3, 3, 0, 0, 0)
    assert counts(second) == (3, 0, 3, 0, 0)
    assert given in service.events
    assert all(len(event_id) == 36 for event_id in service.events)


def test_the_standard_input_needs_no_name_while_events_have_ids() -> None:
    """What the service sets on reads is not sent, also where a newer one has set what this program cannot read."""
    events = [
        {"eventId": "01890a5d-ac96-774b-bcce-b302099a8057", "receivedAt": "2024-01-01T00:00:00Z"},
        {"eventId": "01890a5d-ac96-774b-bcce-b302099a8058", "timestampSource": "TIMESTAMP_SOURCE_MISSING"},
        {"eventId": "01890a5d-ac96-774b-bcce-b302099a8059", "timestampSource": "NEWER", "received_at": "?"},
    ]
    lines = "\n".join(json.dumps({**event, "eventType": "view", "data": {}}) for event in events)
    with serving(service := FakeService()) as address:
        result = run(address, "-", stdin=lines.encode())
    assert (result.exit_code, counts(result)) == (0, (3, 3, 0, 0, 0))
    assert [event.event_id for event in service.events.values()] == [event["eventId"] for event in events]
    assert not any(event.HasField("received_at") or event.timestamp_source for event in service.events.values())


def test_the_standard_input_without_a_name_is_told_at_the_first_event_without_an_id() -> None:
    """What came before is stored; nothing after it is rejected one by one."""
    given = {"eventId": "01890a5d-ac96-774b-bcce-b302099a8057", "eventType": "view", "data": {}}
    lines = [json.dumps(given), *['{"eventType": "view", "data": {}}'] * 50]
    with serving(service := FakeService()) as address:
        result = run(address, "-", stdin="\n".join(lines).encode())
    assert (result.exit_code, list(service.events)) == (2, [given["eventId"]])
    assert "stdin:2: the event has no eventId" in result.stderr
    assert "--dataset NAME" in result.stderr
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", ["-", "report.json"])
def test_a_document_by_mistake_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    """A report with --json is no file of events, and its lines are not told one by one."""
    content = json.dumps({"info": {}, "events": [{"eventId": "x"}] * 50}, indent=2).encode()
    path = tmp_path / name
    if name != "-":
        path.write_bytes(content)
    with serving(service := FakeService()) as address:
        result = run(address, name if name == "-" else str(path), stdin=content)
    assert (result.exit_code, service.calls) == (2, 0)
    (line,) = result.stderr.splitlines()
    assert "line 1 begins a JSON document" in line


def test_a_reason_is_its_first_line(tmp_path: Path) -> None:
    """An unknown field is told without the list of all others."""
    path = tmp_path / "events.ndjson"
    for line, ending in (
        ('{"userID": "x"}', 'has no field named "userID" at "Event".'),
        ('{"view": {"viewDuration": "' + "word " * 200 + '"}}', "word ..."),
    ):
        path.write_text(line)
        with serving(FakeService()) as address:
            (told,) = run(address, str(path)).stderr.splitlines()
        assert told.endswith(ending)


def test_json_with_a_mapping_does_not_show_its_content(tmp_path: Path, mapping: str) -> None:
    """An event is no header, and does not belong on a terminal."""
    path = tmp_path / "events.ndjson"
    path.write_text('{"userId": "secret"}\n')
    with serving(service := FakeService()) as address:
        result = run(address, str(path), "--mapping", mapping)
    assert (result.exit_code, service.calls) == (2, 0)
    assert "looks like JSON" in result.stderr
    assert "secret" not in result.stderr


def test_bad_records_are_told_and_the_rest_goes_on(tmp_path: Path, mapping: str) -> None:
    """What the service rejects and what never was an event count alike, with line and reason, and the exit is 1."""
    file = csv_file(
        tmp_path, ["a,2024-01-01,1", "bad,2024-01-01,1", "b,2024-01-01,free", "c,2024-01-01", "d,2024-01-01,1"]
    )
    with serving(FakeService()) as address:
        result = run(address, file, "--mapping", mapping)
    assert (result.exit_code, counts(result)) == (1, (5, 2, 0, 3, 0))
    lines = result.stderr.splitlines()
    assert lines[0].endswith("sales.csv:3: INVALID_EVENT user_id: must not be bad")
    assert "sales.csv:4: amount: 'free' cannot be used" in lines[1]
    assert lines[2].endswith("sales.csv:5: has 2 cells where the header has 3")


def test_a_number_that_would_be_rounded_is_rejected(tmp_path: Path) -> None:
    """A text of the same digits, and a number that a double holds, are kept."""
    path = tmp_path / "events.ndjson"
    numbers = ["712345678901234567", "99999999999999999999", '"712345678901234567"', "9007199254740992"]
    path.write_text("\n".join(f'{{"eventType": "view", "data": {{"metadata": {{"n": [{n}]}}}}}}' for n in numbers))
    with serving(service := FakeService()) as address:
        result = run(address, str(path))
    assert counts(result) == (4, 2, 0, 2, 0)
    assert "events.ndjson:1: the whole number 712345678901234567 is too long" in result.stderr
    kept = [MessageToDict(event.data)["metadata"]["n"] for event in service.events.values()]
    assert sorted(kept, key=str) == [["712345678901234567"], [9007199254740992.0]]


def test_bad_json_lines_are_told(tmp_path: Path) -> None:
    """None of these can take the events beside it along."""
    deep = '{"eventType": "view", "data": ' + '{"a": ' * 40 + "1" + "}" * 40 + "}"
    bad = [b"nonsense", b"[1]", b"\xff\xfe", b'{"userID": "x"}', b'{"timestamp": 5}', deep.encode(), b"[" * 100_000]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([*bad, b'{"eventType": "view", "data": {}}']))
    with serving(FakeService()) as address:
        result = run(address, str(path))
    assert (result.exit_code, counts(result)) == (1, (8, 1, 0, 7, 0))
    for number, line in enumerate(result.stderr.splitlines(), start=1):
        assert f"events.ndjson:{number}: is not an event: " in line


@pytest.mark.finding(33)
def test_problems_are_grouped_by_reason_and_field(tmp_path: Path, mapping: str) -> None:
    """The most frequent first, each with how many records have it and the first of them."""
    rows = ["a,2024-01-01,1"] + ["x"] * 70 + ["a,2024-01-01,free"] * 3 + ["a,2024-13-01,1", "bad,2024-01-01,1"] * 2
    file = csv_file(tmp_path, rows)
    with serving(FakeService()) as address:
        result = run(address, file, "--mapping", mapping, "--chunk-size", "7")
    assert counts(result) == (78, 1, 0, 77, 0)
    told = [line.removeprefix(str(tmp_path / "sales.csv")) for line in result.stderr.splitlines()]
    assert told == [
        ":3: has 1 cells where the header has 3 (and 69 more)",
        ":73: amount: 'free' cannot be used: not a number, as in 1234.5 (and 2 more)",
        f":76: timestamp: '2024-13-01' cannot be used: {NO_TIME} (and 1 more)",
        ":77: INVALID_EVENT user_id: must not be bad (and 1 more)",
    ]


def test_a_file_with_a_new_problem_on_each_line_does_not_flood_the_terminal(
    tmp_path: Path, mapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first kinds are shown and kept, the others are counted."""
    monkeypatch.setattr(problems, "MOST_GROUPS", 1)
    monkeypatch.setattr(problems, "MOST_SHOWN", 1)
    with serving(FakeService()) as address:
        result = run(address, csv_file(tmp_path, ["x", "a,b,c", "bad,2024-01-01,1"]), "--mapping", mapping)
    assert len(result.stderr.splitlines()) == 2
    assert "... and 2 records have other problems" in result.stderr


@pytest.mark.parametrize("stored_before", [False, True])
@pytest.mark.parametrize(
    "failure",
    [
        status(grpc.StatusCode.UNAVAILABLE, "storage is away", error_info("STORAGE_UNAVAILABLE"), retry_info(5)),
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much waits", error_info("OVERLOADED"), retry_info(5)),
        status(grpc.StatusCode.DEADLINE_EXCEEDED, "slow"),
        status(grpc.StatusCode.INTERNAL, "RST_STREAM"),
    ],
)
def test_a_chunk_is_sent_again_until_it_is_answered(
    tmp_path: Path,
    mapping: str,
    failure: object,
    stored_before: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A repeat after an answer that got lost counts duplicates, and nothing is stored twice."""
    service = FakeService()
    service.failures = [failure] * 3
    service.store_before_failing = stored_before
    with serving(service) as address:
        result = run(address, csv_file(tmp_path, ["a,2024-01-01,1", "b,2024-01-01,1"]), "--mapping", mapping)
    assert result.exit_code == 0
    assert counts(result) == ((2, 0, 2, 0, 0) if stored_before else (2, 2, 0, 0, 0))
    assert service.calls == 4
    assert len(service.events) == 2


def test_a_long_wait_is_told_once_for_all_streams(
    tmp_path: Path, mapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches learns why nothing moves, in one line and not in one for each stream."""
    monkeypatch.setattr(sender, "TOLD_WAIT_S", 0.0)
    service = FakeService()
    service.failures = [
        status(grpc.StatusCode.UNAVAILABLE, "storage is away", error_info("STORAGE_UNAVAILABLE"), retry_info(0))
    ] * 4
    file = csv_file(tmp_path, [f"u{number},2024-01-01,1" for number in range(40)])
    with serving(service) as address:
        result = run(address, file, "--mapping", mapping, "--chunk-size", "10")
    told = result.stderr.splitlines()
    assert counts(result) == (40, 40, 0, 0, 0)
    assert 1 <= len(told) <= 4
    assert told[0].startswith("storage is away (UNAVAILABLE, STORAGE_UNAVAILABLE); sending again in 0 s")


def test_attempts_end(tmp_path: Path, mapping: str) -> None:
    """A service that stays away ends the import with 3 and says how to go on."""
    service = FakeService()
    service.failures = [
        status(grpc.StatusCode.UNAVAILABLE, "storage is away", error_info("STORAGE_UNAVAILABLE"), retry_info(0))
    ] * 99
    with serving(service) as address:
        result = run(address, csv_file(tmp_path, ["a,2024-01-01,1"]), "--mapping", mapping)
    assert (result.exit_code, result.stdout, service.calls) == (3, "", sender.MOST_ATTEMPTS)
    assert "storage is away (UNAVAILABLE, STORAGE_UNAVAILABLE)" in result.stderr


@pytest.mark.parametrize(
    ("failure", "exit_code"),
    [
        (status(grpc.StatusCode.INVALID_ARGUMENT, "garbage", error_info("MALFORMED")), 2),
        (status(grpc.StatusCode.UNIMPLEMENTED, "no such method"), 1),
        (status(grpc.StatusCode.INTERNAL, "a fault of ours", error_info("INTERNAL")), 1),
        (status(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max"), 3),
    ],
)
def test_what_cannot_get_better_is_not_repeated(tmp_path: Path, mapping: str, failure: object, exit_code: int) -> None:
    """A refusal ends the import at once, after the chunks before it were counted."""
    service = FakeService()
    service.failures = [failure]
    with serving(service) as address:
        result = run(address, csv_file(tmp_path, ["a,2024-01-01,1"]), "--mapping", mapping)
    assert (result.exit_code, service.calls) == (exit_code, 1)


def test_an_unreachable_service_is_told_before_anything_is_read(
    tmp_path: Path, mapping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for all attempts to learn that the address is wrong."""
    monkeypatch.setattr(sender, "CONNECT_TIMEOUT_S", 0.2)
    result = run("127.0.0.1:1", csv_file(tmp_path, ["a,2024-01-01,1"]), "--mapping", mapping)
    assert result.exit_code == 3
    assert "cannot reach the service at 127.0.0.1:1: Connection refused" in result.stderr


def test_damage_ends_the_import_after_what_was_readable(tmp_path: Path) -> None:
    """Everything before the damage is stored, and the message tells how far it came."""
    path = tmp_path / "cut.ndjson.gz"
    lines = b"\n".join(b'{"eventType": "view", "data": {"contentId": "%d"}}' % number for number in range(20_000))
    path.write_bytes(gzip.compress(lines)[:-1000])
    with serving(service := FakeService()) as address:
        result = run(address, str(path), "--chunk-size", "1000")
    assert result.exit_code == 1
    assert f"Ended early, after {len(service.events):,} records." in result.stderr
    assert "cut.ndjson.gz: cannot be read beyond line" in result.stderr
    assert len(service.events) > 1000


def test_several_files_need_datasets_of_their_own(tmp_path: Path, mapping: str) -> None:
    """Equal rows of two files are two events; files that would share ids are refused before anything is sent."""
    files = [csv_file(tmp_path, ["a,2024-01-01,1"], name) for name in ("jan.csv", "feb.csv")]
    with serving(service := FakeService()) as address:
        refused = run(address, *files, "--mapping", mapping, "--dataset", "sales")
        assert (refused.exit_code, service.calls) == (2, 0)
        assert "2 files share the dataset 'sales'" in refused.stderr
        taken = run(address, *files, "--mapping", mapping, "--dataset", "sales-{file}")
    assert counts(taken) == (2, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-", "--mapping", "m.toml"], "standard input has no name"),
        (["none.ndjson"], "none.ndjson: No such file"),
        (["sales.csv"], "a CSV file needs --mapping"),
        (["sales.csv", "--mapping", "none.toml"], "none.toml: No such file"),
        ([], "Missing argument"),
        (["sales.csv", "--chunk-size", "0"], "not in the range"),
    ],
)
def test_mistakes_of_the_command_line_are_told_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    """Nothing is sent, and the exit is 2."""
    csv_file(tmp_path, ["a,2024-01-01,1"])
    (tmp_path / "m.toml").write_text(MAPPING)
    monkeypatch.chdir(tmp_path)
    with serving(service := FakeService()) as address:
        result = run(address, *arguments)
    assert (result.exit_code, service.calls) == (2, 0)
    assert told in result.stderr


def test_counts_are_a_table_for_people(tmp_path: Path, mapping: str) -> None:
    """Without --json the counts are readable."""
    with serving(FakeService()) as address:
        file = csv_file(tmp_path, ["a,2024-01-01,1"] * 1200)
        result = CliRunner().invoke(command, [file, "--mapping", mapping, "--address", address])
    assert result.exit_code == 0
    head, row = result.stdout.split("\n")[1:3]
    assert head.split() == ["Received", "Stored", "Duplicates", "Rejected", "Spooled", "Seconds", "Events/s"]
    assert row.split()[:5] == ["1,200", "1,200", "0", "0", "0"]


class HeldService(FakeService):
    """A service that takes a stream and does not answer before the test ends."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self.called, self.released = threading.Event(), threading.Event()

    def TrackBatch(self, requests: Iterable[TrackBatchRequest], context: Any) -> TrackBatchResponse:  # noqa: N802 - gRPC
        """Answer the first stream, hold the others."""
        answer = super().TrackBatch(requests, context)
        if self.calls > 1:
            self.called.set()
            self.released.wait(60)
        return answer


def test_an_interrupt_ends_at_once_and_says_how_to_go_on(tmp_path: Path, mapping: str) -> None:
    """Ctrl-C does not wait for streams that are under way."""
    file = csv_file(tmp_path, [f"u{number},2024-01-01,1" for number in range(2000)])
    with serving(service := HeldService()) as address:
        arguments = ["import", file, "--mapping", mapping, "--chunk-size", "100", "--address", address]
        process = subprocess.Popen([sys.executable, "-m", "cli", *arguments], stderr=subprocess.PIPE, text=True)
        assert service.called.wait(60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=10)
        service.released.set()
    assert process.returncode == 130
    assert "Interrupted after" in told
    assert "Run the same command again" in told


def test_waits_double_and_follow_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """They grow from a quarter second to five, and are never shorter than the service asks."""
    monkeypatch.setattr(sender, "FIRST_WAIT_S", 0.25)
    monkeypatch.setattr(sender, "LONGEST_WAIT_S", 5.0)
    waits = [sender.wait_before_retry_s(attempt, None) for attempt in range(1, 8)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert sender.wait_before_retry_s(1, 3.0) == 3.0
    assert sender.wait_before_retry_s(1, 300.0) == 5.0
