"""Page tokens: round trip, and what is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.reports.errors import QuestionError
from server.reports.page_token import PageToken

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(TIMES, TIMES, TIMES, st.integers(0, 2**63 - 1), st.uuids(), st.text())
def test_a_token_reads_back_with_its_question(
    start: datetime, end: datetime, timestamp: datetime, sequence: int, event_id: object, question: str
) -> None:
    """Whatever it holds comes back, exact to the microsecond."""
    token = PageToken(start=start, end=end, timestamp=timestamp, sequence=sequence, event_id=str(event_id))
    assert PageToken.decode(token.encode(question), question) == token


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    """A text that is no token of ours never gets through, whatever it is."""
    with pytest.raises(QuestionError) as caught:
        PageToken.decode(text, "question")
    assert caught.value.field == "page_token"


def test_a_token_of_another_question_is_refused() -> None:
    """It says that it belongs to another question."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    token = PageToken(now, now, now, 0, "0190a000-0000-7000-8000-000000000001").encode("one")
    with pytest.raises(QuestionError, match="another question"):
        PageToken.decode(token, "two")
