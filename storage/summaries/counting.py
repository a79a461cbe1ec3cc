"""Counting events by group: all of a summary that needs no sketch and no sample, exact to the last digit."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.segments.schema import AMOUNT
from storage.segments.tables import fixed_bytes
from storage.summaries.columns import (
    MISSING,
    Flags,
    Integers,
    Texts,
    count_by,
    integers_of,
    is_anonymous,
    pack,
    texts_of,
    unpack,
    values_of,
)
from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.lengths import RATIO
from storage.summaries.forms.numbers import EXACTLY, Number, bare
from storage.summaries.summary import LARGEST

MICRO_DIGITS = 6
MICRO = 10**MICRO_DIGITS
"""Seconds mostly have at most six digits after the point; as whole microseconds they are added exactly."""
SHORTEST_S = 0.001
"""What views of less than a millisecond count as."""
_LIMB_BITS, _LIMBS = 32, 4
"""A decimal is an integer of 128 bits. As many rows as there are may be added in parts of 32."""
_JOINED_BY = "\0"
"""No stored text holds it."""


@dataclass(slots=True)
class Counted:
    """The events of a group; attributes are those of `Summary`."""

    counts: dict[str, int] = field(default_factory=dict)
    measures: dict[str, dict[str, dict[str, Number]]] = field(default_factory=dict)
    content: Frequencies = field(default_factory=Frequencies)
    paths: Frequencies = field(default_factory=Frequencies)

    def note(self, event_type: str, measure: str, key: str, number: Number) -> None:
        """Note the number of a key, which comes once."""
        self.measures.setdefault(event_type, {}).setdefault(measure, {})[key] = number


def count_groups(table: pa.Table, groups: Integers, number: int) -> list[Counted]:
    """Count the events of each group.

    Args:
        table: events in any order.
        groups: the group of each row, from 0.
        number: how many groups there are.
    """
    counted = [Counted() for _ in range(number)]
    types = texts_of(table, "event_type").compact()
    _count_types(counted, table, groups, types)
    _count_sessions_started(counted, table, groups, types)
    _count_views(counted, table, groups)
    _count_streams(counted, table, groups)
    _count_purchases(counted, table, groups)
    return counted


def _count_types(counted: Sequence[Counted], table: pa.Table, groups: Integers, types: Texts) -> None:
    names = types.distinct.to_pylist()
    sizes = [len(counted), len(names)]
    for (group, code), count in _rows_of(*count_by([groups, types.codes], sizes)):
        counted[group].counts[names[code]] = count
    platforms = texts_of(table, "platform").compact()
    platform_names = [*platforms.distinct.to_pylist(), ""]  # MISSING is the last one
    codes = np.where(platforms.codes == MISSING, len(platform_names) - 1, platforms.codes)
    found = count_by([groups, types.codes, codes], [*sizes, len(platform_names)])
    for (group, code, platform), count in _rows_of(*found):
        counted[group].note(names[code], "platforms", platform_names[platform], count)
    anonymous = is_anonymous(table)
    for (group, code), count in _rows_of(*count_by([groups[anonymous], types.codes[anonymous]], sizes)):
        counted[group].note(names[code], "actors", "anonymous", count)
    newest = np.full(len(counted) * len(names), np.iinfo(np.int64).min)
    np.maximum.at(newest, groups * len(names) + types.codes, integers_of(table, "received_at"))
    for place in np.flatnonzero(newest > np.iinfo(np.int64).min).tolist():
        group, code = divmod(place, len(names))
        counted[group].note(names[code], LARGEST, "receivedAt", int(newest[place]))


def _count_sessions_started(counted: Sequence[Counted], table: pa.Table, groups: Integers, types: Texts) -> None:
    actions = texts_of(table, "session.action")
    starts = groups[(actions.codes == actions.code_of("start")) & (types.codes == types.code_of("session"))]
    for (group,), count in _rows_of(*count_by([starts], [len(counted)])):
        counted[group].note("session", "sessions", "started", count)


def _count_views(counted: Sequence[Counted], table: pa.Table, groups: Integers) -> None:
    seconds, rows = values_of(table, "view.view_duration")
    _note_seconds(counted, "view", "viewDuration", seconds, groups[rows])
    if len(rows):
        buckets = np.ceil(np.log(np.maximum(seconds, SHORTEST_S)) / math.log(RATIO)).astype(np.int64)
        least = int(buckets.min())
        found = count_by([groups[rows], buckets - least], [len(counted), int(buckets.max()) - least + 1])
        for (group, bucket), count in _rows_of(*found):
            counted[group].note("view", "viewDurations", str(bucket + least), count)
    kinds, names = texts_of(table, "view.content_type"), texts_of(table, "view.content_id")
    things = _Things(kinds, names, (kinds.codes != MISSING) & (names.codes != MISSING))
    listed: list[dict[tuple[str, str], int]] = [{} for _ in counted]
    for group, thing, count in things.count(groups, len(counted)):
        listed[group][thing] = count
    for one, counts in zip(counted, listed, strict=True):
        one.content = Frequencies(counts)


def _count_streams(counted: Sequence[Counted], table: pa.Table, groups: Integers) -> None:
    seconds, rows = values_of(table, "stream.watch_duration")
    _note_seconds(counted, "stream", "watchDuration", seconds, groups[rows])
    viewers, rows = values_of(table, "stream.viewer_count")
    if not len(rows):
        return
    viewers, of_group = viewers.astype(np.int64), groups[rows]
    sums, most = np.zeros(len(counted), np.int64), np.zeros(len(counted), np.int64)
    np.add.at(sums, of_group, viewers)
    np.maximum.at(most, of_group, viewers)
    for (group,), count in _rows_of(*count_by([of_group], [len(counted)])):
        counted[group].note("stream", "viewers", "sum", int(sums[group]))
        counted[group].note("stream", "viewers", "count", count)
        counted[group].note("stream", LARGEST, "viewers", int(most[group]))


def _count_purchases(counted: Sequence[Counted], table: pa.Table, groups: Integers) -> None:
    currencies = texts_of(table, "purchase.currency")
    rows = np.flatnonzero(currencies.codes != MISSING)
    if not len(rows):
        return
    bought = table.select([name for name in table.column_names if name.startswith("purchase.")]).take(pa.array(rows))
    amounts = _limbs_of(bought)
    groups, currencies = groups[rows], Texts(currencies.codes[rows], currencies.distinct).compact()
    names = currencies.distinct.to_pylist()
    sizes = [len(counted), len(names)]
    for (group, code), orders, amount in _sum_amounts(amounts, [groups, currencies.codes], sizes):
        counted[group].note("purchase", "revenue", names[code], amount)
        counted[group].note("purchase", "orders", names[code], orders)
    paths = paths_of(bought)
    path_names = paths.distinct.to_pylist()
    rows = np.flatnonzero(paths.codes != MISSING)
    counts: list[dict[tuple[str, str], int]] = [{} for _ in counted]
    totals: list[dict[tuple[str, str], Decimal]] = [{} for _ in counted]
    codes = [groups[rows], currencies.codes[rows], paths.codes[rows]]
    for (group, code, path), orders, amount in _sum_amounts(amounts[rows], codes, [*sizes, len(path_names)]):
        counts[group][names[code], path_names[path]] = orders
        totals[group][names[code], path_names[path]] = amount
    for one, of_one, totals_of_one in zip(counted, counts, totals, strict=True):
        one.paths = Frequencies(of_one, totals_of_one)


def paths_of(bought: pa.Table) -> Texts:
    """Read the conversion paths of purchases, each as the JSON of its list of steps."""
    name = "purchase.conversion_path"
    if name not in bought.column_names:
        return Texts(np.full(len(bought), MISSING, np.int64), pa.array([], pa.string()))
    column = bought[name].combine_chunks()
    is_empty = pc.fill_null(pc.equal(pc.list_value_length(column), 0), False)  # noqa: FBT003 - a value, not a switch
    joined = pc.if_else(is_empty, None, pc.binary_join(column, _JOINED_BY)).dictionary_encode()
    lists = [text.split(_JOINED_BY) for text in joined.dictionary.to_pylist()]
    codes = joined.indices.fill_null(MISSING).to_numpy().astype(np.int64)
    codes[is_empty.to_numpy(zero_copy_only=False)] = len(lists)
    return Texts(codes, pa.array([json.dumps(path, ensure_ascii=False) for path in [*lists, []]], pa.string()))


def _limbs_of(bought: pa.Table) -> Integers:
    """Read the amounts of purchases: of each the four parts of 32 bits that its decimal has, lowest first."""
    column = bought["purchase.amount"].fill_null(Decimal(0))
    limbs = np.frombuffer(fixed_bytes(column), "<u4").reshape(-1, _LIMBS).astype(np.int64)
    limbs[:, -1] = limbs[:, -1].astype(np.uint32).view(np.int32)  # which bears the sign
    return limbs


def _sum_amounts(
    limbs: Integers, codes: Sequence[Integers], sizes: Sequence[int]
) -> Iterator[tuple[tuple[int, ...], int, Decimal]]:
    """Sum amounts by codes: yield these, how many amounts there are, and the sum, however large."""
    found, places, counts = np.unique(pack(codes, sizes), return_inverse=True, return_counts=True)
    sums = np.zeros((len(found), _LIMBS), np.int64)
    np.add.at(sums, places, limbs)
    units = (sum(part << _LIMB_BITS * place for place, part in enumerate(parts)) for parts in sums.tolist())
    with localcontext(EXACTLY):
        totals = [bare(Decimal(unit).scaleb(-AMOUNT.scale)) for unit in units]
    keys = zip(*(column.tolist() for column in unpack(found, sizes)), strict=True)
    return zip(keys, counts.tolist(), totals, strict=True)


@dataclass(frozen=True, slots=True)
class _Things:
    """Things of rows: a kind and a name each."""

    kinds: Texts
    names: Texts
    is_known: Flags

    def count(self, groups: Integers, number: int) -> Iterator[tuple[int, tuple[str, str], int]]:
        """Yield groups, things that occur in them, and how often."""
        kinds = Texts(self.kinds.codes[self.is_known], self.kinds.distinct).compact()
        names = Texts(self.names.codes[self.is_known], self.names.distinct).compact()
        sizes = [number, len(kinds.distinct), len(names.distinct)]
        (group, kind, name), counts = count_by([groups[self.is_known], kinds.codes, names.codes], sizes)
        kind_texts, name_texts = kinds.distinct.to_pylist(), names.distinct.to_pylist()
        things = ((kind_texts[one], name_texts[other]) for one, other in zip(kind.tolist(), name.tolist(), strict=True))
        return zip(group.tolist(), things, counts.tolist(), strict=True)


def _note_seconds(
    counted: Sequence[Counted], event_type: str, measure: str, seconds: np.ndarray[Any, Any], groups: Integers
) -> None:
    """Note sum and count of seconds; the sum is that of the decimals that the doubles are shown as."""
    sums = sum_exactly(seconds, groups, len(counted))
    for (group,), count in _rows_of(*count_by([groups], [len(counted)])):
        counted[group].note(event_type, measure, "sum", sums[group])
        counted[group].note(event_type, measure, "count", count)


def sum_exactly(seconds: np.ndarray[Any, Any], groups: Integers, number: int) -> list[Decimal]:
    """Add up the decimals that doubles are shown as, by group.

    Example:
        >>> sum_exactly(np.array([0.1, 0.2, 1e-9]), np.array([0, 0, 1]), 2)
        [Decimal('0.3'), Decimal('1E-9')]
    """
    sums = np.zeros(number, np.int64)
    micros = np.rint(seconds * MICRO)
    # With 15 digits at most, only one decimal is shown as this double.
    is_whole = (micros / MICRO == seconds) & (micros < 10**15)
    np.add.at(sums, groups[is_whole], micros[is_whole].astype(np.int64))
    with localcontext(EXACTLY):
        totals = [Decimal(value).scaleb(-MICRO_DIGITS) for value in sums.tolist()]
        rest = zip(groups[~is_whole].tolist(), seconds[~is_whole].tolist(), strict=True)
        for group, value in rest:
            totals[group] += Decimal(repr(value))
        return [bare(total) for total in totals]


def _rows_of(columns: Sequence[Integers], counts: Integers) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield what `count_by` has counted, row by row."""
    return zip(zip(*(column.tolist() for column in columns), strict=True), counts.tolist(), strict=True)
