"""HyperLogLog sketches: how many distinct values a set has, in 16 KiB, mergeable at the cost of microseconds.

A sketch is one byte for each of 2^14 registers, the highest rank seen there. Its estimate has a standard error of
1.04 / sqrt(2^14) = 0.81 % (Flajolet et al. 2007); the estimator is Ertl's, "New cardinality estimation algorithms for
HyperLogLog sketches" (2017), algorithm 6, which needs no tables and holds from zero on.
"""

import math
import zlib
from collections.abc import Iterable
from functools import lru_cache

REGISTER_BITS = 14
REGISTERS = 1 << REGISTER_BITS
MAX_RANK = 64 - REGISTER_BITS + 1
"""Of the 64 bits of a hash those that do not choose the register, and one for when all of them are zero."""
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
EMPTY = bytes(REGISTERS)
MOST_ESTIMATES = 64
"""1 MiB of sketches: what a few events add to a week has mostly been seen, and changes nothing."""
PACK_LEVEL = 1
"""Higher ones take longer, and save little: most sketches are nearly all zeros, the others nearly random."""

_HIGH_BITS = int.from_bytes(b"\x80" * REGISTERS)
_PLACE_BITS = REGISTERS - 1
_ALPHA_INFINITY = 1 / (2 * math.log(2))


def make_sketch(hashes: Iterable[int]) -> bytes:
    """Make the sketch of a set of 64-bit hashes, signed or not.

    The low 14 bits choose the register, which holds the maximum of the position of the lowest one among the others.
    """
    registers = bytearray(REGISTERS)
    left = list(hashes)
    for rank in range(1, MAX_RANK + 1):
        # Ranks ascend, so what is written last is the maximum; half of the hashes are left for each next one.
        for value in left:
            registers[value & _PLACE_BITS] = rank
        bit = 1 << (REGISTER_BITS + rank - 1)
        left = [value for value in left if not value & bit]
        if not left:
            break
    return bytes(registers)


def pack(sketch: bytes) -> bytes:
    """Make a sketch as small as it is stored: some bytes where it has seen little, half where it has seen much."""
    packed = zlib.compress(sketch, PACK_LEVEL)
    return packed if len(packed) < REGISTERS else sketch


def unpack(stored: bytes) -> bytes:
    """Read a sketch as `pack` made it."""
    return stored if len(stored) == REGISTERS else zlib.decompress(stored)


def merge_sketches(sketches: Iterable[bytes]) -> bytes:
    """Merge sketches into that of the union: the maximum of each register.

    All registers are compared at once, as one large integer: ranks leave the high bit of each byte free, so that
    `(a | high) - b` keeps the high bit exactly where a >= b.
    """
    merged = 0
    for sketch in sketches:
        other = int.from_bytes(sketch)
        at_least = ((merged | _HIGH_BITS) - other) & _HIGH_BITS
        keep = at_least - (at_least >> 7)
        merged = (merged & keep) | (other & ~keep)
    return merged.to_bytes(REGISTERS)


@lru_cache(maxsize=MOST_ESTIMATES)
def estimate(sketch: bytes) -> float:
    """Estimate how many distinct values a sketch has seen."""
    counts = [0] * (MAX_RANK + 1)
    left = REGISTERS
    for rank in range(MAX_RANK + 1):
        if not left:  # as a rule, long before the last one
            break
        counts[rank] = sketch.count(rank)
        left -= counts[rank]
    if counts[0] == REGISTERS:
        return 0.0
    denominator = REGISTERS * _tau(1 - counts[MAX_RANK] / REGISTERS)
    for rank in range(MAX_RANK - 1, 0, -1):
        denominator = 0.5 * (denominator + counts[rank])
    denominator += REGISTERS * _sigma(counts[0] / REGISTERS)
    return _ALPHA_INFINITY * REGISTERS**2 / denominator


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
