"""Sums of cohorts: exact, and of all actors."""

import asyncio
from datetime import timedelta

import pytest

from server.reports import cohort
from sociallive.analytics.v1.cohort_pb2 import GetCohortRequest, GetCohortResponse
from tests.event_tables import TableSnapshot, make_table
from tests.rows import NOON, make_row

DAY = timedelta(days=1)


def purchase(amount: str, *, user: str = "user-1", currency: str = "EUR", days: int = 0) -> tuple[object, ...]:
    """Make the row of a purchase."""
    data = f'{{"amount":{amount},"currency":"{currency}"}}'
    return make_row(event_type="purchase", user_id=user, timestamp=NOON + days * DAY, event_data=data)


def answer(*rows: tuple[object, ...], ranges: int = 1) -> GetCohortResponse:
    """Ask for the cohorts of three days."""
    question = GetCohortRequest(timeframe="2d", end_time=NOON + 2 * DAY)
    return asyncio.run(cohort.answer(TableSnapshot(make_table(rows), ranges), question, NOON + 9 * DAY))


def amounts(answered: GetCohortResponse) -> list[tuple[str, str, int]]:
    """List the revenue of the first cohort, all periods together."""
    revenue = answered.cohorts[0].periods[-1].cumulative_revenue
    return [(item.currency, item.amount, item.orders) for item in revenue]


LARGEST = "99999999999999999999.999999999999999999"
"""20 digits before the point and 18 after it."""


@pytest.mark.parametrize("ranges", [1, 3])
def test_amounts_add_up_to_the_last_digit(ranges: int) -> None:
    """Within a period, over periods, and over actors that are counted apart."""
    rows = [purchase(LARGEST, user=f"user-{number % 5}", days=number % 2) for number in range(40)]
    total = str(40 * int(LARGEST.replace(".", "")))
    assert amounts(answer(*rows, ranges=ranges)) == [("EUR", f"{total[:-18]}.{total[-18:]}".rstrip("0"), 40)]


@pytest.mark.parametrize(
    ("values", "text"),
    [(["0.1"] * 10, "1"), (["50", "50"], "100"), (["1e-9"], "0.000000001"), (["0"], "0"), (["19.99", "0.01"], "20")],
)
def test_amounts_are_plain_decimals(values: list[str], text: str) -> None:
    """Without an exponent, and without zeros at their end."""
    assert amounts(answer(*map(purchase, values))) == [("EUR", text, len(values))]


def test_each_currency_is_summed_alone() -> None:
    """By name; and what is no purchase has none."""
    rows = [purchase("1", currency="USD"), purchase("2", days=1), purchase("3", currency="USD", days=1), make_row()]
    assert amounts(answer(*rows)) == [("EUR", "2", 1), ("USD", "4", 2)]
