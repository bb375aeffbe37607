"""Ends what a session without a stop claims where its device went on elsewhere. Pure.

A device that roams begins a session with the next access point, with the address it had. When
the stop of the one it left is lost, the next one tells as well that it left: one device has
one address at one place at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from traffic.lookup.attribution import Holder


def end_superseded(holders: Sequence[Holder]) -> list[Holder]:
    """`holders`, each that is not certain ended where its device has the address again."""
    groups: dict[tuple[str, str | None, int | None, str], list[Holder]] = {}
    for one in holders:
        groups.setdefault(_device(one), []).append(one)
    return [_ended(one, groups[_device(one)]) for one in holders]


def _device(one: Holder) -> tuple[str, str | None, int | None, str]:
    return one.address, one.mac, one.account_id, one.user_name


def _ended(one: Holder, same: Sequence[Holder]) -> Holder:
    if one.certain_to is None or one.mac is None:
        return one
    later = [
        other.from_at
        for other in same
        if other.session_key != one.session_key and other.from_at >= one.certain_to
    ]
    if not later or (one.to_at is not None and one.to_at <= min(later)):
        return one
    return replace(one, to_at=min(later))
