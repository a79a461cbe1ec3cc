"""Summaries of tables of events say what counting one event after the other says."""

import json
import math
import random
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from storage.summaries.forms.hashes import hash_texts
from storage.summaries.forms.session_sample import estimate_sessions
from storage.summaries.forms.sketch import estimate, make_sketch
from storage.summaries.summarise import SUMMARY_COLUMNS, first_sights, summarise
from storage.summaries.summary import Summary, add
from tests.event_tables import make_table
from tests.rows import ACTORS, NOON, make_row

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAYLOADS: Sequence[tuple[str, dict[str, Any]]] = (
    ("view", {"contentType": "post", "contentId": "1"}),
    ("view", {"contentType": "post", "contentId": "2", "viewDuration": 0.1}),
    ("view", {"contentType": "shop", "contentId": "1", "viewDuration": 12.345}),
    ("view", {"contentType": "shop", "contentId": "ü", "viewDuration": 0}),
    ("view", {"contentType": "shop", "contentId": "1", "viewDuration": 0.1234567891234}),
    ("purchase", {"amount": 0.1, "currency": "EUR"}),
    ("purchase", {"amount": 29.99, "currency": "USD", "conversionPath": ["feed", 'a, "b"']}),
    ("purchase", {"amount": 1_000_000_000_000, "currency": "EUR", "conversionPath": ["feed", 'a, "b"']}),
    ("purchase", {"amount": 0.01, "currency": "EUR", "conversionPath": [""]}),
    ("purchase", {"amount": 5, "currency": "EUR", "conversionPath": ["", ""]}),
    ("stream", {"streamId": "s1", "action": "join"}),
    ("stream", {"streamId": "s2", "action": "join", "viewerCount": 0, "watchDuration": 0.7}),
    ("stream", {"streamId": "s1", "action": "leave", "viewerCount": 12, "watchDuration": 600}),
    ("session", {"action": "start"}),
    ("session", {"action": "end"}),
)


def make_happenings(seed: int, number: int) -> list[dict[str, Any]]:
    """Make what happened as rows by column name, with the payload parsed."""
    chance = random.Random(seed)  # noqa: S311 - the same events in each run
    happenings = []
    for place in range(number):
        event_type, data = chance.choice(PAYLOADS)
        user, session = chance.choice((None, f"u{place % 7}")), chance.choice((None, f"s{place % 9}"))
        event_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        timestamp = NOON + timedelta(minutes=chance.choice((0, 1, 29, 30, 59, 60, 150)), microseconds=place % 3)
        happenings.append(
            {
                "event_id": event_id,
                "event_type": event_type,
                "timestamp": timestamp,
                "received_at": timestamp + timedelta(seconds=place % 5),
                "user_id": user,
                "session_id": session,
                "platform": chance.choice((None, "web", "ios")),
                "event_data": data,
                "actor": ACTORS.of(user or session or event_id),
            }
        )
    return happenings


def table_of(happenings: Iterable[dict[str, Any]]) -> pa.Table:
    """Store them as blocks do."""
    return make_table(
        [
            make_row(
                **{
                    **{name: value for name, value in one.items() if name != "actor"},
                    "event_data": json.dumps(one["event_data"]),
                }
            )
            for one in happenings
        ]
    )


def expected_measures(happenings: Iterable[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Add measures up, one event after the other, as `Summary` describes them."""
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))

    def add_to(event_type: str, measure: str, key: str, number: int | Decimal) -> None:
        keys = found[event_type][measure]
        keys[key] = keys.get(key, 0) + number

    for one in happenings:
        name, data = one["event_type"], one["event_data"]
        add_to(name, "platforms", one["platform"] or "", 1)
        if one["user_id"] is None and one["session_id"] is None:
            add_to(name, "actors", "anonymous", 1)
        largest = found[name]["max"]
        largest["receivedAt"] = max(
            largest.get("receivedAt", 0), (one["received_at"] - EPOCH) // timedelta(microseconds=1)
        )
        if name == "session" and data["action"] == "start":
            add_to(name, "sessions", "started", 1)
        if name == "purchase":
            add_to(name, "revenue", data["currency"], Decimal(str(data["amount"])))
            add_to(name, "orders", data["currency"], 1)
        for field, measure in (
            ("viewDuration", "viewDuration"),
            ("watchDuration", "watchDuration"),
            ("viewerCount", "viewers"),
        ):
            if field in data:
                add_to(name, measure, "sum", Decimal(str(data[field])))
                add_to(name, measure, "count", 1)
        if "viewDuration" in data:
            seconds = max(data["viewDuration"], 0.001)
            add_to(name, "viewDurations", str(math.ceil(math.log(seconds) / math.log(1.01 / 0.99))), 1)
        if "viewerCount" in data:
            largest["viewers"] = max(largest.get("viewers", 0), data["viewerCount"])
    return {name: {measure: dict(keys) for measure, keys in measures.items()} for name, measures in found.items()}


def expected_paths(happenings: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, Decimal]]:
    """Count purchases by currency and path, and add their amounts up."""
    found: dict[tuple[str, str], tuple[int, Decimal]] = {}
    for one in happenings:
        data = one["event_data"]
        if "conversionPath" in data:
            thing = data["currency"], json.dumps(data["conversionPath"], ensure_ascii=False)
            orders, amount = found.get(thing, (0, Decimal(0)))
            found[thing] = orders + 1, amount + Decimal(str(data["amount"]))
    return found


def check(summary: Summary, happenings: Sequence[dict[str, Any]]) -> None:
    """Compare a summary with what happened."""
    assert summary.counts == Counter(one["event_type"] for one in happenings)
    assert summary.measures == expected_measures(happenings)
    assert summary.content.counts == Counter(
        (one["event_data"]["contentType"], one["event_data"]["contentId"])
        for one in happenings
        if one["event_type"] == "view"
    )
    paths = expected_paths(happenings)
    assert {
        thing: (summary.paths.counts[thing], summary.paths.amounts[thing]) for thing in summary.paths.counts
    } == paths
    assert summary.actors == make_sketch([one["actor"] for one in happenings])
    streams = {one["event_data"]["streamId"] for one in happenings if one["event_type"] == "stream"}
    assert round(estimate(summary.streams)) == len(streams)


@pytest.mark.parametrize("seed", range(3))
def test_a_summary_counts_each_event_of_its_hour(seed: int) -> None:
    """Of dense hours, and of one with few events."""
    happenings = make_happenings(seed, 500)
    by_hour: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
    for one in happenings:
        by_hour[one["timestamp"].replace(minute=0, microsecond=0)].append(one)
    summaries = summarise(table_of(happenings))
    assert summaries.keys() == by_hour.keys()
    for hour, summary in summaries.items():
        check(summary, by_hour[hour])


@pytest.mark.parametrize("seed", range(3))
def test_summaries_of_parts_add_up_to_that_of_all_events(seed: int) -> None:
    """However the events are spread over tables."""
    happenings = make_happenings(seed, 300)
    parts = [one for place in range(3) for one in summarise(table_of(happenings[place::3])).values()]
    check(add(parts), happenings)
    together = add(list(summarise(table_of(happenings)).values()))
    assert add(parts).sample == together.sample
    assert add(parts).streams == together.streams


def test_sessions_go_on_over_the_ends_of_hours() -> None:
    """With an id, and without one while less than 30 minutes pass."""
    minutes = (0, 29, 58, 88, 117)  # the second session begins exactly 30 minutes later
    rows = [make_row(user_id="u", session_id=None, timestamp=NOON + timedelta(minutes=minute)) for minute in minutes]
    rows += [make_row(session_id="s", user_id=user, timestamp=NOON + at * HOUR) for user, at in (("u", 0), ("v", 5))]
    figures = estimate_sessions(add(list(summarise(make_table(rows)).values())).sample)
    assert (figures.sessions, figures.is_exact) == (3, True)
    assert figures.length_us == (58 + 29 + 300) * 60_000_000


def test_few_columns_are_enough() -> None:
    """A table has the columns that its events need: these have no payload, no actor and no platform."""
    row = make_row(user_id=None, session_id=None, platform=None, event_type="later", event_data="{}")
    table = make_table([row])
    (summary,) = summarise(table.select([name for name in table.column_names if name in SUMMARY_COLUMNS])).values()
    assert summary.counts == {"later": 1}
    assert summary.measures["later"]["actors"] == {"anonymous": 1}
    assert summary.users == 1


def test_first_sights_are_the_earliest_events_of_known_actors() -> None:
    """An event without user and session is its own actor, and never comes back."""
    happenings = make_happenings(1, 200)
    known = [one for one in happenings if one["user_id"] or one["session_id"]]
    actors, times = first_sights(table_of(happenings))
    expected: dict[int, datetime] = {}
    for one in known:
        expected[one["actor"]] = min(one["timestamp"], expected.get(one["actor"], one["timestamp"]))
    assert actors.tolist() == sorted(expected)
    assert [EPOCH + timedelta(microseconds=at) for at in times.tolist()] == [
        expected[actor] for actor in sorted(expected)
    ]


def test_no_event_without_ids_is_seen_first() -> None:
    """Nor does it fail."""
    actors, times = first_sights(make_table([make_row(user_id=None, session_id=None)]))
    assert (len(actors), len(times)) == (0, 0)


def test_hashes_of_texts_are_the_same_whatever_stands_beside_them() -> None:
    """And differ by text, length and kind."""
    texts = ["", "a", "ab", "abcdefgh", "abcdefghi", "x" * 300, "ü", str(uuid.uuid4())]
    together = hash_texts(pa.array(texts), "session").tolist()
    assert together == [int(hash_texts(pa.array([text]), "session")[0]) for text in texts]
    assert hash_texts(pa.array(texts).slice(2, 3), "session").tolist() == together[2:5]
    assert not set(together) & set(hash_texts(pa.array(texts), "stream").tolist())
    assert len(set(hash_texts(pa.array([str(number) for number in range(100_000)]), "session").tolist())) == 100_000


def test_hashes_of_texts_stay_what_they_are() -> None:
    """They outlive the events, so another hash would count the same sessions twice."""
    assert hash_texts(pa.array(["session-1"]), "session").tolist() == [7720837219910777536]


def test_bits_of_hashes_are_even() -> None:
    """Sketches choose registers by the low ones."""
    hashes = hash_texts(pa.array([str(number) for number in range(100_000)]), "session")
    registers = np.bincount(hashes & 1023, minlength=1024)
    assert abs(registers.std() / math.sqrt(100_000 / 1024) - 1) < 0.2
