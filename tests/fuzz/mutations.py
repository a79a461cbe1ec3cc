"""Small changes of bytes, of the kinds that break parsers."""

from random import Random

EXTREMES = (
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 9 + b"\x01",
    b"\xed\xa0\x80",
    b"\xc0\x80",
    b"\x00\x00\xf8\x7f",
)
"""Edges of varints, text that is no UTF-8, and a piece of NaN."""
MOST_CHANGES = 4


def mutate(random: Random, wire: bytes, other: bytes) -> bytes:
    """Change some bytes of a message: flip, cut, repeat, insert, or splice in a part of another one."""
    for _ in range(random.randint(1, MOST_CHANGES)):
        start = random.randint(0, len(wire))
        end = min(len(wire), start + random.choice((1, 1, 2, 8, 40)))
        before, chosen, after = wire[:start], wire[start:end], wire[end:]
        kind = random.randrange(6)
        if kind == 0:
            chosen = bytes(byte ^ 1 << random.randrange(8) for byte in chosen)
        elif kind == 1:
            chosen = b""
        elif kind == 2:
            chosen *= random.choice((2, 3, 50))
        elif kind == 3:
            chosen = random.choice(EXTREMES)
        elif kind == 4:
            chosen += random.choice(EXTREMES)
        else:
            place = random.randint(0, len(other))
            chosen = other[place : place + 40]
        wire = before + chosen + after
    return wire
