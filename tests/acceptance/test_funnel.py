"""Funnels as a caller asks for them: answers, actors, wrong questions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from server.reports.scope import to_timestamp
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.funnel_pb2 import (
    FunnelEntry,
    FunnelExclusion,
    FunnelOrder,
    GetFunnelRequest,
    ListFunnelActorsRequest,
)
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import TrackEventsRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent
from tests.acceptance.running import Service, fails_with
from tests.conftest import copy_data_dir

DAY = datetime(2026, 3, 10, tzinfo=UTC)


def view(user: str, hours: float, platform: str = "web") -> Event:
    """Make a view."""
    stamp = to_timestamp(DAY + timedelta(hours=hours))
    return Event(user_id=user, timestamp=stamp, platform=platform, view=ViewEvent(content_type="post", content_id="1"))


def purchase(user: str, hours: float, amount: float) -> Event:
    """Make a purchase."""
    payload = PurchaseEvent(product_id="p", order_id="o", amount=amount, currency="EUR")
    return Event(user_id=user, timestamp=to_timestamp(DAY + timedelta(hours=hours)), purchase=payload)


EVENTS = [
    view("ann", 1),
    purchase("ann", 2, 20),
    view("bob", 1, "ios"),
    purchase("bob", 4, 19.99),
    view("cem", 23, "ios"),
    purchase("cem", 25, 30),  # after the range, within the window
    view("dan", 3),
    view("eve", -1),  # before the range
    purchase("eve", 1, 99),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, made_database: Path) -> Iterator[Service]:
    """A service that holds EVENTS."""
    folder: Path = tmp_path_factory.mktemp("funnel")
    with Service(copy_data_dir(made_database, folder / "data"), ANALYTICS_RETENTION_RAW_DAYS="0") as service:
        assert service.stub.TrackEvents(TrackEventsRequest(events=EVENTS), timeout=10).stored == len(EVENTS)
        yield service


def funnel(*steps: str, **fields: Any) -> GetFunnelRequest:
    """Ask about the day."""
    scope = {"start_time": to_timestamp(DAY), "end_time": to_timestamp(DAY + timedelta(days=1))}
    return GetFunnelRequest(**{"steps": steps, **scope, **fields})


def test_a_funnel_counts_and_times_its_steps(filled: Service) -> None:
    """Entries in range, completions also after it; conversions, and the seconds between."""
    answer = filled.stub.GetFunnel(funnel("view", "purchase"), timeout=10)
    assert [(step.step, step.users, step.dropped) for step in answer.steps] == [("view", 4, 0), ("purchase", 3, 1)]
    last = answer.steps[1]
    assert (last.conversion_from_first, last.conversion_from_previous) == (0.75, 0.75)
    assert (last.mean_seconds, last.median_seconds) == (7200, 7200)
    assert last.p90_seconds == pytest.approx(7200 + 0.8 * 3600)
    assert not answer.steps[0].HasField("mean_seconds")
    assert answer.open_users == 0
    assert "view > purchase" in answer.info.definition
    assert "within 14d" in answer.info.definition
    assert answer.info.HasField("as_of")


def test_an_open_window_is_told(filled: Service) -> None:
    """An entry of just now may still convert."""
    now = to_timestamp(datetime.now(UTC))
    event = Event(user_id="now", timestamp=now, view=ViewEvent(content_type="post", content_id="1"))
    assert filled.stub.TrackEvents(TrackEventsRequest(events=[event]), timeout=10).stored == 1
    answer = filled.stub.GetFunnel(GetFunnelRequest(steps=["view", "purchase"], timeframe="1h"), timeout=10)
    assert (answer.steps[0].users, answer.open_users) == (1, 1)


def test_a_breakdown_adds_up(filled: Service) -> None:
    """Groups hold all actors between them, the larger first, the missing one empty."""
    answer = filled.stub.GetFunnel(funnel("view", "purchase", breakdown="platform"), timeout=10)
    assert [(group.value, [step.users for step in group.steps]) for group in answer.groups] == [
        ("ios", [2, 2]),
        ("web", [2, 1]),
    ]
    answer = filled.stub.GetFunnel(funnel("purchase", "purchase", breakdown="metadata.source"), timeout=10)
    assert [(group.value, group.other) for group in answer.groups] == [("", False)]


@pytest.mark.parametrize(
    ("fields", "users"),
    [
        ({"steps": ["view", "purchase:amount>=20"]}, [4, 2]),
        ({"steps": ['["view", "purchase:amount>=20"]']}, [4, 2]),
        ({"steps": ["view", "purchase"], "window": "1h"}, [4, 1]),
        ({"steps": ["view", "purchase"], "window": "3599s"}, [4, 0]),
        ({"steps": ["purchase", "view"], "order": FunnelOrder.FUNNEL_ORDER_ANY}, [5, 3]),
        (
            {
                "steps": ["purchase", "view", "view"],
                "order": FunnelOrder.FUNNEL_ORDER_ANY,
                "exclusions": [FunnelExclusion(step="purchase:amount>=20", from_step=0, to_step=2)],
            },
            [5, 3, 0],
        ),
        ({"steps": ["view", "purchase"], "order": FunnelOrder.FUNNEL_ORDER_STRICT}, [4, 3]),
        ({"steps": ["view", "purchase"], "entry": FunnelEntry.FUNNEL_ENTRY_FIRST}, [4, 3]),
        ({"steps": ["view", "view"]}, [4, 0]),
    ],
)
def test_options_change_what_counts(filled: Service, fields: dict[str, Any], users: list[int]) -> None:
    """Steps, window, order and entry."""
    assert [step.users for step in filled.stub.GetFunnel(funnel(**fields), timeout=10).steps] == users


def test_the_actors_of_a_step_are_listed_page_by_page(filled: Service) -> None:
    """Those who took it with their times, and those who dropped out before it; ordered by id."""
    question = ListFunnelActorsRequest(funnel=funnel("view", "purchase"), step=1, page_size=2)
    first = filled.stub.ListFunnelActors(question, timeout=10)
    assert [actor.actor_id for actor in first.actors] == ["ann", "bob"]
    hours = [(at.ToDatetime(UTC) - DAY) / timedelta(hours=1) for at in first.actors[1].step_times]
    assert hours == [1, 4]
    question.page_token = first.next_page_token
    second = filled.stub.ListFunnelActors(question, timeout=10)
    assert ([actor.actor_id for actor in second.actors], second.next_page_token) == (["cem"], "")
    dropped = ListFunnelActorsRequest(funnel=funnel("view", "purchase"), step=1, dropped=True)
    assert [actor.actor_id for actor in filled.stub.ListFunnelActors(dropped, timeout=10).actors] == ["dan"]
    dropped.page_token = first.next_page_token
    with fails_with(grpc.StatusCode.INVALID_ARGUMENT) as caught:
        filled.stub.ListFunnelActors(dropped, timeout=10)
    assert "another request" in caught[0].details()
