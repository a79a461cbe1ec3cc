"""Comparing columns of numbers with a decimal literal, exactly: 0.1 is 0.1, whatever the column's type is."""

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.patterns.predicates import Operator

_EXACT = decimal.Context(prec=1_000, rounding=decimal.ROUND_FLOOR)
"""Literals have at most 64 digits and exponents up to 400, columns 38 digits."""
_ORDERS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: pc.equal,
    Operator.GREATER: pc.greater,
    Operator.AT_LEAST: pc.greater_equal,
    Operator.LESS: pc.less,
    Operator.AT_MOST: pc.less_equal,
}
_BESIDE: Mapping[Operator, Operator] = {Operator.AT_LEAST: Operator.GREATER, Operator.LESS: Operator.AT_MOST}
"""What an order becomes where a literal lies between two numbers that a column can hold, and the lower one stands for
it."""


def has_numbers(array_type: pa.DataType) -> bool:
    """Tell whether a column holds numbers."""
    types = pa.types
    return bool(types.is_integer(array_type) or types.is_floating(array_type) or types.is_decimal(array_type))


def compare(array: pa.Array, order: Operator, literal: Decimal) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Compare each number with a literal; a null compares as false.

    A double stands for the shortest decimal that is read as it, as in JSON.

    Args:
        array: of integers, decimals or doubles.
        order: all but IN, EXISTS and UNEQUAL.
        literal: finite.
    """
    if pa.types.is_floating(array.type):
        compared = _compare_doubles(array, order, literal)
    else:
        compared = _compare_steps(array, order, literal)
    found: np.ndarray[Any, np.dtype[np.bool_]] = pc.fill_null(compared, fill_value=False).to_numpy(zero_copy_only=False)
    return found


def _compare_doubles(array: pa.Array, order: Operator, literal: Decimal) -> pa.Array:
    """Compare doubles: those beside the one nearest to the literal lie on the same side of both."""
    nearest = float(literal)
    shown = Decimal(repr(nearest))
    if shown == literal:
        return _ORDERS[order](array, nearest)
    if order is Operator.EQUAL:
        return pc.equal(array, None)
    is_above = shown > literal
    if order in (Operator.GREATER, Operator.AT_LEAST):
        return pc.greater_equal(array, nearest) if is_above else pc.greater(array, nearest)
    return pc.less(array, nearest) if is_above else pc.less_equal(array, nearest)


def _compare_steps(array: pa.Array, order: Operator, literal: Decimal) -> pa.Array:
    """Compare numbers that are multiples of a step: with the greatest of them that is not above the literal."""
    scale = array.type.scale if pa.types.is_decimal(array.type) else 0
    low, high = _bounds(array.type)
    if literal > high or literal < low:
        is_above = literal > high
        holds = order in ((Operator.LESS, Operator.AT_MOST) if is_above else (Operator.GREATER, Operator.AT_LEAST))
        return pc.is_valid(array) if holds else pc.equal(array, None)
    floor = literal.quantize(Decimal(1).scaleb(-scale), context=_EXACT)
    if floor != literal:
        if order is Operator.EQUAL:
            return pc.equal(array, None)
        order = _BESIDE.get(order, order)
    scalar = pa.scalar(floor if scale or pa.types.is_decimal(array.type) else int(floor), array.type)
    return _ORDERS[order](array, scalar)


def _bounds(array_type: pa.DataType) -> tuple[Decimal, Decimal]:
    """Give the least and the greatest number that a column can hold."""
    if pa.types.is_decimal(array_type):
        greatest = _EXACT.subtract(Decimal(1).scaleb(array_type.precision), Decimal(1)).scaleb(
            -array_type.scale, context=_EXACT
        )
        return greatest.copy_negate(), greatest
    bits = array_type.bit_width - 1
    return Decimal(-(2**bits)), Decimal(2**bits - 1)
