"""Makes fixed-size records of a data set whose template has variable-length fields.

RFC 7011 section 7; H3C sends such fields in NetFlow version 9 too. The variable fields
themselves are dropped: every element we keep has a fixed length.
"""

from __future__ import annotations

from itertools import groupby

from common.errors import MalformedPacket
from traffic.decoders.plan import FieldSpecs

VARIABLE = 0xFFFF
"""The field length that announces a length prefix in each record."""

_LONG = 255
"""A first length octet of 255 is followed by two octets with the length."""


def fixed_fields(fields: FieldSpecs) -> FieldSpecs:
    """`fields` without the variable ones, in wire order."""
    return tuple(spec for spec in fields if spec[1] != VARIABLE)


def flatten(body: memoryview, fields: FieldSpecs) -> tuple[int, bytes]:
    """(records, octets of their fixed fields one after the other).

    Octets that are fewer than the shortest possible record are padding.

    Raises:
        MalformedPacket: a variable field reaches beyond the set.
    """
    steps = [
        (is_variable, sum(1 if is_variable else width for _, width in run))
        for is_variable, run in groupby(fields, key=lambda spec: spec[1] == VARIABLE)
    ]
    shortest = sum(octets for _, octets in steps)
    kept: list[memoryview] = []
    records = 0
    position = 0
    while len(body) - position >= shortest:
        for is_variable, amount in steps:
            if not is_variable:
                kept.append(body[position : position + amount])
                position += amount
                continue
            for _ in range(amount):
                position = _skip(body, position)
        if position > len(body):
            raise MalformedPacket("variable field reaches beyond its set", position)
        records += 1
    return records, b"".join(kept)


def _skip(body: memoryview, position: int) -> int:
    """The position after the variable field that starts at `position`."""
    if position >= len(body):
        raise MalformedPacket("variable field reaches beyond its set", position)
    octets = body[position]
    if octets < _LONG:
        return position + 1 + octets
    if position + 3 > len(body):
        raise MalformedPacket("variable field reaches beyond its set", position)
    return position + 3 + (body[position + 1] << 8 | body[position + 2])
