"""Dashboards from summaries: exact figures are the oracle's, and estimates are as near as they say."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from reports.dashboard.reading import DashboardReader
from reports.dashboard.rows import DashboardRows, Figures
from storage.postgres.database import Database
from storage.segments.plans import Merge
from storage.segments.store import SegmentStore
from storage.summaries.folding import SummaryKeeper
from storage.summaries.forms.lengths import LARGEST_ERROR
from storage.summaries.forms.sketch import STANDARD_ERROR
from tests.event_tables import KNOWN
from tests.oracle.test_dashboard import Histories, Question, alike, expected_of, make_events, make_stored, questions
from tests.rows import make_batch, make_store

TIMEOUT_S = 60.0
ASKED = Histories(make_events(11), [])


@pytest.fixture(scope="module")
async def reader(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DashboardReader]:
    """Some events are summarised, some are in small segments, some in blocks; all reach over the same hours."""
    database = await Database.open(module_database_url)
    segments = SegmentStore(
        database,
        KNOWN,
        cache_folder=Path(tmp_path_factory.mktemp("cache")),
        cache_bytes=1 << 30,
        summaries=SummaryKeeper(database),
    )
    rows = [make_stored(event, number) for number, event in enumerate(ASKED.events)]
    store = make_store(database)
    for part in range(3):
        await store.store(make_batch(rows[part::5]))
        assert await segments.keeper.seal(await segments.catalogue.list_blocks())
        if part == 1:
            assert await segments.keeper.merge(Merge(await segments.catalogue.list_segments(), splits_days=False))
    for part in (3, 4):
        await store.store(make_batch(rows[part::5]))
    await store.close()
    yield DashboardReader(database, segments.reader)
    await database.close()


@pytest.mark.parametrize("question", questions(), ids=repr)
async def test_exact_answers_are_the_oracles(reader: DashboardReader, question: Question) -> None:
    """Also new users, of whom events that are not summarised may tell."""
    assert alike(await reader.read(question.asked, TIMEOUT_S, is_exact=True)) == expected_of(ASKED, question)


@pytest.mark.parametrize("question", questions(), ids=repr)
async def test_summaries_agree_with_the_oracle(reader: DashboardReader, question: Question) -> None:
    """Exact figures are the same, estimates as near as they say; also when they are asked for again."""
    expected = expected_of(ASKED, question)
    found = alike(await reader.read(question.asked, TIMEOUT_S, is_exact=False))
    errors = {estimate.figure: estimate.standard_error or 0 for estimate in found.estimates}
    for one, other in ((found.figures, expected.figures), (found.previous, expected.previous)):
        assert one.users == pytest.approx(other.users, rel=3 * STANDARD_ERROR, abs=1)
        assert one.sessions == pytest.approx(other.sessions, rel=3 * errors.get("sessions", 0))
        assert (one.mean_session_duration or 0) == pytest.approx(
            other.mean_session_duration or 0, rel=3 * errors.get("mean_session_duration", 0), abs=1e-9
        )
        assert one.streams.live_streams == pytest.approx(other.streams.live_streams, rel=3 * STANDARD_ERROR, abs=1)
        assert (one.median_view_duration or 0) == pytest.approx(
            other.median_view_duration or 0, rel=LARGEST_ERROR, abs=0.001
        )
    assert without_estimates(found) == without_estimates(expected)
    assert alike(await reader.read(question.asked, TIMEOUT_S, is_exact=False)) == found


def without_estimates(rows: DashboardRows) -> DashboardRows:
    """Leave out what summaries only estimate."""

    def figures(some: Figures) -> Figures:
        return replace(
            some,
            users=0,
            sessions=0,
            mean_session_duration=None,
            median_view_duration=None,
            streams=replace(some.streams, live_streams=0),
        )

    return replace(
        rows,
        figures=figures(rows.figures),
        previous=figures(rows.previous),
        estimates=(),
        unknown=(),
        unknown_series=(),
    )
