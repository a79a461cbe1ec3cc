"""Queries of REST: what is wrong with a parameter is said in the one shape, with the choices."""

from typing import Any
from urllib.parse import quote

import grpc
import pytest

from gateway import headers
from server.reports.errors import QuestionError
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from tests.acceptance.running import fails_with
from tests.acceptance.samples import reason, violations
from tests.gateway.conftest import GatewayService
from tests.gateway.http import call, expect_error


@pytest.mark.parametrize(
    ("path", "field", "rule", "description"),
    [
        ("dashboard?timefame=7d", "timefame", "UNKNOWN_PARAMETER", ["timeframe, startTime", "did you mean timeframe?"]),
        ("dashboard?time_zon=UTC", "time_zon", "UNKNOWN_PARAMETER", ["timeZone"]),
        ("funnel/actors?steps=view", "steps", "UNKNOWN_PARAMETER", ["did you mean funnel.steps?"]),
        ("schemas?x=1", "x", "UNKNOWN_PARAMETER", ["takes none"]),
        ("cohort?granularity=days", "granularity", "INVALID_PARAMETER", ["one of hour, day, week, month, not 'days'"]),
        ("retention?week_start=x", "week_start", "INVALID_PARAMETER", ["one of monday, sunday"]),
        ("retention?periods=many", "periods", "INVALID_PARAMETER", ["whole number", "'many'"]),
        ("retention?periods=9999999999", "periods", "INVALID_PARAMETER", ["of -2147483648 to 2147483647"]),
        ("dashboard?startTime=yesterday", "startTime", "INVALID_PARAMETER", ["RFC 3339", "2025-01-31T12:00:00Z"]),
        (
            "dashboard?start_time=2026-01-01T00:00:00+01:00",
            "start_time",
            "INVALID_PARAMETER",
            ["write the + of an offset as %2B"],
        ),
        ("funnel/actors?dropped=yes", "dropped", "INVALID_PARAMETER", ["true or false"]),
        ("dashboard?timeframe=1d&timeframe=2d", "timeframe", "INVALID_PARAMETER", ["twice"]),
        ("dashboard?timeframe=%ff", "timeframe", "INVALID_PARAMETER", ["UTF-8"]),
        ("schemas/view/1.1.0?eventType=view", "eventType", "INVALID_PARAMETER", ["in the path"]),
    ],
)
def test_a_bad_parameter_is_named_as_it_was_written(
    gateway: GatewayService, path: str, field: str, rule: str, description: list[str]
) -> None:
    """400 with the parameter, what it may be, and the nearest name that there is."""
    answer = call(gateway.rest_port, "GET", f"/analytics/{path}")
    expect_error(answer, 400, "INVALID_ARGUMENT", QuestionError.reason)
    (violation,) = answer.json["violations"]
    assert (violation["field"], violation["rule"]) == (field, rule)
    for text in description:
        assert text in violation["description"]


@pytest.mark.parametrize(
    "granularity", ["week", "Week", "GRANULARITY_WEEK"], ids=["short", "capital", "as in the .proto file"]
)
def test_a_choice_may_be_written_short(gateway: GatewayService, granularity: str) -> None:
    """Whichever way it is written, periods are weeks."""
    answer = call(gateway.rest_port, "GET", f"/analytics/cohort?timeframe=4w&granularity={granularity}")
    assert answer.status == 200, answer
    assert "calendar week" in answer.json["info"]["definition"]


def test_every_kind_of_value_arrives(gateway: GatewayService) -> None:
    """Texts with spaces and signs, times, numbers, booleans and lists, by both names of a field."""
    event_id = call(
        gateway.rest_port,
        "POST",
        "/analytics/events/view",
        {"userId": "a&b=c+d ü", "data": {"contentType": "post", "contentId": "post-1"}},
    ).json["eventId"]
    query = f"user_id={quote('a&b=c+d ü')}&start_time=2026-01-01T00%3A00%3A00%2B01%3A00&pageSize=1000"
    found = call(gateway.rest_port, "GET", f"/analytics/events?{query}")
    assert found.status == 200, found
    assert found.json["info"]["startTime"] == "2025-12-31T23:00:00Z"
    assert [event["eventId"] for event in found.json["events"]] == [event_id]
    actors = "/analytics/funnel/actors?funnel.steps=view&funnel.steps=purchase&step=1&dropped=true&page_size=5"
    assert call(gateway.rest_port, "GET", actors).status == 200


def test_a_query_of_any_bytes_is_answered(gateway: GatewayService) -> None:
    """What is no ASCII, what has no name, and what is as long as a query may be."""
    assert call(gateway.rest_port, "GET", "/analytics/dashboard?&&timeframe=1d&").status == 200
    expect_error(
        call(gateway.rest_port, "GET", "/analytics/dashboard?=x"), 400, "INVALID_ARGUMENT", QuestionError.reason
    )
    for name in ("%00", "%f0%9f%92%a9", "x" * 6_900, "%22" * 2_000):
        answer = call(gateway.rest_port, "GET", f"/analytics/dashboard?{name}=1")
        expect_error(answer, 400, "INVALID_ARGUMENT", QuestionError.reason)
    answer = call(gateway.rest_port, "GET", f"/analytics/dashboard?timeZone={'x' * 7_100}")
    expect_error(answer, 414, "OUT_OF_RANGE", "QUERY_TOO_LONG")


def test_a_caller_cannot_send_the_header_of_queries_by_rest_or_grpc(gateway: GatewayService) -> None:
    """The gateway takes it away; to the server itself a caller tells no more by it than in its own request."""
    forged = {headers.QUERY: "timeframe=nonsense"}
    assert call(gateway.rest_port, "GET", "/analytics/dashboard?timeframe=1d", headers=forged).status == 200
    assert call(gateway.rest_port, "GET", "/analytics/dashboard", headers=forged).status == 200
    metadata: Any = tuple(forged.items())
    with grpc.insecure_channel(f"127.0.0.1:{gateway.rest_port}") as channel:
        get: Any = channel.unary_unary("/sociallive.analytics.v1.AnalyticsService/GetDashboard")
        assert get(GetDashboardRequest(timeframe="1h").SerializeToString(), metadata=metadata, timeout=20)
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        gateway.stub.GetDashboard(GetDashboardRequest(timeframe="1h"), metadata=metadata, timeout=20)
    assert (reason(caught[0]), set(violations(caught[0]))) == (QuestionError.reason, {"timeframe"})
