"""Histories: what a few actors did, as an oracle sees it and as it is stored.

The histories come from a seed, many at once, so that one statement answers for hundreds of actors; a test then reports
the shortest history that an oracle and the statement disagree about.
"""

import json
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.rows import make_row

SOURCES = ("feed", "search", "", "1", 1, 1.5, True, None)
"""Values of metadata.source: of every type, also those that look alike as text."""


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, as far as reports look at it. `data` and `device` are what event_data and device hold."""

    actor_id: str
    timestamp: datetime
    sequence: int
    event_id: str
    event_type: str
    received_at: datetime
    signed_in: bool
    platform: str | None
    device: dict[str, Any] | None
    data: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, int, str]:
        """What an actor's events are ordered by."""
        return self.timestamp, self.sequence, self.event_id

    def row(self) -> tuple[Any, ...]:
        """Make the row that is stored of it."""
        return make_row(
            event_id=self.event_id,
            event_type=self.event_type,
            timestamp=self.timestamp,
            received_at=self.received_at,
            sequence=self.sequence,
            user_id=self.actor_id if self.signed_in else None,
            session_id=None if self.signed_in else self.actor_id,
            platform=self.platform,
            device=None if self.device is None else json.dumps(self.device),
            event_data=json.dumps(self.data),
        )


def make_histories(
    seed: int, actors: int, *, moments: Sequence[datetime], received_at: datetime, most_events: int = 8
) -> dict[str, list[Happening]]:
    """Make the history of each of so many actors, ordered.

    Args:
        seed: the same seed makes the same histories.
        actors: how many; their ids tell the seed too, so that several calls share a table.
        moments: the times at which events happen. Few of them make ties; those a microsecond before, at and after the
            ends of ranges and windows make a test sharp.
        received_at: when all of it was received.
        most_events: of an actor; at least one.
    """
    chance = random.Random(seed)  # noqa: S311 - the same histories in each run
    histories: dict[str, list[Happening]] = {}
    for number in range(actors):
        actor_id = f"actor-{seed}-{number:05}"
        times = chance.sample(moments, min(len(moments), chance.randint(1, 6)))
        events = [
            _happen(chance, actor_id, chance.choice(times), received_at) for _ in range(chance.randint(1, most_events))
        ]
        histories[actor_id] = sorted(events, key=lambda event: event.order)
    return histories


def _happen(chance: random.Random, actor_id: str, timestamp: datetime, received_at: datetime) -> Happening:
    event_type = chance.choice(("view", "view", "engagement", "engagement", "purchase"))
    data: dict[str, Any] = {}
    if event_type == "view":
        data = {"contentType": chance.choice(("post", "product")), "contentId": "c"}
    elif event_type == "engagement":
        data = {"action": chance.choice(("like", "share")), "targetType": "post", "targetId": "c"}
    else:
        amount, currency = chance.choice(((0, "USD"), (0.1, "EUR"), (19.99, "EUR"), (20, "USD"), (20.01, "EUR")))
        data = {"productId": "p", "orderId": "o", "amount": amount, "currency": currency}
        if chance.random() < 0.5:
            data["conversionPath"] = chance.sample(("feed", "search", "post"), chance.randint(1, 3))
    if event_type != "view" and chance.random() < 0.6:
        data["metadata"] = {"source": chance.choice(SOURCES)}
    return Happening(
        actor_id=actor_id,
        timestamp=timestamp,
        sequence=chance.randint(0, 1),
        event_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        event_type=event_type,
        received_at=received_at,
        signed_in=chance.random() < 0.8,
        platform=chance.choice(("web", "ios", None)),
        device=chance.choice(
            (None, {"os": "Android"}, {"os": "iOS", "osVersion": "18"}, {"os": "iOS", "osVersion": "26"})
        ),
        data=data,
    )
