"""`analytics report funnel` against a stand-in for the service."""

import csv
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result

from cli.report import group as report
from sociallive.analytics.v1.funnel_pb2 import (
    FunnelEntry,
    FunnelExclusion,
    FunnelOrder,
    GetFunnelRequest,
    ListFunnelActorsRequest,
)
from tests.fake_service import FakeService, serving


def run(address: str, *arguments: str) -> Result:
    """Run `analytics report funnel`."""
    return CliRunner().invoke(report.command, ["funnel", *arguments, "--address", address])


def service_with_funnel() -> FakeService:
    """Make a service whose funnel has two steps, two groups and open users."""
    service = FakeService()
    answer = service.funnel
    answer.info.definition = "What is counted."
    answer.info.time_zone = "UTC"
    answer.info.start_time.FromDatetime(datetime(2026, 3, 1, tzinfo=UTC))
    answer.info.end_time.FromDatetime(datetime(2026, 3, 31, tzinfo=UTC))
    answer.open_users = 12
    ios, other = answer.groups.add(value="ios"), answer.groups.add(value="$other", other=True)
    for steps, users in ((answer.steps, (40000, 10000)), (ios.steps, (30000, 9000)), (other.steps, (10000, 1000))):
        steps.add(step="view", users=users[0], conversion_from_first=1, conversion_from_previous=1)
        share = users[1] / users[0]
        steps.add(
            step="purchase:amount>=20",
            users=users[1],
            dropped=users[0] - users[1],
            conversion_from_first=share,
            conversion_from_previous=share,
            mean_seconds=7200,
            median_seconds=90,
            p90_seconds=14400.5,
        )
    return service


def test_a_funnel_is_a_table_with_bars() -> None:
    """Users, shares, times and a bar a step; the groups and what is still open below."""
    with serving(service_with_funnel()) as address:
        result = run(address, "view", "purchase:amount>=20", "--timeframe", "30d")
    assert result.exit_code == 0
    for part in ("40,000", "25.0%", "30,000", "1 min 30 s", "4 h 00 min", "$other", "12 more may", "What is counted."):
        assert part in result.stdout
    first, second = (line for line in result.stdout.splitlines() if "█" in line)
    assert (first.count("█"), second.count("█")) == (16, 4)


def test_every_option_reaches_the_service() -> None:
    """As the request's own field."""
    with serving(service := service_with_funnel()) as address:
        options = "--window 7d --order strict --entry first --breakdown platform --time-zone Asia/Kolkata"
        result = run(address, "view", "purchase", *options.split(), "--exclude", "session", "0", "1", "--json")
    assert json.loads(result.stdout)["openUsers"] == "12"
    assert service.questions == [
        GetFunnelRequest(
            steps=["view", "purchase"],
            window="7d",
            order=FunnelOrder.FUNNEL_ORDER_STRICT,
            entry=FunnelEntry.FUNNEL_ENTRY_FIRST,
            exclusions=[FunnelExclusion(step="session", from_step=0, to_step=1)],
            breakdown="platform",
            time_zone="Asia/Kolkata",
        )
    ]


def test_csv_holds_all_steps_and_those_of_each_group() -> None:
    """A line a step; what does not exist is empty."""
    with serving(service_with_funnel()) as address:
        result = run(address, "view", "purchase", "--csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [(row["group"], row["number"], row["users"]) for row in rows] == [
        ("", "0", "40000"),
        ("", "1", "10000"),
        ("ios", "0", "30000"),
        ("ios", "1", "9000"),
        ("$other", "0", "10000"),
        ("$other", "1", "1000"),
    ]
    assert (rows[0]["mean_seconds"], rows[1]["mean_seconds"]) == ("", "7200.0")


def test_actors_come_page_by_page_up_to_the_limit() -> None:
    """The last page is as long as it takes."""
    with serving(service := service_with_funnel()) as address:
        result = run(address, "view", "purchase", "--actors", "1", "--dropped", "--limit", "1500", "--csv")
    rows = list(csv.reader(result.stdout.splitlines()))
    assert (rows[0], len(rows)) == (["actor_id", "value", "step_0_time"], 1501)
    assert rows[1500] == ["actor-1499", "", "2023-11-14T22:13:20Z"]
    asked = [question for question in service.questions if isinstance(question, ListFunnelActorsRequest)]
    assert [(question.step, question.dropped, question.page_size) for question in asked] == [
        (1, True, 1000),
        (1, True, 500),
    ]


@pytest.mark.parametrize(
    "arguments",
    [[], ["view", "purchase", "--json", "--csv"], ["view", "purchase", "--dropped"], ["view", "--order", "sideways"]],
)
def test_a_wrong_command_line_is_refused(arguments: list[str]) -> None:
    """Before anything is asked."""
    with serving(service := service_with_funnel()) as address:
        assert run(address, *arguments).exit_code == 2
    assert service.questions == []
