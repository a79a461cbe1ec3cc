"""The stored form of summaries: everything comes back exactly, and what cannot be read is named."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.summaries.codec import FORMAT, SummaryError, UnknownSummaryFormatError, decode, encode
from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.session_sample import SessionSample, make_sample
from storage.summaries.forms.sketch import make_sketch
from storage.summaries.summary import Summary, add

NAMES = st.text(max_size=5)
NUMBERS = st.integers(-(2**70), 2**70) | st.decimals(allow_nan=False, allow_infinity=False)
MEASURES = st.dictionaries(NAMES, st.dictionaries(NAMES, st.dictionaries(NAMES, NUMBERS, max_size=3), max_size=3))
INTEGERS = st.integers(-(2**63), 2**63 - 1)
THINGS = st.tuples(NAMES, NAMES)
FREQUENCIES = st.builds(
    Frequencies,
    st.dictionaries(THINGS, st.integers(0, 2**63 - 1), max_size=4),
    st.dictionaries(THINGS, st.decimals(allow_nan=False, allow_infinity=False), max_size=4),
    st.integers(0, 2**63 - 1),
)


@st.composite
def samples(draw: st.DrawFn) -> SessionSample:
    """Draw samples, empty ones too."""
    rows = draw(st.lists(st.tuples(INTEGERS, st.booleans(), st.integers(0, 2**60)), max_size=5))
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return make_sample(columns[0], columns[1], columns[2], columns[2])


SUMMARIES = st.builds(
    Summary,
    st.dictionaries(NAMES, st.integers(0, 2**63 - 1), max_size=3),
    MEASURES,
    st.lists(INTEGERS).map(make_sketch),
    st.just(make_sketch(range(0, 10**9, 10**5))),
    samples(),
    FREQUENCIES,
    FREQUENCIES,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SUMMARIES)
def test_a_summary_comes_back_as_it_was(summary: Summary) -> None:
    """Decimals to the last digit, integers of any size, texts of any kind."""
    assert decode(FORMAT, encode(summary)) == summary


def test_what_was_stored_can_still_be_added_to() -> None:
    """A part that was read is like one that was made."""
    part = Summary(
        {"purchase": 1},
        {"purchase": {"revenue": {"EUR": Decimal("0.10")}, "max": {"receivedAt": 7}}},
        make_sketch([1, 2]),
        sample=make_sample([5], [True], [1], [2]),
    )
    read = decode(FORMAT, encode(part))
    assert add([read, read, part]) == add([part, part, part])
    assert add([read, read]).measures["purchase"]["revenue"] == {"EUR": Decimal("0.20")}


def test_few_events_take_few_bytes() -> None:
    """Late events touch an hour each."""
    part = Summary({"view": 1}, {"view": {"platforms": {"web": 1}}}, make_sketch([1]))
    assert len(encode(part)) < 250


def test_an_unknown_format_is_named() -> None:
    """The message says which summary, which format, and what to do."""
    with pytest.raises(UnknownSummaryFormatError, match=r"the summary hour 12 has the format 9, .* run that version"):
        decode(9, encode(Summary()), "hour 12")


@pytest.mark.parametrize("length", [0, 3, 20, 60, -1])
def test_a_damaged_summary_is_named(length: int) -> None:
    """Cut anywhere, or with a byte flipped."""
    data = encode(Summary({"view": 1}, actors=make_sketch([1, 2, 3])))
    with pytest.raises(SummaryError, match="the summary hour 12 is damaged"):
        decode(FORMAT, data[:length], "hour 12")
    flipped = bytearray(data)
    flipped[length] ^= 16
    with pytest.raises(SummaryError, match="the summary hour 12 is damaged"):
        decode(FORMAT, bytes(flipped), "hour 12")
