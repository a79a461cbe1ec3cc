"""`analytics report` and `analytics health` against a stand-in for the service."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from cli.import_ import command as import_events
from cli.operate import health, version
from cli.report import group as report
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest, Precision
from sociallive.analytics.v1.event_pb2 import Event
from tests.fake_service import FakeService, error_info, retry_info, serving, status


def run(address: str, *arguments: str) -> Result:
    """Run `analytics report`."""
    return CliRunner().invoke(report.command, [*arguments, "--address", address])


def service_with_dashboard() -> FakeService:
    """Make a service whose dashboard has something of everything."""
    service = FakeService()
    answer = service.dashboard
    answer.events, answer.users, answer.new_users, answer.sessions = 69659, 23570, 23570, 4
    answer.mean_view_duration = 45.25
    answer.info.definition = "What happened."
    answer.info.time_zone = "UTC"
    answer.info.start_time.FromDatetime(datetime(1997, 1, 1, tzinfo=UTC))
    answer.info.end_time.FromDatetime(datetime(1998, 7, 1, tzinfo=UTC))
    answer.totals.add(event_type="purchase", count=69659, previous_count=60000)
    answer.revenue.add(currency="USD", amount="2500315.63", orders=69659)
    answer.top_content.add(content_type="post", content_id="[bold]post\x1b[31m", views=12)
    answer.orders, answer.previous.orders, answer.median_view_duration = 69659, 60000, 12.5
    answer.streams.live_streams, answer.streams.peak_viewers, answer.streams.watch_duration = 3, 1200, 7500
    answer.platforms.add(platform="ios", events=60000)
    path = answer.conversion_paths.add(steps=["feed", "shop"], orders=40)
    path.revenue.add(currency="USD", amount="1234.5", orders=40)
    for day in range(3):
        point = answer.series.add(event_type="purchase", count=day * 100, complete=day != 2)
        point.time.FromDatetime(datetime(1997, 1, 1, tzinfo=UTC) + timedelta(days=day))
    return service


def test_dashboard_is_plain_in_a_pipe() -> None:
    """Every part is there, without escapes, with stored text as it is."""
    with serving(service_with_dashboard()) as address:
        result = run(address, "dashboard", "--from", "1997-01-01", "--to", "1998-07-01")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    for part in (
        *("69,659", "23,570", "45.2 s", "12.5 s", "+16.1%", "2,500,315.63", "[bold]post", " ▄█", "What happened."),
        *("1,200", "2 h 05 min", "feed > shop", "1,234.50 USD", "86.1%"),
    ):
        assert part in result.stdout
    assert "a mark is one day; incomplete: 1 of 3 days" in result.stdout


def test_estimates_are_marked_and_explained() -> None:
    """Each estimate has a mark, its error stands below, and so does what could not be counted."""
    service = service_with_dashboard()
    service.dashboard.estimates.add(figure="users", standard_error=0.008125)
    service.dashboard.estimates.add(figure="median_view_duration", largest_error=0.01)
    service.dashboard.estimates.add(figure="top_content", largest_count=1200)
    gone = service.dashboard.missing_ranges.add()
    gone.start_time.FromDatetime(datetime(1997, 1, 1, tzinfo=UTC))
    gone.end_time.FromDatetime(datetime(1997, 1, 1, 5, 30, tzinfo=UTC))
    with serving(service) as address:
        lines = run(address, "dashboard", "--precision", "estimated").stdout
    for part in (
        *("~23,570", "~12.5 s", "~12", "Not counted", "1997-01-01 00:00 to 1997-01-01 05:30."),
        "~ is an estimate: users ±1.6% (19 of 20), median view ±1.0%, top content +1,200 at most.",
    ):
        assert part in " ".join(lines.split()), part
    assert service.questions == [GetDashboardRequest(precision=Precision.PRECISION_ESTIMATED)]


def test_dashboard_as_json_is_one_document() -> None:
    """It is the answer's protobuf JSON and nothing else, zeros included."""
    with serving(service := service_with_dashboard()) as address:
        result = run(address, "dashboard", "--json", "--timeframe", "7d", "--time-zone", "Asia/Kolkata")
    found = json.loads(result.stdout)
    assert (found["events"], found["revenue"][0]["amount"]) == ("69659", "2500315.63")
    assert found["series"][0]["count"] == "0"
    assert service.questions == [GetDashboardRequest(timeframe="7d", time_zone="Asia/Kolkata")]


def test_dashboard_as_csv_is_its_series() -> None:
    """A heading, then a period and type a line; two formats at once are refused."""
    with serving(service_with_dashboard()) as address:
        result = run(address, "dashboard", "--csv")
        both = run(address, "dashboard", "--csv", "--json")
    assert result.stdout.splitlines() == [
        "time,event_type,count,complete",
        "1997-01-01T00:00:00Z,purchase,0,true",
        "1997-01-02T00:00:00Z,purchase,100,true",
        "1997-01-03T00:00:00Z,purchase,200,false",
    ]
    assert both.exit_code == 2


def test_dashboard_is_drawn_beside_what_is_printed(tmp_path: Path) -> None:
    """--png writes a picture, also of nothing, and the terminal shows what it shows without."""
    path = tmp_path / "dashboard.png"
    with serving(service_with_dashboard()) as address:
        result = run(address, "dashboard", "--png", str(path))
        assert result.stdout == run(address, "dashboard").stdout
    with serving(FakeService()) as address:
        assert run(address, "dashboard", "--png", str(tmp_path / "empty.png")).exit_code == 0
    for picture in (path, tmp_path / "empty.png"):
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is not there, and matplotlib that is not installed."""
    with serving(service_with_dashboard()) as address:
        nowhere = run(address, "dashboard", "--png", str(tmp_path / "nowhere" / "a.png"))
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        missing = run(address, "dashboard", "--png", str(tmp_path / "a.png"))
    assert (nowhere.exit_code, missing.exit_code) == (1, 2)
    assert "No such file or directory" in nowhere.stderr
    assert "pip install 'sociallive-analytics[png]'" in missing.stderr


def test_json_through_a_real_pipe() -> None:
    """The program itself writes valid JSON to a pipe."""
    with serving(service_with_dashboard()) as address:
        command = [sys.executable, "-m", "cli", "report", "dashboard", "--json", "--address", address]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["users"] == "23570"
    assert done.stderr == b""


def store_views(service: FakeService, count: int) -> None:
    """Store views, a second apart."""
    for number in range(count):
        event = Event(event_id=f"id-{number}", event_type="view", user_id="ann")
        event.view.content_id = f"c-{number}"
        event.timestamp.FromSeconds(1_700_000_000 + number)
        service.events[event.event_id] = event


def test_events_are_fetched_page_by_page() -> None:
    """--limit is reached over as many pages as it takes; the token tells where the next would start."""
    with serving(service := FakeService()) as address:
        store_views(service, 2500)
        result = run(address, "events", "--limit", "2400", "--type", "view", "--user", "ann", "--json")
    found = json.loads(result.stdout)
    assert [question.page_size for question in service.questions] == [1000, 1000, 400]  # type: ignore[attr-defined]
    assert {question.user_id for question in service.questions} == {"ann"}  # type: ignore[attr-defined]
    assert len({event["eventId"] for event in found["events"]}) == 2400
    assert found["nextPageToken"] == "2400"


def test_events_are_one_line_each() -> None:
    """The newest come first, and a longer list is told."""
    with serving(service := FakeService()) as address:
        store_views(service, 30)
        result = run(address, "events", "--limit", "2", "--time-zone", "Europe/Berlin")
        empty = FakeService()
        with serving(empty) as other:
            nothing = run(other, "events")
    lines = result.stdout.splitlines()
    assert "2023-11-14 23:13:49  view  ann   -        contentId=c-29" in lines
    assert lines[-1] == "These are the newest 2; --limit shows more."
    assert "No events." in nothing.stdout


def test_events_as_lines_are_all_there_are_and_can_be_imported_again() -> None:
    """--ndjson has no limit but its own, and `import -` takes what it prints."""
    with serving(service := FakeService()) as address:
        store_views(service, 2500)
        result = run(address, "events", "--ndjson")
        few = run(address, "events", "--ndjson", "--limit", "3")
        again = CliRunner().invoke(import_events.command, ["-", "--address", address, "--json"], input=result.stdout)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len({line["eventId"] for line in lines}) == 2500
    assert len(few.stdout.splitlines()) == 3
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["duplicates"] == 2500


def test_events_are_either_lines_or_a_document() -> None:
    """Both at once is a mistake of the command line."""
    result = run("127.0.0.1:1", "events", "--ndjson", "--json")
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


def test_the_meaning_stands_below_the_numbers() -> None:
    """The reader of a report sees its figures first."""
    with serving(service_with_dashboard()) as address:
        lines = run(address, "dashboard").stdout.splitlines()
    assert lines[0].startswith("Dashboard  1997-01-01 00:00 to 1998-07-01 00:00 UTC")
    assert lines[-1] == "What happened."


def violation(field: str, description: str) -> error_details_pb2.BadRequest:
    """Make the BadRequest of one violation."""
    found = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    return error_details_pb2.BadRequest(field_violations=[found])


@pytest.mark.parametrize(
    ("failure", "exit_code", "told"),
    [
        (
            status(
                grpc.StatusCode.INVALID_ARGUMENT,
                "the question is wrong",
                error_info("INVALID_REQUEST"),
                violation("timeframe", "must be a number and a unit"),
            ),
            2,
            [
                "analytics: the question is wrong (INVALID_ARGUMENT, INVALID_REQUEST)",
                "  timeframe: must be a number and a unit",
            ],
        ),
        (
            status(grpc.StatusCode.UNAVAILABLE, "storage is away", error_info("STORAGE_UNAVAILABLE"), retry_info(1500)),
            3,
            ["analytics: storage is away (UNAVAILABLE, STORAGE_UNAVAILABLE)", "  Try again in 1.5 s."],
        ),
        (status(grpc.StatusCode.INTERNAL, "a fault of ours"), 1, ["analytics: a fault of ours (INTERNAL)"]),
    ],
)
def test_errors_are_told_in_the_services_words(failure: object, exit_code: int, told: list[str]) -> None:
    """Message, reason, violations and the wait go to stderr; the exit code tells whose fault it is."""
    service = FakeService()
    service.failures = [failure]
    with serving(service) as address:
        result = run(address, "dashboard", "--json")
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.splitlines() == told


def test_an_unreachable_service_is_told() -> None:
    """The message says where it was looked for."""
    result = run("127.0.0.1:1", "dashboard")
    assert result.exit_code == 3
    assert "cannot reach the service at 127.0.0.1:1: Connection refused" in result.stderr


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", ":50051", "127.0.0.1:99999", "127.0.0.1:x"])
def test_an_address_is_host_and_port(address: str) -> None:
    """Anything else is a mistake of the command line."""
    result = run(address, "dashboard")
    assert result.exit_code == 2
    assert "must be HOST:PORT" in result.stderr


def test_the_default_address_is_where_the_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Host and port tell server and client alike; ANALYTICS_ADDRESS goes before them."""
    monkeypatch.delenv("ANALYTICS_ADDRESS", raising=False)
    monkeypatch.setenv("GRPC_PORT", "1")
    for host, told in (
        ("", "127.0.0.1:1:"),
        ("0.0.0.0", "127.0.0.1:1:"),  # noqa: S104 - only called
        ("::", "[::1]:1:"),
        ("127.0.0.9", "127.0.0.9:1:"),
    ):
        monkeypatch.setenv("ANALYTICS_HOST", host)
        assert told in CliRunner().invoke(health.command, []).stderr
    monkeypatch.setenv("GRPC_PORT", "0")
    assert CliRunner().invoke(health.command, []).exit_code == 2
    with serving(FakeService()) as address:
        monkeypatch.setenv("ANALYTICS_ADDRESS", address)
        assert CliRunner().invoke(health.command, []).exit_code == 0


@pytest.mark.parametrize(
    ("health_status", "service", "exit_code", "told"),
    [
        (health_pb2.HealthCheckResponse.SERVING, "", 0, "SERVING"),
        (health_pb2.HealthCheckResponse.NOT_SERVING, "", 1, "NOT_SERVING"),
        (health_pb2.HealthCheckResponse.SERVING, "no.such.Service", 1, "SERVICE_UNKNOWN"),
    ],
)
def test_health_tells_by_word_and_exit_code(health_status: int, service: str, exit_code: int, told: str) -> None:
    """Only a service that serves ends with 0."""
    with serving(FakeService(), health_status) as address:
        result = CliRunner().invoke(health.command, ["--address", address, "--service", service, "--json"])
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (exit_code, told)


def test_version_names_what_matters() -> None:
    """The versions are those of what is installed."""
    result = CliRunner().invoke(version.command, ["--json"])
    assert set(json.loads(result.stdout)) == {"analytics", "grpc", "protobuf", "python"}
    assert "python" in CliRunner().invoke(version.command, []).stdout
