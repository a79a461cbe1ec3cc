"""Rankings and samples of sessions in summaries: exact while all fits, bounded and honest beyond."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.session_sample import estimate_sessions
from storage.summaries.periods import DAY, Timeframe
from tests.integration.summary_stage import MIDNIGHT, SummaryStage
from tests.rows import NOON, make_row

HOUR = timedelta(hours=1)
MONTH = Timeframe.MONTH.start_of(NOON)


def view(content: str, *, hour: int = 0, **values: object) -> tuple[object, ...]:
    """Make a view of a content."""
    data = f'{{"contentType":"post","contentId":"{content}"}}'
    return make_row(event_data=data, timestamp=NOON + hour * HOUR, **values)


async def test_contents_and_paths_are_ranked(stage: SummaryStage) -> None:
    """Over hours and folds; a path by currency, with its exact revenue; what names none is left aside."""
    path = '"conversionPath":["home","cart"]'
    await stage.store_and_fold(view("b"), view("a", hour=1), make_row(event_data="{}"))
    await stage.store_and_fold(
        view("b", hour=2),
        *(
            make_row(event_type="purchase", event_data=f'{{"amount":{amount},"currency":"{currency}",{path}}}')
            for amount, currency in (("0.10", "EUR"), ("0.20", "EUR"), ("7", "USD"))
        ),
        make_row(event_type="purchase", event_data='{"amount":5,"currency":"EUR"}'),
    )
    month = await stage.summary(Timeframe.MONTH, MONTH)
    assert month.content == Frequencies({("post", "b"): 2, ("post", "a"): 1})
    assert month.paths == Frequencies(
        {("EUR", '["home", "cart"]'): 2, ("USD", '["home", "cart"]'): 1},
        {("EUR", '["home", "cart"]'): Decimal("0.30"), ("USD", '["home", "cart"]'): Decimal(7)},
    )


async def test_a_full_ranking_tells_how_far_it_may_be_wrong(
    stage: SummaryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the true counts none is below the one told, or above it by more than the error, however it was folded."""
    monkeypatch.setattr("storage.summaries.forms.frequencies.MOST_LISTED", 5)
    monkeypatch.setattr("storage.summaries.forms.frequencies.LISTED_AFTER_CUT", 3)
    monkeypatch.setattr("storage.summaries.folding.MANY_PARTS", 2)
    views = [(f"c{n * n % 17}", n % 4) for n in range(120)]
    for start in range(0, len(views), 40):
        await stage.store_and_fold(*(view(content, hour=hour) for content, hour in views[start : start + 40]))
    await stage.keeper.compact()
    expected = Counter(content for content, _ in views)
    content = (await stage.summary(Timeframe.MONTH, MONTH)).content
    told = {name: count for (_, name), count in content.counts.items()}
    assert len(told) <= 5
    assert 0 < content.error < len(views)
    for name, count in expected.items():
        assert told.get(name, 0) <= count <= told.get(name, 0) + content.error
    assert not await stage.differences()


async def test_rankings_and_samples_outlive_what_they_were_made_of(stage: SummaryStage) -> None:
    """Through the ageing of raw events, hours and days, and with late events of them."""
    for turn in range(1, 4):
        await stage.store_and_fold(view("a", session_id=f"s{turn}"), view("a", session_id="s0", hour=turn))
        assert not await stage.differences()
        await stage.purge(*3 * [MIDNIGHT + DAY])
        month = await stage.summary(Timeframe.MONTH, MONTH)
        assert month.content.counts == {("post", "a"): 2 * turn}
        assert estimate_sessions(month.sample) == (turn + 1, (turn - 1) * HOUR.seconds * 1e6, True)


async def test_many_sessions_are_sampled(stage: SummaryStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same sample from all events and from parts; those without a session id as well."""
    monkeypatch.setattr("storage.summaries.forms.session_sample.MAX_KEYS", 50)
    rows = [
        make_row(user_id=f"u{n % 300}", session_id=None if n % 3 else f"s{n % 300}", timestamp=NOON + n % 7 * HOUR)
        for n in range(900)
    ]
    for part in range(3):
        await stage.store_and_fold(*rows[part::3])
    assert not await stage.differences()
    sample = (await stage.summary(Timeframe.MONTH, MONTH)).sample
    figures = estimate_sessions(sample)
    assert len(set(sample.keys.tolist())) == 50
    assert not figures.is_exact
    # 100 sessions with an id, and three of each of the 200 users without.
    assert figures.sessions == pytest.approx(700, rel=0.5)
