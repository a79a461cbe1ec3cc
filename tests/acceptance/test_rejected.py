"""Rejected events, as an operator meets them: sent, listed, shown, mended, replayed, counted and purged."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from sociallive.analytics.v1.admin_service_pb2 import (
    GetRejectedEventRequest,
    RejectedEventFilter,
    ReplayRejectedEventsRequest,
)
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, eventually, fails_with
from tests.acceptance.samples import reason, retry_delay_s


@pytest.fixture
def own_service(made_data_dir: Path) -> Iterator[Service]:
    """A service of the test's own, whose quarantine and counts are empty."""
    with Service(made_data_dir) as running:
        yield running


def analytics(service: Service, *arguments: str, exit_code: int = 0, typed: str | None = None) -> str:
    """Run the command line beside the service, check its exit code and return what it printed."""
    environment = {
        **os.environ,
        "ANALYTICS_DATA_DIR": str(service.data_dir),
        "GRPC_PORT": str(service.port),
        "ANALYTICS_ADMIN_PORT": str(service.admin_port),
        "ANALYTICS_LOG_LEVEL": "warning",
    }
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + done.stderr


def as_json(service: Service, *arguments: str, exit_code: int = 0) -> Any:
    """Run a command with --json."""
    return json.loads(analytics(service, *arguments, "--json", exit_code=exit_code))


def reject(service: Service, *events: Event) -> None:
    """Send events that are rejected."""
    answer = service.stub.TrackEvents(TrackEventsRequest(events=events), timeout=10)
    assert answer.rejected == len(events)


@pytest.mark.slow
def test_the_life_of_rejected_events(own_service: Service) -> None:
    """Two of three are mended by one patch; they are in the event list and the counts, and none is stored twice."""
    own = str(uuid.uuid4())
    reject(
        own_service,
        Event(event_id=own, user_id="user-1", view=ViewEvent(content_id="post-1")),
        Event(user_id="user-2", view=ViewEvent(content_id="post-2")),
        Event(user_id="user-3", event_type="nonsense"),
    )
    listed = as_json(own_service, "rejected", "list")
    assert listed["counts"] == [{"reason": "INVALID_EVENT", "events": "3", "replayable": "3"}]
    assert "content_type" not in analytics(own_service, "rejected", "list", "--type", "nonsense")
    first = next(each for each in listed["rejectedEvents"] if each["eventId"] == own)
    shown = analytics(own_service, "rejected", "show", first["rejectionId"])
    assert "view.content_type" in shown
    assert '"userId": "user-1"' in shown

    patch = ("rejected", "replay", "--reason", "INVALID_EVENT", "--set", "data.contentType=post")
    dry = analytics(own_service, *patch, "--dry-run", exit_code=1)
    assert "Dry run: 2 stored, 0 stored before, 1 failed again." in dry
    assert own_service.count_events() == 0
    assert "2 stored, 0 stored before, 1 failed again." in analytics(own_service, *patch, exit_code=1)
    again = as_json(own_service, "rejected", "replay", first["rejectionId"])
    assert (again["stored"], again["duplicates"], again["results"][0]["eventId"]) == ("0", "1", own)

    events = as_json(own_service, "report", "events")["events"]
    assert {event["userId"] for event in events} == {"user-1", "user-2"}
    assert {event["view"]["contentType"] for event in events} == {"post"}
    total = as_json(own_service, "ingest", "stats")["total"]
    assert total == {"received": 5, "stored": 2, "duplicates": 0, "rejected": 3, "spooled": 0, "set_aside": 0}
    assert "user-1" not in own_service.output()

    asked = analytics(own_service, "rejected", "purge", "--all", exit_code=1, typed="n\n")
    assert "Delete 3 rows" in asked
    assert re.search(r"INVALID_EVENT +3", asked)
    assert "2 rows (2 events" in analytics(own_service, "rejected", "purge", "--replayed", "yes", "--yes")
    assert as_json(own_service, "rejected", "list")["rejectedEvents"][0]["eventType"] == "nonsense"
    entries = [json.loads(line) for line in analytics(own_service, "audit", "--json").splitlines()]
    ours = [entry for entry in entries if entry["action"].startswith("rejected ")]
    assert [(entry["action"], entry["rows"]) for entry in ours] == [
        ("rejected purge", 2),
        ("rejected replay", 0),
        ("rejected replay", 2),
    ]
    assert {entry["actor"].rpartition(":")[0] for entry in ours} == {"127.0.0.1"}
    assert ours[0]["details"]["arguments"] == {"filter": {"replay_state": "REPLAY_STATE_REPLAYED"}}
    assert "rejected purge" in analytics(own_service, "audit")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (("replay",), 2, "choose the events"),
        (("replay", "--reason", "X", "--set", "nothing"), 2, "FIELD=VALUE"),
        (("replay", "--reason", "X", "--set", "userld=x"), 2, "did you mean userId?"),
        (("replay", "--reason", "X", "--move", "usrId"), 2, "FIELD=FIELD"),
        (("replay", "x"), 2, "must be a UUID"),
        (("show", "x"), 2, "must be a UUID"),
        (("show", str(uuid.uuid4())), 2, "may have been purged"),
        (("purge", "--yes"), 2, "set all instead"),
        (("list", "--address", "127.0.0.1:1"), 3, "cannot reach"),
    ],
)
def test_a_wrong_command_says_what_to_do(
    service: Service, arguments: tuple[str, ...], exit_code: int, told: str
) -> None:
    """Each with its exit code."""
    assert told in analytics(service, "rejected", *arguments, exit_code=exit_code)


def test_while_postgres_is_away_a_replay_is_refused_and_not_spooled(own_service: Service) -> None:
    """UNAVAILABLE, with the time to wait; once it is back, the same call stores."""
    reject(own_service, Event(user_id="user-1", view=ViewEvent(content_id="post-1")))
    request = ReplayRejectedEventsRequest(filter=RejectedEventFilter(reason="INVALID_EVENT"))
    change = request.patches.add(field="data.contentType")
    change.value.string_value = "post"
    os.kill(own_service.postmaster, 3)
    refused: list[Any] = []

    def is_away() -> bool:
        nothing = ReplayRejectedEventsRequest(filter=RejectedEventFilter(reason="NOTHING"))
        try:
            own_service.admin_stub.ReplayRejectedEvents(nothing, timeout=10)
        except grpc.RpcError as exc:
            refused.append(exc)
        return bool(refused)

    eventually("is told that Postgres is away", is_away)
    assert refused[0].code() is grpc.StatusCode.UNAVAILABLE
    assert (reason(refused[0]), retry_delay_s(refused[0])) == ("STORAGE_UNAVAILABLE", 1.0)

    def replayed() -> bool:
        try:
            return bool(own_service.admin_stub.ReplayRejectedEvents(request, timeout=10).stored == 1)
        except grpc.RpcError:
            return False

    eventually("stores it once Postgres is back", replayed)
    assert own_service.count_events() == 1


@pytest.mark.slow
def test_a_worker_killed_while_it_replays_stores_nothing_twice(made_data_dir: Path) -> None:
    """Whenever kill -9 comes, a repeated replay ends with each event stored once."""
    with Service(made_data_dir, ANALYTICS_WORKERS="1") as service:
        events = [Event(user_id=f"user-{number}", view=ViewEvent(content_id="post")) for number in range(600)]
        reject(service, *events)
        request = ReplayRejectedEventsRequest(filter=RejectedEventFilter(reason="INVALID_EVENT"), page_size=1000)
        request.patches.add(field="data.contentType").value.string_value = "post"
        for _ in range(3):
            call = service.admin_stub.ReplayRejectedEvents.future(request, timeout=20)
            eventually("begins to store", lambda: service.count_events() > 0)
            for pid in service.pids("cli\0worker\0"):
                os.kill(pid, 9)
            call.exception()
            eventually("serves again", lambda: service.health() == "SERVING")
        answer = service.admin_stub.ReplayRejectedEvents(request, timeout=20)
        assert not answer.failed
        assert service.count_events() == 600
        total = as_json(service, "ingest", "stats")["total"]
        assert (total["stored"], total["duplicates"], total["rejected"]) == (600, 0, 600)


def test_the_service_is_known_to_health_and_shows_nothing_that_is_not_there(service: Service) -> None:
    """Its name serves, and an unknown id is NOT_FOUND."""
    assert service.health("sociallive.analytics.v1.AdminService") == "SERVING"
    with fails_with(grpc.StatusCode.NOT_FOUND) as caught:
        service.admin_stub.GetRejectedEvent(GetRejectedEventRequest(rejection_id=str(uuid.uuid4())), timeout=10)
    assert reason(caught[0]) == "NO_SUCH_REJECTION"
