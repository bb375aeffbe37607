"""Leaves the far end of connections out of what is stored, where the site keeps none (R19).

Who was behind an address can mostly be told without knowing where the traffic went; then the far
end is more than is needed (PDPA section 22). It is taken out before anything reaches the archive:
of a flow its outside end, whichever side that is; of a line of syslog the columns that tell it and
the line itself, which has it in words. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from traffic.archive.inside import Inside
from traffic.archive.kinds import ACCESS, NAT
from traffic.archive.orientation import has4, has6
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import Array

_SIDES = ("src", "dst", "nat_src", "nat_dst")
_TELLING = frozenset({"firewall", "unread"})
"""Lines of these services may say where somebody went."""


def leave_out(batch: FlowBatch, inside: Inside, exporters: Collection[str]) -> FlowBatch:
    """`batch` without the far ends of what these exporters told.

    The near end is every inside address of the flow. A flow without any keeps neither end: which
    of the two is the site's nobody can tell.
    """
    places = [place for place, name in enumerate(batch.exporters) if name in exporters]
    if not places or not len(batch):
        return batch
    chosen = np.isin(batch.column("exporter"), np.array(places, dtype=np.uint32))
    if not chosen.any():
        return batch
    columns = dict(batch.columns)
    is_inside = {side: _lies_inside(batch, inside, side) for side in _SIDES}
    for side in _SIDES:
        far = chosen & ~is_inside[side]
        if side == "dst":
            # Before a translation inwards the destination is the site's own outside address.
            far &= ~is_inside["nat_dst"]
        elif side == "nat_src":
            # And behind one outwards the source is.
            far &= ~is_inside["src"]
        for name in (f"{side}4", f"{side}6_high", f"{side}6_low", f"{side}_port"):
            if name in columns and far.any():
                columns[name] = np.where(far, np.zeros(1, columns[name].dtype), columns[name])
    return FlowBatch(len(batch), columns, batch.exporters)


def without_destination(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a line without what says where somebody went."""
    kept = dict(row)
    if kind == NAT.name:
        kept["destination_address"] = kept["destination_port"] = kept["raw"] = None
    elif kind == ACCESS.name and row.get("service") in _TELLING:
        kept["detail"] = kept["raw"] = None
    return kept


def _lies_inside(batch: FlowBatch, inside: Inside, side: str) -> Array:
    four = batch.column(f"{side}4")
    high, low = batch.column(f"{side}6_high"), batch.column(f"{side}6_low")
    found: Array = (has4(inside, four) & (four != 0)) | (
        has6(inside, high, low) & ((high != 0) | (low != 0))
    )
    return found
