"""`analytics export` against a stand-in for the service."""

import csv
import json
import sys
from pathlib import Path

import grpc
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from cli.export import command as export
from cli.import_ import command as import_events
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.event_pb2 import Device, Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from tests.fake_service import FakeService, serving, status


def run(address: str, *arguments: str) -> Result:
    """Run `analytics export`."""
    return CliRunner().invoke(export.command, [*arguments, "--address", address])


def service_with_purchases(count: int) -> FakeService:
    """Make a service that holds purchases, a second apart."""
    service = FakeService()
    for number in range(count):
        event = Event(event_id=f"id-{number}", event_type="purchase", user_id='ann, "the buyer"', sequence=number)
        event.purchase.CopyFrom(
            PurchaseEvent(
                product_id="p", order_id="o\n1", amount=29.99, currency="EUR", conversion_path=["feed", "a,b"]
            )
        )
        event.purchase.metadata.update({"source": "ad", "n": 1})
        event.device.CopyFrom(Device(os="iOS"))
        event.timestamp.FromMicroseconds(1_700_000_000_000_001 + number * 1_000_000)
        service.events[event.event_id] = event
    return service


def test_ndjson_can_be_imported_again(tmp_path: Path) -> None:
    """All pages are there, and every event is recognised."""
    path = tmp_path / "events.ndjson"
    with serving(service_with_purchases(2500)) as address:
        result = run(address, "--out", str(path))
        again = CliRunner().invoke(import_events.command, [str(path), "--address", address, "--json"])
    assert (result.exit_code, result.stderr) == (0, f"2,500 events in {path}\n")
    assert json.loads(again.stdout)["duplicates"] == 2500
    assert [entry.name for entry in tmp_path.iterdir()] == ["events.ndjson"]


def test_csv_has_a_column_for_each_field(tmp_path: Path) -> None:
    """Quotes, commas and line breaks come back; objects and lists are JSON; what is missing is empty."""
    path = tmp_path / "events.csv"
    with serving(service_with_purchases(3)) as address:
        assert run(address, "--out", str(path)).exit_code == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["eventId"] for row in rows] == ["id-2", "id-1", "id-0"]
    assert rows[0]["userId"] == 'ann, "the buyer"'
    assert (rows[0]["orderId"], rows[0]["amount"], rows[0]["device.os"], rows[0]["contentId"]) == (
        *("o\n1", "29.99", "iOS"),
        "",
    )
    assert json.loads(rows[0]["conversionPath"]) == ["feed", "a,b"]
    assert json.loads(rows[0]["metadata"]) == {"source": "ad", "n": 1}
    assert rows[0]["timestamp"] == "2023-11-14T22:13:22.000001Z"


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    """Times, numbers and lists are what they are, over more than one page."""
    path = tmp_path / "events.parquet"
    with serving(service_with_purchases(2500)) as address:
        assert run(address, "--out", str(path)).exit_code == 0
    table = pyarrow.parquet.read_table(path)
    first = table.slice(0, 1).to_pylist()[0]
    assert (table.num_rows, first["sequence"], first["amount"]) == (2500, 2499, 29.99)
    assert first["conversionPath"] == ["feed", "a,b"]
    assert json.loads(first["metadata"]) == {"source": "ad", "n": 1}
    assert first["timestamp"].isoformat() == "2023-11-14T22:54:59.000001+00:00"


def test_stdout_takes_what_is_a_stream(tmp_path: Path) -> None:
    """`--out -` prints lines; Parquet and names that tell no format are refused before anything is asked."""
    with serving(service_with_purchases(3)) as address:
        result = run(address, "--out", "-", "--format", "ndjson")
        assert len(result.stdout.splitlines()) == 3
        assert run(address, "--out", "-", "--format", "parquet").exit_code == 2
        unknown = run(address, "--out", str(tmp_path / "events.xlsx"))
    assert unknown.exit_code == 2
    assert "choose a format with --format" in unknown.stderr


def test_filters_and_range_reach_the_service(tmp_path: Path) -> None:
    """They are those of the event list; without a range all there is is asked for."""
    with serving(service := service_with_purchases(1)) as address:
        run(address, "--out", str(tmp_path / "a.csv"), "--type", "view", "--filter", ":platform=web", "--user", "ann")
        run(address, "--out", str(tmp_path / "b.csv"), "--timeframe", "7d")
    first, second = service.questions
    assert isinstance(first, ListEventsRequest)
    assert isinstance(second, ListEventsRequest)
    assert (first.event_type, first.filter, first.user_id, first.start_time.seconds) == (
        *("view", ":platform=web", "ann"),
        0,
    )
    assert first.HasField("start_time")
    assert (second.timeframe, second.HasField("start_time")) == ("7d", False)


@pytest.mark.parametrize("name", ["events.ndjson", "events.csv", "events.parquet"])
def test_a_failure_leaves_no_half_file(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before stays as it was, and no other file is left."""
    path = tmp_path / name
    path.write_text("before")
    service = service_with_purchases(2500)
    real, asked = service.ListEvents, []

    def fail_later(request: ListEventsRequest, context: grpc.ServicerContext) -> object:
        asked.append(request)
        if len(asked) == 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return real(request, context)

    monkeypatch.setattr(service, "ListEvents", fail_later)
    with serving(service) as address:
        result = run(address, "--out", str(path))
    assert result.exit_code == 3
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In a sentence, not a traceback."""
    with serving(service_with_purchases(1)) as address:
        result = run(address, "--out", str(tmp_path / "nowhere" / "events.csv"))
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert "No such file or directory" in result.stderr


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service itself does not need it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("127.0.0.1:1", "--out", str(tmp_path / "events.parquet"))
    assert result.exit_code == 2
    assert "pip install 'sociallive-analytics[export]'" in result.stderr


def test_the_services_refusal_is_told(tmp_path: Path) -> None:
    """With its own words and exit code."""
    service = FakeService()
    service.failures = [status(grpc.StatusCode.INVALID_ARGUMENT, "the question is wrong")]
    with serving(service) as address:
        result = run(address, "--out", str(tmp_path / "events.csv"), "--filter", "nonsense")
    assert result.exit_code == 2
    assert "the question is wrong" in result.stderr
