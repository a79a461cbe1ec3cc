"""Summaries of rows, worked out one event after the other: what those of the service are compared with."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.hashes import hash_texts
from storage.summaries.forms.lengths import RATIO
from storage.summaries.forms.session_sample import SessionSample, make_sample
from storage.summaries.forms.sketch import make_sketch
from storage.summaries.summary import Summary
from storage.write.batch import COLUMNS
from storage.write.hours import hour_of
from tests.rows import ACTORS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALF = timedelta(minutes=30)
Event = dict[str, Any]


def events_of(rows: Iterable[Sequence[Any]]) -> list[Event]:
    """Name the columns of rows, and read their JSON."""
    named = (dict(zip(COLUMNS, row, strict=True)) for row in rows)
    return [{**row, "data": json.loads(row["event_data"], parse_float=Decimal)} for row in named]


def summarise_by_hand(rows: Iterable[Sequence[Any]]) -> dict[datetime, Summary]:
    """Summarise the rows of each hour."""
    hours: defaultdict[datetime, list[Event]] = defaultdict(list)
    for event in events_of(rows):
        hours[hour_of(event["timestamp"])].append(event)
    return {hour: summary_of(events) for hour, events in hours.items()}


def summary_of(events: Sequence[Event]) -> Summary:
    """Summarise events, whenever they happened."""
    counts: defaultdict[str, int] = defaultdict(int)
    measures: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    content: defaultdict[tuple[str, str], int] = defaultdict(int)
    paths: defaultdict[tuple[str, str], int] = defaultdict(int)
    amounts: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for event in events:
        counts[event["event_type"]] += 1
        for measure, key, number in numbers_of(event):
            keys = measures[event["event_type"]].setdefault(measure, {})
            keys[key] = max(keys.get(key, number), number) if measure == "max" else keys.get(key, 0) + number
        data = event["data"]
        if event["event_type"] == "view" and {"contentType", "contentId"} <= data.keys():
            content[data["contentType"], data["contentId"]] += 1
        if event["event_type"] == "purchase" and {"currency", "conversionPath"} <= data.keys():
            path = (data["currency"], json.dumps(data["conversionPath"], ensure_ascii=False))
            paths[path] += 1
            amounts[path] += Decimal(data["amount"])
    streams = {
        event["data"]["streamId"] for event in events if event["event_type"] == "stream" and "streamId" in event["data"]
    }
    return Summary(
        dict(counts),
        dict(measures),
        make_sketch([ACTORS.of(event["actor_id"]) for event in events]),
        make_sketch(hash_texts(pa.array(sorted(streams), pa.string()), "stream")),
        sample_of(events),
        Frequencies(dict(content)),
        Frequencies(dict(paths), dict(amounts)),
    )


def numbers_of(event: Event) -> Iterator[tuple[str, str, Any]]:
    """Tell what an event adds to the measures of its type: measure, key and number."""
    data = event["data"]
    yield "platforms", event["platform"] or "", 1
    yield "max", "receivedAt", microseconds_of(event["received_at"])
    if not event["user_id"] and not event["session_id"]:
        yield "actors", "anonymous", 1
    match event["event_type"]:
        case "purchase":
            yield "revenue", data["currency"], Decimal(data["amount"])
            yield "orders", data["currency"], 1
        case "view" if "viewDuration" in data:
            seconds = data["viewDuration"]
            yield "viewDuration", "sum", seconds
            yield "viewDuration", "count", 1
            yield "viewDurations", str(math.ceil(math.log(max(float(seconds), 0.001)) / math.log(RATIO))), 1
        case "stream":
            if "watchDuration" in data:
                yield "watchDuration", "sum", data["watchDuration"]
                yield "watchDuration", "count", 1
            if "viewerCount" in data:
                yield "viewers", "sum", data["viewerCount"]
                yield "viewers", "count", 1
                yield "max", "viewers", data["viewerCount"]
        case "session" if data.get("action") == "start":
            yield "sessions", "started", 1


def sample_of(events: Sequence[Event]) -> SessionSample:
    """Sample sessions."""
    active: defaultdict[tuple[bool, str, int], list[int]] = defaultdict(list)
    for event in events:
        inferred = not event["session_id"]
        half = (event["timestamp"] - EPOCH) // HALF if inferred else 0
        active[inferred, event["session_id"] or event["actor_id"], half].append(microseconds_of(event["timestamp"]))
    return make_sample(
        [
            ACTORS.of(name) if inferred else int(hash_texts(pa.array([name]), "session")[0])
            for inferred, name, _ in active
        ],
        [inferred for inferred, _, _ in active],
        [min(moments) for moments in active.values()],
        [max(moments) for moments in active.values()],
    )


def first_sights_by_hand(rows: Iterable[Sequence[Any]]) -> dict[int, datetime]:
    """Tell when each actor with an id of its own was seen first."""
    firsts: dict[int, datetime] = {}
    for event in events_of(rows):
        if event["user_id"] or event["session_id"]:
            actor = ACTORS.of(event["actor_id"])
            firsts[actor] = min(event["timestamp"], firsts.get(actor, event["timestamp"]))
    return firsts


def microseconds_of(moment: datetime) -> int:
    """Tell a time in microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
