"""Summaries: what a dashboard needs of some events, in forms that add up exactly and in any order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import localcontext
from typing import Self, TypeAlias

from storage.summaries.forms.frequencies import NO_THINGS, Frequencies, add_frequencies
from storage.summaries.forms.numbers import EXACTLY, Number, add_numbers, keep_largest
from storage.summaries.forms.session_sample import ROW_BYTES, SessionSample, merge_samples
from storage.summaries.forms.sketch import EMPTY, estimate, merge_sketches

Measures: TypeAlias = Mapping[str, Mapping[str, Number]]
"""Numbers by measure and key."""

LARGEST = "max"
"""The one measure whose numbers do not add up: the largest stays."""
ENTRIES_OF_SUMMARY = 10
"""What one takes up that is empty."""
BYTES_OF_ENTRY = 210
NO_SESSIONS = SessionSample()


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in a period, or in several: that of an hour is made of its events, longer ones are sums of hours.

    The measures of an event type, and their keys. All numbers are sums, exact (int or Decimal), but those of "max":

    - `platforms`: events by platform; the key "" stands for events without one. Of every type.
    - `actors`: `anonymous`, the events without user and session, each of which is an actor of its own.
    - `max`: `receivedAt`, the newest receipt in microseconds since 1970, of every type. `viewers`, the largest
      `viewerCount` of stream events.
    - `revenue`, `orders`: of purchases, by currency: the sum of `amount` (Decimal), and how many purchases there are.
    - `viewDuration`: `sum` and `count` of the seconds of views that have one. The sum is that of decimals, each the
      shortest that tells its double (Python's `repr`).
    - `viewDurations`: views by length: bucket i (a text) counts seconds above g^(i-1) and up to g^i, g = 1.01 / 0.99,
      so that its middle, 2 g^i / (g + 1), is at most 1 % from any of them (DDSketch, Masson et al. 2019): i is the
      ceiling of ln(seconds) / ln(g). Less than 1 ms counts as 1 ms.
    - `watchDuration`: `sum` and `count` of the seconds of stream events that have one, likewise.
    - `viewers`: `sum` and `count` of `viewerCount` of the stream events that have one.
    - `sessions`: `started`, the session events whose action is `start`.

    A measure without keys, and a key without events, is missing. What is missing counts as zero.

    Attributes:
        counts: events by type.
        measures: by type; see above.
        actors: a sketch of `actor_hash`, of all events.
        streams: a sketch of `streamId` of stream events, hashed as the kind "stream" by `hash_texts`.
        sample: of sessions, as `storage.summaries.forms.session_sample` tells; session ids are hashed as "session".
        content: how often each content was viewed: kind `contentType`, name `contentId`; of views that have both.
        paths: how often each conversion path led to a purchase, and for how much: kind `currency`, name the list
            `conversionPath` as `json.dumps(path, ensure_ascii=False)`; of purchases that have both.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Measures] = field(default_factory=dict)
    actors: bytes = EMPTY
    streams: bytes = EMPTY
    sample: SessionSample = NO_SESSIONS
    content: Frequencies = NO_THINGS
    paths: Frequencies = NO_THINGS

    @property
    def events(self) -> int:
        """Events of all types."""
        return sum(self.counts.values())

    @property
    def entries(self) -> int:
        """How much memory this takes, in entries of BYTES_OF_ENTRY bytes."""
        sketches = (len(self.actors) + len(self.streams)) // BYTES_OF_ENTRY
        measured = sum(len(keys) for measures in self.measures.values() for keys in measures.values())
        listed = len(self.content.counts) + len(self.paths.counts)
        return ENTRIES_OF_SUMMARY + sketches + measured + len(self.sample.rows) // ROW_BYTES + listed

    @property
    def users(self) -> int:
        """Distinct actors, estimated."""
        return round(estimate(self.actors))

    @property
    def live_streams(self) -> int:
        """Distinct live streams, estimated."""
        return round(estimate(self.streams))

    def cut(self) -> Self:
        """Leave the rarest contents and paths out if there are many, as is done to what is stored."""
        content, paths = self.content.cut(), self.paths.cut()
        if content is self.content and paths is self.paths:
            return self
        return replace(self, content=content, paths=paths)

    def keys_of(self, measure: str, event_type: str) -> Mapping[str, Number]:
        """Return the numbers of a measure of one type by key; empty where there are none."""
        return self.measures.get(event_type, {}).get(measure, {})

    def types_of(self, measure: str) -> Iterator[Mapping[str, Number]]:
        """Yield the numbers of a measure by key, of each type that has it."""
        for measures in self.measures.values():
            if measure in measures:
                yield measures[measure]


def add(parts: Sequence[Summary]) -> Summary:
    """Add parts up: exactly, in any order, also in sums of sums; none of them is changed. Nothing is left out.

    Of no parts it is an empty summary.
    """
    if len(parts) == 1:
        return parts[0]
    counts: dict[str, int] = {}
    for part in parts:
        add_numbers(counts, part.counts)
    return Summary(
        counts,
        add_measures([part.measures for part in parts]),
        merge_sketches(part.actors for part in parts),
        merge_sketches(part.streams for part in parts),
        merge_samples(part.sample for part in parts),
        add_frequencies([part.content for part in parts]),
        add_frequencies([part.paths for part in parts]),
    )


def add_measures(parts: Sequence[Mapping[str, Measures]]) -> dict[str, dict[str, dict[str, Number]]]:
    """Add measures up, by event type."""
    added: dict[str, dict[str, dict[str, Number]]] = {}
    with localcontext(EXACTLY):
        for part in parts:
            for event_type, found in part.items():
                known = added.setdefault(event_type, {})
                for measure, numbers in found.items():
                    merge = keep_largest if measure == LARGEST else add_numbers
                    merge(known.setdefault(measure, {}), numbers)
    return added
