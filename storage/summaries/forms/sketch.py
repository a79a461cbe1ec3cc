"""HyperLogLog sketches: how many distinct values a set has, in at most 16 KiB, mergeable at the cost of microseconds.

A sketch has 2^14 registers, each the highest rank seen there. Its estimate has a standard error of 1.04 / sqrt(2^14) =
0.81 % (Flajolet et al. 2007); the estimator is Ertl's, "New cardinality estimation algorithms for HyperLogLog sketches"
(2017), algorithm 6, which needs no tables and holds from zero on.

As bytes it has one of two forms, known by its length; equal sketches are equal bytes. With many registers seen
it is a byte for each of all registers. With few it is a sorted list of them, four bytes each: most hours to which late
events add have seen only some of them.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from struct import pack, unpack
from typing import Any, TypeAlias

import numpy as np

REGISTER_BITS = 14
REGISTERS = 1 << REGISTER_BITS
MAX_RANK = 64 - REGISTER_BITS + 1
"""Of the 64 bits of a hash those that do not choose the register, and one for when all of them are zero."""
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
EMPTY = b""
MOST_LISTED_REGISTERS = 1024
"""A quarter of the bytes of all registers. More take longer to merge as a list."""
FEW_REGISTERS = 32
"""What numpy takes to merge any number of listed registers, a loop takes for as many."""
MOST_ESTIMATES = 64
"""1 MiB of sketches: what a few events add to a week has mostly been seen, and changes nothing."""

_RANK_BITS = 6
_CODE_BITS = REGISTER_BITS + _RANK_BITS
_LISTED = np.dtype("<u4")
"""A register and its rank: register * 64 + rank."""
_ALPHA_INFINITY = 1 / (2 * math.log(2))
_Codes: TypeAlias = np.ndarray[Any, np.dtype[np.uint32]]
_Registers: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]


def make_sketch(hashes: "Sequence[int] | np.ndarray[Any, np.dtype[np.int64]]") -> bytes:
    """Make the sketch of a set of signed 64-bit hashes; equal ones count once.

    The low 14 bits choose the register, which holds the maximum of the position of the lowest one among the others.
    """
    return _of_codes(_codes_of(np.asarray(hashes, np.int64)))


def make_sketches(
    hashes: np.ndarray[Any, np.dtype[np.int64]], groups: np.ndarray[Any, np.dtype[np.int64]], number: int
) -> list[bytes]:
    """Make the sketch of each group of hashes.

    Args:
        hashes: in any order.
        groups: the group of each, from 0.
        number: how many groups there are.
    """
    codes = np.sort((groups << _CODE_BITS) | _codes_of(hashes))
    codes = codes[_are_highest(codes >> _RANK_BITS)]
    bounds = np.searchsorted(codes, np.arange(number + 1) << _CODE_BITS)
    listed = (codes & ((1 << _CODE_BITS) - 1)).astype(_LISTED)
    data = listed.tobytes()
    return [
        _of_highest(listed[start:end])
        if end - start > MOST_LISTED_REGISTERS
        else data[start * _LISTED.itemsize : end * _LISTED.itemsize]
        for start, end in pairwise(bounds.tolist())
    ]


def merge_sketches(sketches: Iterable[bytes]) -> bytes:
    """Merge sketches into that of the union: the maximum of each register."""
    found = {sketch for sketch in sketches if sketch}
    if len(found) <= 1:
        return found.pop() if found else EMPTY
    count = sum(map(len, found)) // _LISTED.itemsize
    if count <= FEW_REGISTERS:
        highest = {code >> _RANK_BITS: code for code in sorted(unpack(f"<{count}I", b"".join(found)))}
        return pack(f"<{len(highest)}I", *highest.values())
    dense = [np.frombuffer(sketch, np.uint8) for sketch in found if len(sketch) == REGISTERS]
    listed = [np.frombuffer(sketch, _LISTED) for sketch in found if len(sketch) < REGISTERS]
    if not dense:
        return _of_codes(np.concatenate(listed))
    merged: _Registers = dense[0].copy()
    for other in dense[1:]:
        np.maximum(merged, other, out=merged)
    for codes in listed:
        registers, ranks = _split(codes)
        merged[registers] = np.maximum(merged[registers], ranks)
    return merged.tobytes()


@lru_cache(maxsize=MOST_ESTIMATES)
def estimate(sketch: bytes) -> float:
    """Estimate how many distinct values a sketch has seen."""
    counts = _count_ranks(sketch)
    if counts[0] == REGISTERS:
        return 0.0
    denominator = REGISTERS * _tau(1 - counts[MAX_RANK] / REGISTERS)
    for rank in range(MAX_RANK - 1, 0, -1):
        denominator = 0.5 * (denominator + counts[rank])
    denominator += REGISTERS * _sigma(counts[0] / REGISTERS)
    return _ALPHA_INFINITY * REGISTERS**2 / denominator


def _codes_of(hashes: np.ndarray[Any, np.dtype[np.int64]]) -> _Codes:
    """Write the register and the rank of each hash as a sketch lists them."""
    bits = hashes.view(np.uint64)
    rest = bits >> np.uint64(REGISTER_BITS)
    lowest = (rest & (~rest + np.uint64(1))).astype(np.float64)  # a power of two, so exact
    ranks = np.frexp(lowest)[1].astype(np.uint32)
    ranks[rest == 0] = MAX_RANK
    registers = (bits & np.uint64(REGISTERS - 1)).astype(np.uint32)
    return (registers << np.uint32(_RANK_BITS)) | ranks


def _of_codes(codes: _Codes) -> bytes:
    """Make a sketch of registers and ranks in any order, of which the highest rank of a register counts."""
    codes = np.sort(codes)
    return _of_highest(codes[_are_highest(codes >> np.uint32(_RANK_BITS))])


def _are_highest(registers: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which codes are the last of their register, with the highest rank; they are ascending."""
    is_last = np.ones(len(registers), np.bool_)
    is_last[:-1] = registers[1:] != registers[:-1]
    return is_last


def _of_highest(codes: _Codes) -> bytes:
    """Make a sketch of registers, ascending, and the highest rank of each."""
    if len(codes) <= MOST_LISTED_REGISTERS:
        return codes.astype(_LISTED).tobytes()
    dense = np.zeros(REGISTERS, np.uint8)
    places, ranks = _split(codes)
    dense[places] = ranks
    return dense.tobytes()


def _split(codes: _Codes) -> tuple[_Codes, _Registers]:
    return codes >> np.uint32(_RANK_BITS), (codes & np.uint32((1 << _RANK_BITS) - 1)).astype(np.uint8)


def _count_ranks(sketch: bytes) -> list[int]:
    """Count the registers of each rank."""
    if len(sketch) == REGISTERS:
        ranks = np.frombuffer(sketch, np.uint8)
    else:
        _, ranks = _split(np.frombuffer(sketch, _LISTED))
    counts: list[int] = np.bincount(ranks, minlength=MAX_RANK + 1).tolist()
    counts[0] = REGISTERS - sum(counts[1:])
    return counts


def _sigma(x: float) -> float:
    """Correct for registers that are still zero."""
    power, total = 1.0, x
    while True:
        x *= x
        before = total
        total += x * power
        power += power
        if total == before:
            return total


def _tau(x: float) -> float:
    """Correct for registers that are full."""
    if x in (0.0, 1.0):
        return 0.0
    power, total = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        before = total
        power *= 0.5
        total -= (1 - x) ** 2 * power
        if total == before:
            return total / 3
