"""The dashboard from summaries: what adds up is exact, and costs the same for any number of events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from reports.dashboard.cover import Cover, join_spans
from reports.dashboard.cut_hours import CutMemory, CutRows, SeriesCounts
from reports.dashboard.figures import DistinctFigures, RangeFigures, dashboard_of
from reports.dashboard.recent import RecentEvents, RecentMemory
from reports.dashboard.rows import DashboardRows, Estimate
from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.lengths import LARGEST_ERROR, find_median
from storage.summaries.forms.session_sample import estimate_errors, estimate_sessions
from storage.summaries.forms.sketch import STANDARD_ERROR
from storage.summaries.periods import Period, Timeframe
from storage.summaries.reading import StoredSummaries, SummaryMemory
from storage.summaries.summary import Summary, add

_NO_LIST = Frequencies()
GROUPED_HOURS = 6
"""The hours of such a group are also remembered together: as a range moves on, those at its ends change, and few groups
have to be added up anew."""


@dataclass(frozen=True, slots=True)
class Memories:
    """What a process remembers for its dashboards."""

    summaries: SummaryMemory
    recent: RecentMemory
    cut: CutMemory

    @classmethod
    def empty(cls) -> "Memories":
        """Remember nothing yet."""
        return cls(SummaryMemory(), RecentMemory(), CutMemory())


@dataclass(frozen=True, slots=True)
class DashboardSources:
    """What was read of one snapshot.

    Attributes:
        covers: what the range, and the one before, are made up of.
        stored: their summaries.
        recent: what these lack.
        cut: the hours that ranges cut.
        newcomers: how many actors with an id were first seen in the range, and in the one before.
        series: events by the place of their period and type.
        unknown_series: where these lack what has aged out.
    """

    covers: tuple[Cover, Cover]
    stored: StoredSummaries
    recent: RecentEvents
    cut: Sequence[CutRows]
    newcomers: Sequence[int]
    series: SeriesCounts
    unknown_series: Sequence[Cover]


def sum_dashboard(sources: DashboardSources, memories: Memories) -> DashboardRows:
    """Add up what a dashboard shows; to be called in a thread.

    Raises:
        SummaryError: a summary cannot be read; it is named.
    """
    sums = sources.stored.sums(memories.summaries)
    cut = memories.cut.summarise(sources.cut, [found.cut for found in sources.covers])
    current, previous = (
        [*_sum_whole(found, sums, sources, memories), *parts] for found, parts in zip(sources.covers, cut, strict=True)
    )
    summary = add(current)
    # What the range before shows has no lists.
    old_summary = add([replace(part, content=_NO_LIST, paths=_NO_LIST) for part in previous])
    rows = dashboard_of(
        RangeFigures(summary, _estimate(summary, sources.newcomers[0])),
        RangeFigures(old_summary, _estimate(old_summary, sources.newcomers[1])),
        sources.series,
    )
    spans = sorted(chain.from_iterable(found.unknown for found in sources.covers))
    series_spans = sorted(chain.from_iterable(found.unknown for found in sources.unknown_series))
    return replace(
        rows,
        estimates=list(_errors(summary, old_summary)),
        unknown=join_spans(spans),
        unknown_series=join_spans(series_spans),
    )


def _sum_whole(
    found: Cover, sums: Mapping[Period, Summary], sources: DashboardSources, memories: Memories
) -> list[Summary]:
    """Return what adds up to the whole periods of a range."""
    return [
        _sum_stored(found.periods, sums, sources.stored, memories.summaries),
        memories.recent.sum(sources.recent, found.whole),
    ]


def _sum_stored(
    periods: Sequence[Period], sums: Mapping[Period, Summary], stored: StoredSummaries, memory: SummaryMemory
) -> Summary:
    """Add up the summaries of periods: groups of them, which are remembered too."""
    found = [period for period in periods if period in sums]
    versions = tuple(chain.from_iterable(stored.versions[period] for period in found))
    whole = memory.recall(versions)
    if whole is None:
        if len(found) > 1:
            groups = [list(group) for _, group in groupby(found, _group_of)]
            parts = [_sum_stored(group, sums, stored, memory) for group in groups] if len(groups) > 1 else None
            whole = add(parts or [sums[period] for period in found])
        else:
            whole = add([sums[period] for period in found])
        memory.keep(versions, whole)
    return whole


def _group_of(period: Period) -> object:
    if period.timeframe is not Timeframe.HOUR:
        return period.timeframe
    return period.start.date(), period.start.hour // GROUPED_HOURS


def _estimate(summary: Summary, newcomers: int) -> DistinctFigures:
    sessions = estimate_sessions(summary.sample)
    buckets = {int(bucket): int(count) for bucket, count in summary.keys_of("viewDurations", "view").items()}
    return DistinctFigures(
        users=summary.users,
        known_new_users=newcomers,
        sessions=sessions.sessions,
        length_us=sessions.length_us,
        median_view_duration=find_median(buckets),
        live_streams=summary.live_streams,
    )


def _errors(summary: Summary, old_summary: Summary) -> Iterator[Estimate]:
    yield Estimate("users", standard_error=STANDARD_ERROR)
    errors = [estimate_errors(some.sample) for some in (summary, old_summary)]
    if any(error.sessions for error in errors):
        yield Estimate("sessions", standard_error=max(error.sessions for error in errors))
        yield Estimate("mean_session_duration", standard_error=max(error.mean_length for error in errors))
    yield Estimate("median_view_duration", largest_error=LARGEST_ERROR)
    yield Estimate("streams.live_streams", standard_error=STANDARD_ERROR)
    for figure, frequencies in (("top_content", summary.content), ("conversion_paths", summary.paths)):
        if frequencies.error:
            yield Estimate(figure, largest_count=frequencies.error)
