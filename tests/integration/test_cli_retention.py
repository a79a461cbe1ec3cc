"""`analytics report retention` and `cohort`: tables for people, numbers for programs."""

import io

import orjson
import pytest
from click.testing import CliRunner, Result
from google.protobuf import json_format
from rich.console import Console

from cli.main import cli
from cli.report.retention import print_retention, retention_grid
from cli.report.shares import ShareRow, print_shares
from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest, GetCohortResponse
from sociallive.analytics.v1.report_scope_pb2 import Granularity
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest, GetRetentionResponse, RetentionKind
from tests.fake_service import FakeService, serving

DAY = "2026-03-02T00:00:00Z"
RETENTION = {
    "info": {"startTime": DAY, "endTime": "2026-03-04T00:00:00Z", "timeZone": "UTC", "definition": "Who comes back."},
    "cohorts": [
        {
            "startTime": DAY,
            "size": 8,
            "cells": [{"users": 8, "complete": True}, {"index": 1, "users": 2, "complete": True}],
        },
        {"startTime": "2026-03-03T00:00:00Z", "size": 4, "cells": [{"users": 4}, {"index": 1, "users": 3}]},
        {"startTime": "2026-03-04T00:00:00Z", "cells": [{}, {"index": 1}]},
    ],
    "mean": [1.0, 0.25],
}
COHORTS = {
    "info": RETENTION["info"],
    "cohorts": [
        {
            "startTime": DAY,
            "size": 8,
            "periods": [
                {"users": 8, "events": 9, "share": 1.0, "complete": True, "cumulativeEvents": 9},
                {
                    "index": 1,
                    "users": 2,
                    "events": 3,
                    "share": 0.25,
                    "revenue": [{"currency": "EUR", "amount": "1234.50", "orders": 2}],
                    "cumulativeEvents": 12,
                    "cumulativeRevenue": [{"currency": "EUR", "amount": "1234.50", "orders": 2}],
                },
            ],
        }
    ],
}


def run(*arguments: str) -> tuple[Result, FakeService]:
    """Run a report against a service that answers the above."""
    service = FakeService()
    service.retention = json_format.ParseDict(RETENTION, GetRetentionResponse())
    service.cohorts = json_format.ParseDict(COHORTS, GetCohortResponse())
    with serving(service) as address:
        return CliRunner().invoke(cli, ["report", *arguments, "--address", address]), service


def test_retention_is_a_table_in_a_pipe() -> None:
    """A star marks what is not over, and nobody's cohort has no shares."""
    result, _ = run("retention")
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert ["Cohort", "Actors", "1"] in lines
    assert ["2026-03-02", "8", "25.0%"] in lines
    assert ["2026-03-03", "4", "75.0%*"] in lines
    assert ["2026-03-04", "0"] in lines
    assert ["mean", "12", "25.0%"] in lines
    assert "not over yet" in result.output
    assert "Who comes back." in result.output


def test_the_options_are_the_question() -> None:
    """By their names in the contract."""
    options = ["--kind", "brackets", "--bracket", "1-7", "--granularity", "week", "--entry-step", "view"]
    _, service = run("retention", *options, "--window", "rolling_24h", "--week-start", "sunday")
    (question,) = service.questions
    assert isinstance(question, GetRetentionRequest)
    assert question.kind == RetentionKind.RETENTION_KIND_BRACKETS
    assert list(question.brackets) == ["1-7"]
    assert question.granularity == Granularity.GRANULARITY_WEEK
    assert (question.entry_step, question.window, question.week_start) == ("view", 2, 2)


def test_cohorts_show_shares_and_what_came_together() -> None:
    """Revenue as people write it."""
    result, service = run("cohort", "--step", "purchase", "--granularity", "month")
    lines = [line.split() for line in result.output.splitlines()]
    assert ["2026-03-02", "8", "100.0%", "25.0%*"] in lines
    assert ["2026-03-02", "12", "1,234.50", "EUR"] in lines
    (question,) = service.questions
    assert isinstance(question, GetCohortRequest)
    assert (question.step, question.granularity) == ("purchase", Granularity.GRANULARITY_MONTH)


@pytest.mark.parametrize(("report", "answer"), [("retention", RETENTION), ("cohort", COHORTS)])
def test_programs_get_json_or_csv(report: str, answer: dict[str, object]) -> None:
    """All numbers are in either, and nobody gets both."""
    document = orjson.loads(run(report, "--json")[0].output)
    assert document["info"]["definition"] == "Who comes back."
    assert len(document["cohorts"]) == len(answer["cohorts"])  # type: ignore[arg-type] # it is a list
    lines = run(report, "--csv")[0].output.splitlines()
    assert lines[0].startswith("cohort,size,index,users")
    assert lines[1].startswith(f"{DAY},8,0,8")
    assert run(report, "--json", "--csv")[0].exit_code == 2


def test_a_terminal_shows_as_many_columns_as_fit() -> None:
    """Readable on any ground, and with a word about the others."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=40, color_system="256")
    cells = [(number / 20, True) for number in range(20)]
    print_shares(
        console, ["Cohort"], [str(number) for number in range(20)], [ShareRow(["2026-03-02"], cells)], what="periods"
    )
    assert "\x1b[48;5;" not in screen.getvalue()
    assert "16 more periods need a wider terminal" in screen.getvalue()
    assert "15.0%" in screen.getvalue()
    assert "20.0%" not in screen.getvalue()


def test_no_cell_is_cut_and_none_stands_where_nothing_can_be_yet() -> None:
    """Every share is whole; after the period that is under way there is nothing."""
    under_way = [{"index": index, "users": 12 - index, "complete": index < 9} for index in range(10)]
    days = [{"startTime": f"2026-03-{day:02}T00:00:00Z", "size": 12, "cells": under_way} for day in range(2, 5)]
    not_begun = [{"index": index} for index in range(10, 14)]
    answer = json_format.ParseDict(
        {**RETENTION, "cohorts": [{**day, "cells": [*under_way, *not_begun]} for day in days]}, GetRetentionResponse()
    )
    for width, last in ((80, []), (90, ["25.0%*"])):
        screen = io.StringIO()
        print_retention(Console(file=screen, force_terminal=True, width=width, color_system=None), answer)
        (line,) = (line for line in screen.getvalue().splitlines() if line.startswith("2026-03-02"))
        assert line.split() == ["2026-03-02", "12", *(f"{1 - index / 12:.1%}" for index in range(1, 9)), *last]


def test_hours_of_one_day_have_names_of_their_own() -> None:
    """A date alone would name them all alike."""
    answer = json_format.ParseDict(RETENTION, GetRetentionResponse())
    answer.cohorts[1].start_time.FromJsonString("2026-03-02T01:00:00Z")
    _, rows = retention_grid(answer)
    assert [row.labels[0] for row in rows] == ["2026-03-02 00:00", "2026-03-02 01:00", "2026-03-04 00:00", "mean"]
