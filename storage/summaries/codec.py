"""The form of a summary as it is stored: JSON and arrays in one zstd frame, under a format number.

The frame holds the length of the JSON (4 bytes), the JSON, the sketches, and the rows of the sample, one after the
other. Decimals are texts, so that they come back exactly.
"""

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from struct import Struct
from struct import error as StructError  # noqa: N812 - as an exception is called
from typing import Any, ClassVar

import orjson

from storage.postgres.errors import StorageError
from storage.summaries.forms.frequencies import Frequencies
from storage.summaries.forms.numbers import Number
from storage.summaries.forms.session_sample import ROW_BYTES, SessionSample
from storage.summaries.summary import Measures, Summary

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
"""What `encode` writes."""
ZSTD_LEVEL = 1
"""Sketches and keys are nearly random; higher levels save 2 percent and take twice as long."""
MOST_BYTES = 1 << 28
"""Of a decompressed summary: a month has less than a megabyte; a frame that claims more is damaged."""

_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
    zstd.CompressionParameter.checksum_flag: 1,
}
_LENGTH = Struct("<I")


class SummaryError(StorageError):
    """A summary cannot be read: it is damaged. The message names it."""

    reason: ClassVar[str] = "SUMMARY_UNREADABLE"


class UnknownSummaryFormatError(SummaryError):
    """A newer program wrote this summary."""

    reason: ClassVar[str] = "SUMMARY_FORMAT"


def encode(summary: Summary) -> bytes:
    """Make what is stored of a summary, in FORMAT."""
    sample = summary.sample
    described = {
        "counts": summary.counts,
        "measures": summary.measures,
        "actors": len(summary.actors),
        "streams": len(summary.streams),
        "sample": sample.threshold,
        "content": _nest(summary.content),
        "paths": _nest(summary.paths),
    }
    try:
        head = orjson.dumps(described, default=str)
    except TypeError:  # an integer of more than 64 bits
        head = orjson.dumps({**described, "measures": _as_decimals(summary.measures)}, default=str)
    body = b"".join((_LENGTH.pack(len(head)), head, summary.actors, summary.streams, sample.rows))
    return zstd.compress(body, options=_OPTIONS)


def decode(form: int, data: bytes, name: object = "") -> Summary:
    """Read a summary as it was stored.

    Args:
        form: the number of its form.
        data: what `encode` made.
        name: how errors call it, for example its timeframe and time.

    Raises:
        UnknownSummaryFormatError: a newer program wrote it.
        SummaryError: it is damaged.
    """
    if form != FORMAT:
        raise UnknownSummaryFormatError(
            f"the summary {name} has the format {form}, and this program knows {FORMAT}: a newer version of the "
            "service wrote it; run that version"
        )
    try:
        # A frame holds its checksum; the bound keeps a damaged length from taking all memory.
        decompressor = zstd.ZstdDecompressor()
        body = decompressor.decompress(data, MOST_BYTES)
        body = body if decompressor.eof else b""
        start = _LENGTH.size + _LENGTH.unpack_from(body)[0]
        return _read(orjson.loads(body[_LENGTH.size : start]), body[start:])
    except (zstd.ZstdError, StructError, ValueError, KeyError, EOFError) as exc:
        raise SummaryError(
            f"the summary {name} is damaged: {type(exc).__name__}; as long as its events are stored, "
            "`analytics jobs run rebuild` makes it anew"
        ) from exc


def _as_decimals(measures: Mapping[str, Measures]) -> Mapping[str, Measures]:
    """Turn all numbers into decimals, which are written as texts."""
    return {
        event_type: {measure: {key: Decimal(number) for key, number in keys.items()} for measure, keys in found.items()}
        for event_type, found in measures.items()
    }


def _nest(frequencies: Frequencies) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, Decimal]], int]:
    """Put things of one kind together, so that it is written once."""
    counts: dict[str, dict[str, int]] = {}
    for (kind, name), count in frequencies.counts.items():
        counts.setdefault(kind, {})[name] = count
    amounts: dict[str, dict[str, Decimal]] = {}
    for (kind, name), amount in frequencies.amounts.items():
        amounts.setdefault(kind, {})[name] = amount
    return counts, amounts, frequencies.error


def _read(head: dict[str, Any], arrays: bytes) -> Summary:
    actors_end = head["actors"]
    streams_end = actors_end + head["streams"]
    if len(arrays) < streams_end or (len(arrays) - streams_end) % ROW_BYTES:
        raise ValueError
    return Summary(
        head["counts"],
        {event_type: _numbers_of(measures) for event_type, measures in head["measures"].items()},
        arrays[:actors_end],
        arrays[actors_end:streams_end],
        SessionSample(head["sample"], arrays[streams_end:]),
        _flatten(head["content"]),
        _flatten(head["paths"]),
    )


def _numbers_of(measures: Mapping[str, Mapping[str, int | str]]) -> Measures:
    found: dict[str, dict[str, Number]] = {}
    for measure, keys in measures.items():
        found[measure] = {key: Decimal(value) if isinstance(value, str) else value for key, value in keys.items()}
    return found


def _flatten(nested: Sequence[Any]) -> Frequencies:
    counts, amounts, error = nested
    return Frequencies(
        {(kind, name): count for kind, names in counts.items() for name, count in names.items()},
        {(kind, name): Decimal(amount) for kind, names in amounts.items() for name, amount in names.items()},
        error,
    )
