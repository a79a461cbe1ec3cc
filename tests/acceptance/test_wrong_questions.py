"""Questions that make no sense: every report names the field at fault and says what is allowed."""

from typing import Any

import grpc
import pytest
from click.testing import CliRunner
from google.protobuf import json_format

from cli.report import group as report
from server.reports.funnel import MOST_STEPS
from server.reports.periods import MOST_PERIODS
from server.reports.retention import MOST_BRACKETS
from sociallive.analytics.v1.event_list_pb2 import ListEventsRequest
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest, ListFunnelActorsRequest
from tests.acceptance.running import Service, fails_with
from tests.acceptance.samples import reason, track, violations
from tests.report_questions import COHORT, DASHBOARD, EVENT_LIST, FUNNEL, REPORTS, RETENTION, Report

START, END = "2026-03-02T00:00:00Z", "2026-03-05T00:00:00Z"

SCOPES: list[tuple[dict[str, Any], str, str]] = [
    ({"startTime": END, "endTime": START}, "start_time", "must be before end_time"),
    ({"startTime": START, "endTime": START}, "start_time", "must be before end_time"),
    ({"startTime": START, "timeframe": "7d"}, "timeframe", "either timeframe or start_time"),
    ({"startTime": "1969-12-31T23:59:59Z"}, "start_time", "1970-01-01 and 2200-01-01"),
    ({"endTime": "2200-01-01T00:00:01Z"}, "end_time", "1970-01-01 and 2200-01-01"),
    ({"timeframe": "fortnight"}, "timeframe", 'for example "24h" or "12mo"'),
    ({"timeframe": "0d"}, "timeframe", "1d to 3660d"),
    ({"timeZone": "Mars/Base"}, "time_zone", "IANA"),
    ({"timeZone": "../etc/passwd"}, "time_zone", "IANA"),
]
"""What is wrong with a range, in any report."""


def refusal(service: Service, method: str, question: Any) -> Any:
    """Ask a wrong question; return the refusal after a look at its kind."""
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        getattr(service.stub, method)(question, timeout=20)
    about_page = list(violations(caught[0])) == ["page_token"]
    assert reason(caught[0]) == ("INVALID_PAGE_TOKEN" if about_page else "INVALID_REQUEST")
    return caught[0]


@pytest.mark.parametrize("asked", REPORTS, ids=repr)
@pytest.mark.parametrize(("scope", "field", "words"), SCOPES)
def test_a_wrong_range_names_its_field(
    service: Service, asked: Report, scope: dict[str, Any], field: str, words: str
) -> None:
    """Reversed, empty, told twice, out of all bounds, or not to be understood."""
    refused = refusal(service, asked.method, asked.asked(**scope))
    assert list(violations(refused)) == [field]
    assert words in refused.details()


@pytest.mark.parametrize(
    ("asked", "fields", "name"),
    [
        (EVENT_LIST, lambda step: {"filter": step}, "filter"),
        (FUNNEL, lambda step: {"steps": ["view", step]}, "steps[1]"),
        (
            FUNNEL,
            lambda step: {"steps": ["view", "view"], "exclusions": [{"step": step, "toStep": 1}]},
            "exclusions[0].step",
        ),
        (COHORT, lambda step: {"step": step}, "step"),
        (RETENTION, lambda step: {"entryStep": step}, "entry_step"),
        (RETENTION, lambda step: {"returnStep": step}, "return_step"),
    ],
)
@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("vew", "did you mean view? known types: view, engagement, purchase, stream, session"),
        ("purchase:amuont=1", "did you mean amount"),
        ("purchase:amount~1", "write one of =, !=, >, >=, <, <=, in, exists"),
        ("purchase:amount>much", "it is a number"),
        ("view:", "names no field"),
    ],
)
def test_a_wrong_step_names_its_field_wherever_it_stands(
    service: Service, asked: Report, fields: Any, name: str, step: str, words: str
) -> None:
    """With the nearest name, or with what may be written."""
    refused = refusal(service, asked.method, json_format.ParseDict(fields(step), asked.request()))
    assert list(violations(refused)) == [name]
    assert words in refused.details()


STEPS = ["view", "purchase"]
CLEAN = {"step": "view", "fromStep": 0, "toStep": 1}
BRACKETS = "RETENTION_KIND_BRACKETS"


@pytest.mark.parametrize(
    ("asked", "question", "field", "words"),
    [
        (FUNNEL, {}, "steps", "must be 2 to 12"),
        (FUNNEL, {"steps": ["view"]}, "steps", "must be 2 to 12"),
        (FUNNEL, {"steps": ["view"] * 50}, "steps", f"must be 2 to {MOST_STEPS}, as in view, purchase; not 50"),
        (FUNNEL, {"steps": ["view", ""]}, "steps[1]", "names no event type; write one of view, engagement"),
        (FUNNEL, {"steps": ["[1]"]}, "steps", "JSON array"),
        (FUNNEL, {"steps": STEPS, "window": "0d"}, "window", "longer than zero"),
        (FUNNEL, {"steps": STEPS, "window": "1y"}, "window", '"14d"'),
        (FUNNEL, {"steps": STEPS, "window": "9999d"}, "window", "at most 366d"),
        (FUNNEL, {"steps": STEPS, "order": 9}, "order", "FUNNEL_ORDER_STRICT"),
        (FUNNEL, {"steps": STEPS, "entry": 9}, "entry", "FUNNEL_ENTRY_FIRST"),
        (FUNNEL, {"steps": STEPS, "breakdown": "colour"}, "breakdown", "known fields:"),
        (FUNNEL, {"steps": STEPS, "breakdown": "platfrom"}, "breakdown", "did you mean platform"),
        (FUNNEL, {"steps": STEPS, "exclusions": [{"step": "view"}]}, "exclusions[0]", "from_step before"),
        (FUNNEL, {"steps": STEPS, "exclusions": [CLEAN] * 9}, "exclusions", "at most 8"),
        (FUNNEL, {"steps": [*STEPS, "engagement"], "order": 3, "exclusions": [CLEAN]}, "exclusions[0]", "to the last"),
        (FUNNEL, {"steps": ["view"] * 4, "order": 3}, "steps", "at most 3 steps"),
        (FUNNEL, {"steps": STEPS, "startTime": "2001-01-01T00:00:00Z"}, "start_time", "3660 days"),
        (DASHBOARD, {"startTime": "2001-01-01T00:00:00Z"}, "start_time", "3660 days"),
        (COHORT, {"granularity": 9}, "granularity", "GRANULARITY_WEEK"),
        (COHORT, {"startTime": "2010-01-01T00:00:00Z"}, "start_time", "3660 days"),
        (COHORT, {"startTime": "2020-01-01T00:00:00Z"}, "granularity", "more than 366 cohorts"),
        (RETENTION, {"granularity": 9}, "granularity", "GRANULARITY_WEEK"),
        (RETENTION, {"startTime": "2020-01-01T00:00:00Z"}, "granularity", "more than 366 cohorts"),
        (RETENTION, {"kind": 9}, "kind", "RETENTION_KIND_ON_OR_AFTER"),
        (RETENTION, {"entry": 9}, "entry", "RETENTION_ENTRY_RECURRING"),
        (RETENTION, {"window": 9}, "window", "RETENTION_WINDOW_ROLLING_24H"),
        (RETENTION, {"weekStart": 9}, "week_start", "WEEK_START_SUNDAY"),
        (RETENTION, {"window": 2, "granularity": "GRANULARITY_MONTH"}, "window", "days and weeks"),
        (RETENTION, {"window": 2, "granularity": "GRANULARITY_HOUR"}, "window", "days and weeks"),
        (RETENTION, {"periods": -1}, "periods", f"1..{MOST_PERIODS}"),
        (RETENTION, {"periods": MOST_PERIODS + 1}, "periods", f"1..{MOST_PERIODS}"),
        (RETENTION, {"brackets": ["1-2"]}, "brackets", BRACKETS),
        (RETENTION, {"kind": BRACKETS}, "brackets", f"1 to {MOST_BRACKETS}"),
        (RETENTION, {"kind": BRACKETS, "brackets": ["1"] * 33}, "brackets", f"1 to {MOST_BRACKETS}"),
        (RETENTION, {"kind": BRACKETS, "brackets": ["0-2"]}, "brackets[0]", "from 1 on"),
        (RETENTION, {"kind": BRACKETS, "brackets": ["7-1"]}, "brackets[0]", "from 1 on"),
        (RETENTION, {"kind": BRACKETS, "brackets": ["a week"]}, "brackets[0]", 'as in "1-7"'),
        (RETENTION, {"kind": BRACKETS, "brackets": ["1-4", "4-9"]}, "brackets[1]", "which ends at 4"),
        (
            RETENTION,
            {"kind": BRACKETS, "brackets": ["1-2", "3-367"]},
            "brackets[1]",
            f"period {MOST_PERIODS}",
        ),
        (RETENTION, {"kind": BRACKETS, "brackets": ["1"], "periods": 3}, "periods", "set by the brackets"),
        (EVENT_LIST, {"eventType": "vieew"}, "event_type", "engagement, purchase, session, stream, view"),
        (EVENT_LIST, {"view": 9}, "view", "EVENT_VIEW_UPCAST"),
        (EVENT_LIST, {"pageSize": -1}, "page_size", "must not be negative"),
        (EVENT_LIST, {"pageToken": "made up"}, "page_token", "next_page_token"),
        (EVENT_LIST, {"userId": "a\0b"}, "user_id", "NUL"),
        (EVENT_LIST, {"sessionId": "a\0b"}, "session_id", "NUL"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    service: Service, asked: Report, question: dict[str, Any], field: str, words: str
) -> None:
    """Too few, too many, too long, of no known name; asked for actors, a funnel says where in that question."""
    scope = {} if asked is EVENT_LIST else {"startTime": START, "endTime": END}
    request: Any = json_format.ParseDict({**scope, **question}, asked.request())
    refused = refusal(service, asked.method, request)
    assert list(violations(refused)) == [field]
    assert words in refused.details()
    if asked is FUNNEL:
        refused = refusal(service, "ListFunnelActors", ListFunnelActorsRequest(funnel=request))
        assert list(violations(refused)) == [f"funnel.{field}"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"step": 2}, "step", "0..1"),
        ({"step": -1}, "step", "0..1"),
        ({"step": 0, "dropped": True}, "step", "nobody drops out before step 0"),
        ({"page_size": -1}, "page_size", "must not be negative"),
        ({"page_token": "x"}, "page_token", "next_page_token"),
    ],
)
def test_a_wrong_page_of_actors_names_its_field(
    service: Service, fields: dict[str, Any], field: str, words: str
) -> None:
    """The step, the size and the token."""
    refused = refusal(service, "ListFunnelActors", ListFunnelActorsRequest(funnel=FUNNEL.asked(), **fields))
    assert list(violations(refused)) == [field]
    assert words in refused.details()


def test_a_page_token_belongs_to_its_question_and_its_report(service: Service) -> None:
    """Neither another filter, range or view takes it, nor the actors of a funnel; and a longer page does."""
    for _ in range(3):
        service.stub.Track(track(user_id="paged"), timeout=10)
    question: dict[str, Any] = {"timeframe": "24h", "user_id": "paged"}
    token = service.stub.ListEvents(ListEventsRequest(**question, page_size=1), timeout=10).next_page_token
    rest = service.stub.ListEvents(ListEventsRequest(**question, page_size=9, page_token=token), timeout=10)
    assert len(rest.events) == 2
    for other in ({"timeframe": "23h"}, {"user_id": "other"}, {"filter": "view"}, {"event_type": "view"}, {"view": 1}):
        refused = refusal(service, "ListEvents", ListEventsRequest(**{**question, **other}, page_token=token))
        assert "page_token: belongs to another request" in refused.details()
    funnel = GetFunnelRequest(steps=["view", "view"], timeframe="24h")
    refused = refusal(service, "ListFunnelActors", ListFunnelActorsRequest(funnel=funnel, page_token=token))
    assert "page_token: belongs to another request" in refused.details()
    for _ in range(2):
        service.stub.Track(track(user_id="paged-too"), timeout=10)
    page = ListFunnelActorsRequest(funnel=funnel, page_size=1)
    token = service.stub.ListFunnelActors(page, timeout=10).next_page_token
    refused = refusal(service, "ListEvents", ListEventsRequest(**question, page_token=token))
    assert "page_token: belongs to another request" in refused.details()
    for change in ({"step": 1}, {"funnel": GetFunnelRequest(steps=["view", "view"], timeframe="23h")}):
        refused = refusal(
            service, "ListFunnelActors", ListFunnelActorsRequest(**{"funnel": funnel, **change, "page_token": token})
        )
        assert "page_token: belongs to another request" in refused.details()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        *(((*asked.command, "--time-zone", "Mars"), "--time-zone") for asked in REPORTS),
        *(
            ((*asked.command, "--from", "2026-03-05", "--to", "2026-03-02"), "start_time: must be before end_time")
            for asked in REPORTS
        ),
        *(((*asked.command, "--timeframe", "fortnight"), "timeframe: must be a number") for asked in REPORTS),
        (("events", "--filter", "vew"), "filter: names the unknown event type"),
        (("funnel", "view"), "steps: must be 2 to 12"),
        (("funnel", "view", ""), "steps[1]: names no event type"),
        (("funnel", *["view"] * 50), "steps: must be 2 to 12, as in view, purchase; not 50"),
        (("funnel", "view", "purchase:amuont=1"), "did you mean amount"),
        (("funnel", "view", "view", "--window", "0d"), "window: must be longer than zero"),
        (("cohort", "--step", "vew"), "step: names the unknown event type"),
        (("retention", "--entry-step", "vew"), "entry_step: names the unknown event type"),
        (("retention", "--kind", "brackets"), "brackets: must be 1 to 32"),
        (("retention", "--kind", "brackets", "--bracket", "7-1"), "brackets[0]: must be periods from 1 on"),
    ],
)
def test_a_command_says_in_one_line_what_is_wrong(service: Service, arguments: tuple[str, ...], words: str) -> None:
    """On stderr, with the exit code of a wrong question, and nothing on stdout."""
    result = CliRunner().invoke(report.command, [*arguments, "--json", "--address", service.address])
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    (_,) = (line for line in result.stderr.splitlines() if not line.startswith(("Usage:", "Try ")) and line)
