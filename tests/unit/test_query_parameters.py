"""Queries of REST calls, read into requests by their descriptors."""

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import headers
from server.rpc.gateway_calls import read_headers
from server.rpc.query_parameters import fill_from_query, read_query
from server.rpc.refusals import ParameterError
from sociallive.analytics.v1.dashboard_pb2 import GetDashboardRequest
from sociallive.analytics.v1.funnel_pb2 import GetFunnelRequest, ListFunnelActorsRequest
from sociallive.analytics.v1.report_scope_pb2 import Granularity
from sociallive.analytics.v1.retention_pb2 import GetRetentionRequest
from tests.unit.test_gateway_calls import FakeContext


def test_values_are_read_by_the_types_of_their_fields() -> None:
    """Texts, times, numbers, booleans, choices and lists, by either name of a field."""
    retention = GetRetentionRequest()
    read_query(
        "timeframe=4w&time_zone=Europe%2FBerlin&granularity=week&periods=3&brackets=1-7&brackets=8-30", retention
    )
    assert retention == GetRetentionRequest(
        timeframe="4w",
        time_zone="Europe/Berlin",
        granularity=Granularity.GRANULARITY_WEEK,
        periods=3,
        brackets=["1-7", "8-30"],
    )
    actors = ListFunnelActorsRequest()
    read_query("funnel.steps=a+b&funnel.startTime=2026-01-01T01:00:00%2B01:00&dropped=true&step=1", actors)
    assert list(actors.funnel.steps) == ["a b"]
    assert actors.funnel.start_time.ToJsonString() == "2026-01-01T00:00:00Z"
    assert (actors.dropped, actors.step) == (True, 1)


@given(st.text(), st.text())
def test_any_text_arrives_as_it_was_sent(zone: str, timeframe: str) -> None:
    """Whatever the characters, once they are percent-encoded."""
    request = GetDashboardRequest()
    read_query(f"timeZone={quote(zone, safe='')}&timeframe={quote(timeframe, safe='')}", request)
    assert (request.time_zone, request.timeframe) == (zone, timeframe)


@given(st.text(alphabet="&=%+.abcdefimrtT0123456789\x00\xff", max_size=40))
def test_a_query_of_any_characters_is_read_or_refused(query: str) -> None:
    """Nothing else is raised, and what an error says is safe to send: short, and without control characters."""
    refused = None
    try:
        read_query(query, GetFunnelRequest())
    except ParameterError as exc:
        refused = exc
    assert refused is None or (len(refused.field) < 200 and refused.field.isprintable())


def test_a_parameter_does_not_replace_what_the_path_set() -> None:
    """It is refused, and so is one that stands twice."""
    with pytest.raises(ParameterError, match="twice"):
        read_query("timeframe=1d", GetDashboardRequest(timeframe="7d"))
    with pytest.raises(ParameterError, match="twice"):
        read_query("timeframe=1d&timeframe=1d", GetDashboardRequest())


def test_a_call_without_a_query_is_left_as_it_is() -> None:
    """Only the header of queries matters."""
    request = GetDashboardRequest(timeframe="7d")
    for metadata in ((), ((headers.JSON_CALL, "1"),), ((headers.QUERY, ""),)):
        context: Any = FakeContext(*metadata)
        read_headers(context)
        fill_from_query(request)
    assert request == GetDashboardRequest(timeframe="7d")
