"""What a dashboard is asked, and the rows that it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.summaries.periods import Span

TOP_CONTENT = 10
TOP_PATHS = 10
"""A dashboard shows so many; longer lists are a report of their own."""


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """Events of a type in range, and in the range of the same length just before."""

    event_type: str
    count: int
    previous_count: int


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """Events of a type in the period of this place among those asked for."""

    place: int
    event_type: str
    count: int


@dataclass(frozen=True, slots=True)
class RevenueTotal:
    """Purchases in a currency; `amount` is an exact decimal as text."""

    currency: str
    amount: str
    orders: int


@dataclass(frozen=True, slots=True)
class ContentViews:
    """Views of a content."""

    content_type: str
    content_id: str
    views: int


@dataclass(frozen=True, slots=True)
class PathOrders:
    """Purchases at the end of a conversion path."""

    steps: tuple[str, ...]
    orders: int
    revenue: tuple[RevenueTotal, ...]


@dataclass(frozen=True, slots=True)
class StreamTotals:
    """What happened in live streams; viewers are None where no event tells them, what was watched is in seconds."""

    live_streams: int
    peak_viewers: int | None
    mean_viewers: float | None
    watch_duration: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one range; durations are means and medians in seconds, None where nothing tells any.

    Those that add up over ranges come first. The others need the events themselves, or are estimated.
    """

    events: int
    revenue: tuple[RevenueTotal, ...]
    mean_view_duration: float | None

    users: int
    new_users: int
    sessions: int
    mean_session_duration: float | None
    median_view_duration: float | None
    streams: StreamTotals

    @property
    def orders(self) -> int:
        """Purchases in all currencies."""
        return sum(row.orders for row in self.revenue)


@dataclass(frozen=True, slots=True)
class Estimate:
    """How far a figure may be off; one of the errors is set.

    Attributes:
        figure: the path of its field in the answer.
        standard_error: as a share of it.
        largest_error: likewise, at most.
        largest_count: how much each count of a list is too low at most.
    """

    figure: str
    standard_error: float | None = None
    largest_error: float | None = None
    largest_count: int | None = None


@dataclass(frozen=True, slots=True)
class DashboardRows:
    """What a dashboard shows. Only types, platforms and periods with an event occur."""

    figures: Figures
    previous: Figures
    totals: Sequence[TypeTotal]
    platforms: Sequence[tuple[str, int]]
    """(platform, events), most events first; empty texts where events tell none."""
    series: Sequence[SeriesCount]
    top_content: Sequence[ContentViews]
    top_paths: Sequence[PathOrders]
    as_of: datetime | None
    estimates: Sequence[Estimate] = ()
    """Empty where all figures are exact."""
    unknown: Sequence[Span] = ()
    """Parts of both ranges whose events have aged out so far that nothing tells what happened in them."""
    unknown_series: Sequence[Span] = ()
    """Likewise for the periods of the series, which need shorter summaries."""


@dataclass(frozen=True, slots=True)
class DashboardQuestion:
    """What is asked.

    Attributes:
        previous_start: first moment of the range before, aware.
        period_starts: first moments of the periods of the series, ascending; the first one is the range's own.
        end: first moment after the range, aware.
    """

    previous_start: datetime
    period_starts: Sequence[datetime]
    end: datetime

    @property
    def start(self) -> datetime:
        """The first moment of the range."""
        return self.period_starts[0]

    @property
    def current(self) -> Span:
        """The range."""
        return Span(self.start, self.end)

    @property
    def previous(self) -> Span:
        """The range before."""
        return Span(self.previous_start, self.start)
