"""Measure what an event costs between the wire and the row; run it with `python -m bench.validate`.

Each step is timed alone in rounds that take turns, and the least time of a step counts, so that a busy machine disturbs
the comparison little. "touch" gets the same fields of the same event and checks nothing: what protobuf itself takes.
"row_fresh_view" parses the event first, as the service does.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf import json_format

from bench.machine import describe_machine
from events.normalize import Normalizer, Rejected
from events.rules import Validator
from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

Step = Callable[[], object]

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
_which_oneof = Event.WhichOneof
_has_field = Event.HasField


def make_view() -> Event:
    """Make a typical event: a view with every field of its payload."""
    event = Event(
        event_id="01890a5d-ac96-774b-bcce-b302099a8057",
        user_id="user-123",
        session_id="session-456",
        schema_version="1.1.0",
        platform="mobile",
        timestamp=NOW,
        view=ViewEvent(content_type="post", content_id="post-123", view_duration=45, scroll_depth=0.8, referrer="feed"),
    )
    return Event.FromString(event.SerializeToString())


def make_purchase() -> Event:
    """Make a purchase without metadata."""
    event = Event(
        event_id="01890a5d-ac96-774b-bcce-b302099a8057",
        user_id="user-123",
        session_id="session-456",
        platform="mobile",
        timestamp=NOW,
        purchase=PurchaseEvent(
            product_id="product-456",
            order_id="order-789",
            amount=29.99,
            currency="USD",
            quantity=1,
            payment_method="wallet",
            conversion_path=["view", "add_to_cart", "purchase"],
        ),
    )
    return Event.FromString(event.SerializeToString())


def make_engagement() -> Event:
    """Make an engagement that says more in its metadata: seven values in three objects and lists."""
    event = Event(
        event_id="01890a5d-ac96-774b-bcce-b302099a8057",
        user_id="user-123",
        timestamp=NOW,
        engagement=EngagementEvent(action="like", target_type="post", target_id="post-123"),
    )
    event.engagement.metadata.update({"source": "feed", "position": 3, "tags": {"shown": [1, 2, "x"]}})
    return Event.FromString(event.SerializeToString())


def make_json_form(event: Event) -> Event:
    """Make the event that a JSON caller would send through `data`."""
    values = json_format.MessageToDict(event)
    event_type = str(event.WhichOneof("payload"))
    values["eventType"], values["data"] = event_type, values.pop(event_type)
    return json_format.ParseDict(values, Event())


def make_bad() -> Event:
    """Make an event with three things wrong: a negative duration, no content_id, a bad id."""
    event = make_view()
    event.event_id = "event-1"
    event.view.view_duration = -1
    event.view.content_id = ""
    return event


def touch(event: Event) -> object:
    """Get what a reader gets, in the cheapest way there is."""
    _which_oneof(event, "payload")
    view, stamp = event.view, event.timestamp
    return (
        _has_field(event, "data") or _has_field(event, "device") or _has_field(event, "sent_at"),
        event.event_id,
        event.event_type,
        event.schema_version,
        event.user_id,
        event.session_id,
        event.platform,
        event.user_agent,
        event.ip_address,
        event.sequence,
        stamp.seconds,
        stamp.nanos,
        view.content_type,
        view.content_id,
        view.view_duration,
        view.scroll_depth,
        view.referrer,
    )


def make_steps() -> dict[str, Step]:
    """Make the steps to measure, by name."""
    validate = Validator().read
    normalizer = Normalizer(ip_hash_key=b"k" * 32, retention_raw_days=90)
    view, purchase, engagement, bad = make_view(), make_purchase(), make_engagement(), make_bad()
    view_json, purchase_json = make_json_form(view), make_json_form(purchase)
    wire = view.SerializeToString()
    for event in (view, purchase, engagement, view_json, purchase_json, bad):
        if isinstance(normalizer.prepare(event, NOW), Rejected) is not (event is bad):
            raise SystemExit("one of the benchmark's good events is refused, or its bad one is not; mend it")
    return {
        "parse_view": lambda: Event.FromString(wire),
        "touch_view": lambda: touch(view),
        "validate_view": lambda: validate(view),
        "row_view": lambda: normalizer.prepare(view, NOW),
        "row_fresh_view": lambda: normalizer.prepare(Event.FromString(wire), NOW),
        "row_view_json": lambda: normalizer.prepare(view_json, NOW),
        "validate_purchase": lambda: validate(purchase),
        "row_purchase": lambda: normalizer.prepare(purchase, NOW),
        "row_purchase_json": lambda: normalizer.prepare(purchase_json, NOW),
        "row_engagement": lambda: normalizer.prepare(engagement, NOW),
        "reject_bad_view": lambda: normalizer.prepare(bad, NOW),
    }


def measure(steps: dict[str, Step], *, rounds: int, calls: int) -> dict[str, float]:
    """Time each step: the least microseconds a call among the rounds."""
    least = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter_ns()
            for _ in range(calls):
                step()
            least[name] = min(least[name], (time.perf_counter_ns() - start) / calls / 1000)
    return least


def main() -> None:
    """Print a line for each step, then all of them as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--calls", type=int, default=500, help="calls of each step in a round; few, so that some are undisturbed"
    )
    arguments = parser.parse_args()
    machine = describe_machine()
    print(f"machine: {machine}")
    print(f"command: python -m bench.validate {' '.join(sys.argv[1:])}".rstrip())
    figures = measure(make_steps(), rounds=arguments.rounds, calls=arguments.calls)
    for name, microseconds in figures.items():
        print(f"{name:>18} {microseconds:6.2f} us")
    print(json.dumps({**{f"{name}_us": round(value, 2) for name, value in figures.items()}, "machine": machine}))


if __name__ == "__main__":
    main()
