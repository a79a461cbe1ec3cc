"""What the machine of `test_write_model` sends: few ids, so that they meet, with few payloads, and some poison."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.integration.write_line import Cut, Moment
from tests.integration.write_model import Sent
from tests.rows import NOON, make_row

PROCESSES = 2
IDS_AT_ONCE = 6
GOOD_TO_ONE_POISON = 6
EVENTS_PER_ID = 4
"""As so many events are sent, one id is used no more, and a new one takes its place."""
HOURS_APART = 11
"""Events that are received hour by hour have happened on two days."""
POISONS: tuple[dict[str, Any], ...] = (
    {"event_data": '{"contentType":"a\\u0000b","contentId":"post-1"}'},
    {"user_agent": "a\0b"},
    {"session_id": "a\0b"},
    {"event_id": "not-a-uuid"},
)
"""What a block refuses, of a column each."""
BEST = (Moment.COMMIT_LATE, Moment.COMMIT_UNANSWERED)
"""Moments that are worth twice as many cuts: they leave a commit behind that nobody knows of."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to send.

    Attributes:
        number: of its id, among those in use.
        variant: which of two events it is.
        hours: since noon, when it is received.
        poison: the place of its poison, if any.
    """

    number: int
    variant: int
    hours: int
    poison: int | None

    def make(self, sequence: int) -> Sent:
        """Make it the sending `sequence`."""
        poison = {} if self.poison is None else {"user_id": "user-poisoned", **POISONS[self.poison]}
        values: dict[str, Any] = {
            # By hash, so that their order is not that of their age.
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(sequence // EVENTS_PER_ID + self.number))),
            "event_type": ("view", "purchase")[self.variant],
            "user_id": f"user-{self.variant}",
            "timestamp": NOON + timedelta(hours=HOURS_APART * self.hours),
            "received_at": NOON + timedelta(hours=self.hours),
            "sequence": sequence,
            **poison,
        }
        return Sent(make_row(**values), is_poison=self.poison is not None)


@dataclass(frozen=True, slots=True)
class Letter:
    """What one call writes: to which process, events, and the number of rejections that come with them."""

    process: int
    drafts: Sequence[Draft]
    rejections: int


# One choice an event: what hypothesis keeps of an example is bounded, and many choices make it a short one.
_drafts = st.sampled_from(
    [
        Draft(number, variant, hours, poison)
        for number in range(IDS_AT_ONCE)
        for variant in (0, 0, 0, 0, 1)
        for hours in range(3)
        for poison in [None] * GOOD_TO_ONE_POISON * len(POISONS) + list(range(len(POISONS)))
    ]
)
_processes = st.integers(0, PROCESSES - 1)
letters = st.builds(
    Letter, process=_processes, drafts=st.lists(_drafts, min_size=1, max_size=5), rejections=st.sampled_from([0, 0, 1])
) | st.builds(Letter, process=_processes, drafts=st.just(()), rejections=st.integers(1, 2))
mail = st.lists(letters, min_size=1, max_size=4)


def _cuts(moments: Sequence[Moment]) -> st.SearchStrategy[Sequence[Cut]]:
    """Draw one to three cuts, of which a quarter are the last."""
    choice = [Cut(moment, is_last) for moment in moments for is_last in (False, False, False, True)]
    return st.lists(st.sampled_from(choice), min_size=1, max_size=3)


moments = st.sampled_from([*Moment, *BEST])
cuts = _cuts([*Moment, *BEST])
drain_cuts = _cuts([*Moment, *BEST, Moment.ASKED, Moment.ASKED, Moment.ASKED])
"""Writers overtake a drainer that is cut while it asks."""
