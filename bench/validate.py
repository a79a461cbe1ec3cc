"""Measure what an event costs between the wire and the row; run it with `make bench-validate`.

Each step is timed alone in rounds that take turns, and the least time of a step counts, so that a busy machine disturbs
the comparison little. "touch" gets the same fields of the same event and checks nothing: what protobuf itself takes.
"row_fresh_view" parses the event first, as the service does.

`loads_view` is what orjson takes for the JSON of the same view, `validate_view_json` what reading and judging it takes
beyond that, `row_fresh_view_json` both and the row; "data" is the JSON form of a payload in a message.
`broken_batch_ratio` is the time to read a body of 1,000 events of which one is no JSON, so that all are read one by
one, over the time for one of good ones.

Reading and validating are one pass, and the row needs what is read in any case. So in the JSON of the last line
`validate_us` is what validation adds for a typical event (validate_view - touch_view), `read_us` is touch_view alone,
and `read_and_validate_us` both.

`mixed_batch_ratio` is the time to prepare 1,000 events of which every second one has the same mistake, as those
of a wrong client do, rejections included, over the time for 1,000 good ones: the mean over MISTAKES.
`mixed_batch_ratio_three_mistakes` is the same with three mistakes in each bad event, `mixed_batch_ratio_in_turns` with
one of MISTAKES after the other, which the processor cannot foresee.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from google.protobuf import json_format

from bench.machine import describe_machine
from cli.run.worker import COLLECT_AFTER_OBJECTS
from events.json.document import Broken, read_event, read_events
from events.json.message import message_value
from events.normalize import Normalizer, Rejected
from events.rejection import reject_event
from events.rules.validation import Validator
from server.ingest.tally import MAX_REJECTION_BYTES, Tally
from sociallive.analytics.v1.engagement_event_pb2 import EngagementEvent
from sociallive.analytics.v1.event_pb2 import Event
from sociallive.analytics.v1.purchase_event_pb2 import PurchaseEvent
from sociallive.analytics.v1.track_pb2 import TrackBatchRequest
from sociallive.analytics.v1.view_event_pb2 import ViewEvent

Step = Callable[[], object]

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BATCH_EVENTS = 1_000
MISTAKES: Mapping[str, Callable[[Event], None]] = {
    "no content_id": lambda event: event.view.ClearField("content_id"),
    "negative view_duration": lambda event: setattr(event.view, "view_duration", -1),
    "content_id too long": lambda event: setattr(event.view, "content_id", "x" * 300),
    "id that is no UUID": lambda event: setattr(event, "event_id", "event-1"),
    "timestamp too old": lambda event: setattr(event.timestamp, "seconds", 1_600_000_000),
}
"""What one mistake of a realistic bad event is."""
IN_TURNS = "one after the other"
THREE_MISTAKES = "three mistakes"
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


def make_batches() -> dict[str, bytes]:
    """Serialize the batches to compare: all good, and every second event bad."""
    good, three = make_view(), make_bad()
    bad = {name: make_view() for name in MISTAKES}
    for name, spoil in MISTAKES.items():
        spoil(bad[name])
    return {
        "good": _batch(good, [good]),
        **{name: _batch(good, [event]) for name, event in bad.items()},
        IN_TURNS: _batch(good, [*bad.values()]),
        THREE_MISTAKES: _batch(good, [three]),
    }


def _batch(good: Event, bad: Sequence[Event]) -> bytes:
    events = [bad[place // 2 % len(bad)] if place % 2 else good for place in range(BATCH_EVENTS)]
    return TrackBatchRequest(events=events).SerializeToString()


def prepare_batch(normalizer: Normalizer, request: TrackBatchRequest) -> tuple[list[object], Tally]:
    """Prepare the events of a message as the pipeline does, and answer all that it keeps of them."""
    tally, kept = Tally(), list[object]()
    for index, event in enumerate(request.events):
        prepared = normalizer.prepare(event, NOW)
        if isinstance(prepared, Rejected):
            tally.reject(index, event.event_id, prepared, most_bytes=MAX_REJECTION_BYTES // BATCH_EVENTS)
            kept.append(reject_event(event, prepared, NOW, "TrackBatch"))
        else:
            kept.append(prepared)
    return kept, tally


def measure_batches(*, rounds: int) -> dict[str, float]:
    """Time the preparing of each batch: the least microseconds an event among the rounds."""
    normalizer, batches = Normalizer(ip_hash_key=b"k" * 32, retention_raw_days=90), make_batches()
    least = dict.fromkeys(batches, float("inf"))
    for _ in range(rounds):
        for name, wire in batches.items():
            request = TrackBatchRequest.FromString(wire)  # anew: a message keeps what was gotten from it
            start = time.perf_counter_ns()
            kept = prepare_batch(normalizer, request)
            least[name] = min(least[name], (time.perf_counter_ns() - start) / BATCH_EVENTS / 1000)
            if kept[1].rejected != (0 if name == "good" else BATCH_EVENTS // 2):
                raise SystemExit(f"the batch {name} holds other events than it should; mend it")
            del kept
    return least


def measure_bodies(*, rounds: int) -> tuple[float, float]:
    """Time the reading of a body of good events, and of one with an event that is no JSON: microseconds an event."""
    event = orjson.dumps(message_value(make_json_form(make_view())))
    good = b'{"events":[' + b",".join([event] * BATCH_EVENTS) + b"]}"
    broken = good.replace(b"0.8", b"NaN", 1)
    least = [float("inf"), float("inf")]
    for _ in range(rounds):
        for place, body in enumerate((good, broken)):
            start = time.perf_counter_ns()
            document = read_events(body, most=BATCH_EVENTS)
            least[place] = min(least[place], (time.perf_counter_ns() - start) / BATCH_EVENTS / 1000)
            if sum(isinstance(value, Broken) for value in document.values) != place:
                raise SystemExit("the bodies hold other events than they should; mend them")
    return least[0], least[1]


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
    validator = Validator()
    validate, read_json = validator.read, validator.read_json
    normalizer = Normalizer(ip_hash_key=b"k" * 32, retention_raw_days=90)
    view, purchase, engagement, bad = make_view(), make_purchase(), make_engagement(), make_bad()
    view_data, purchase_data = make_json_form(view), make_json_form(purchase)
    view_json, purchase_json = message_value(view_data), message_value(purchase_data)
    view_text = orjson.dumps(view_json)
    wire = view.SerializeToString()
    for event in (view, purchase, engagement, view_data, purchase_data, bad):
        if isinstance(normalizer.prepare(event, NOW), Rejected) is not (event is bad):
            raise SystemExit("one of the benchmark's good events is refused, or its bad one is not; mend it")
    for message, value in ((view, view_json), (purchase, purchase_json)):
        if normalizer.prepare_json(value, NOW) != normalizer.prepare(message, NOW):
            raise SystemExit("the same event makes other rows as JSON; mend it")
    return {
        "parse_view": lambda: Event.FromString(wire),
        "touch_view": lambda: touch(view),
        "validate_view": lambda: validate(view),
        "row_view": lambda: normalizer.prepare(view, NOW),
        "row_fresh_view": lambda: normalizer.prepare(Event.FromString(wire), NOW),
        "row_view_data": lambda: normalizer.prepare(view_data, NOW),
        "loads_view": lambda: orjson.loads(view_text),
        "validate_view_json": lambda: read_json(view_json, ""),
        "row_view_json": lambda: normalizer.prepare_json(view_json, NOW),
        "row_fresh_view_json": lambda: normalizer.prepare_json(read_event(view_text), NOW),
        "validate_purchase": lambda: validate(purchase),
        "row_purchase": lambda: normalizer.prepare(purchase, NOW),
        "row_purchase_data": lambda: normalizer.prepare(purchase_data, NOW),
        "row_purchase_json": lambda: normalizer.prepare_json(purchase_json, NOW),
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
    """Print a line for each step and batch, then the figures as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument(
        "--calls", type=int, default=500, help="calls of each step in a round; few, so that some are undisturbed"
    )
    arguments = parser.parse_args()
    machine = describe_machine()
    print(f"machine: {machine}")
    print(f"command: python -m bench.validate {' '.join(sys.argv[1:])}".rstrip())
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])  # as a worker does
    steps = measure(make_steps(), rounds=arguments.rounds, calls=arguments.calls)
    for name, microseconds in steps.items():
        print(f"{name:>19} {microseconds:6.2f} us")
    batches = measure_batches(rounds=arguments.rounds)
    ratios = {name: microseconds / batches["good"] for name, microseconds in batches.items()}
    print(f"an event of a batch of {BATCH_EVENTS:,}, every second one bad:")
    for name, ratio in ratios.items():
        print(f"{name:>23} {batches[name]:6.2f} us, ratio {ratio:.2f}")
    good, broken = measure_bodies(rounds=arguments.rounds)
    print(f"an event of a JSON body of {BATCH_EVENTS:,}: {good:.2f} us, {broken:.2f} us where one is no JSON")
    figures = {
        "validate_us": steps["validate_view"] - steps["touch_view"],
        "read_us": steps["touch_view"],
        "read_and_validate_us": steps["validate_view"],
        "parse_us": steps["parse_view"],
        "row_us": steps["row_view"],
        "json_read_and_validate_us": steps["validate_view_json"],
        "json_parse_us": steps["loads_view"],
        "json_ratio": steps["row_fresh_view_json"] / steps["row_fresh_view"],
        "broken_batch_ratio": broken / good,
        "mixed_batch_ratio": sum(ratios[name] for name in MISTAKES) / len(MISTAKES),
        "mixed_batch_ratio_in_turns": ratios[IN_TURNS],
        "mixed_batch_ratio_three_mistakes": ratios[THREE_MISTAKES],
    }
    print(json.dumps({**{name: round(value, 2) for name, value in figures.items()}, "machine": machine}))


if __name__ == "__main__":
    main()
