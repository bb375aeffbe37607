"""Writes into a finished segment which addresses it speaks of (traffic.archive.mentions).

Before the footer, and before the places are: readers of Parquet look at neither. What cannot be
told in few numbers is left untold, and such a segment is always read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from traffic.archive import places
from traffic.archive.about import form_name, freed_name, inside_name, outside_names
from traffic.archive.inside import Inside
from traffic.archive.mentions import (
    MOST,
    SIX_BITS,
    TEXT_BITS,
    Folds,
    Mentions,
    Where,
    fold_outside,
    fold_six,
    fold_text,
    thin,
)
from traffic.archive.orientation import Clients
from traffic.decoders.batch import FlowBatch

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_MARKED = 1 << SIX_BITS
"""Numbers that are collected by a mark for each: a tenth of what sorting takes. The addresses of
the largest private network are so many."""

_ROWS = 1 << 20
"""Flows looked at together: a large segment is not copied for it."""

_SIDES = ("src", "nat_dst", "dst", "nat_src")


def mention(segment: Path, mentions: Mentions) -> str:
    """Put `mentions` into a finished segment; the field of its line that says where they are.

    Raises:
        OSError: the disk refused. The segment must not be used then.
    """
    octets = mentions.encode()
    with segment.open("r+b") as stream:
        size = stream.seek(-places.FOOTER_END, os.SEEK_END) + places.FOOTER_END
        footer = size - places.behind(stream.read(places.FOOTER_END))
        stream.seek(footer)
        rest = stream.read()
        stream.seek(footer)
        stream.write(octets + rest)
    return Where(footer, len(octets), sha256(octets).hexdigest()).text


def of_flows(batch: FlowBatch, clients: Clients, inside: Inside) -> Mentions:
    """Inside addresses on any side of the flows, and outside ones of translations' events."""
    return Mentions(
        four=_four(list(_inside_four(batch, clients)), inside.four),
        six=_six(list(_inside_six(batch, clients)), inside.six),
        events=_events(batch),
    )


def of_rows(rows: Iterable[Mapping[str, Any]]) -> Mentions:
    """The names of rows of the kind `nat`."""
    names: set[str] = set()
    for row in rows:
        address, form = row.get("outside_address"), row.get("form")
        inside = row.get("inside_address")
        names.add(form_name(form))
        if address is None:
            names.add(freed_name(inside))
        else:
            names.update(
                outside_names(address, row.get("outside_port"), row.get("outside_port_to"))
            )
            names.add(form_name(form, address))
        if inside is not None:
            names.add(inside_name(inside))
    return Mentions(outside=thin(fold_text(names), TEXT_BITS))


def _inside_four(batch: FlowBatch, clients: Clients) -> Iterator[Array]:
    """Addresses among which are all inside ones."""
    yield clients.client4
    for side in _SIDES if clients.lateral else ():
        if f"{side}4" in batch.columns:
            yield batch.columns[f"{side}4"][clients.others]


def _inside_six(batch: FlowBatch, clients: Clients) -> Iterator[tuple[Array, Array]]:
    if not (clients.client6_high.any() or clients.client6_low.any()):
        return
    yield clients.client6_high, clients.client6_low
    for side in _SIDES if clients.lateral else ():
        if f"{side}6_high" in batch.columns:
            high, low = batch.columns[f"{side}6_high"], batch.columns[f"{side}6_low"]
            yield high[clients.others], low[clients.others]


def _four(columns: Sequence[Array], networks: Sequence[IPv4Network]) -> Array | None:
    found = np.empty(0, np.uint32)
    for network in networks:
        first, size = np.uint32(int(network[0])), network.num_addresses
        marks = np.empty(0, np.bool_)
        for part in _parts(columns):
            distances = part - first  # what is not inside comes out large
            if size < 1 << 32:
                distances = distances[distances < np.uint32(size)]
            if size > _MARKED:
                found = np.union1d(found, distances + first)
                if len(found) > MOST:
                    return None
            elif distances.size:
                if not marks.size:
                    marks = np.zeros(size, np.bool_)
                marks[distances] = True
        found = np.union1d(found, np.flatnonzero(marks).astype(np.uint32) + first)
    return found if len(found) <= MOST else None


def _six(columns: Sequence[tuple[Array, Array]], networks: Sequence[IPv6Network]) -> Folds | None:
    marks = np.zeros(_MARKED if columns else 0, np.bool_)
    for both in columns:
        for high, low in zip(_parts([both[0]]), _parts([both[1]]), strict=True):
            for network in networks:
                mask, wanted = int(network.netmask), int(network[0])
                inside = (high & np.uint64(mask >> 64)) == np.uint64(wanted >> 64)
                inside &= (low & np.uint64(mask & (1 << 64) - 1)) == np.uint64(
                    wanted & (1 << 64) - 1
                )
                own_high, own_low = high[inside], low[inside]
                marks[fold_six(own_high, own_low)] = True
                marks[fold_six(own_high, np.zeros_like(own_low))] = True
    return thin(np.flatnonzero(marks), SIX_BITS)


def _events(batch: FlowBatch) -> Folds | None:
    rows = np.flatnonzero(batch.column("nat_event"))
    marks = np.zeros(_MARKED if rows.size else 0, np.bool_)
    for some in _parts([rows]):
        # What FlowReader.find_translations looks for, outbound and inbound.
        for side in ("nat_src", "dst"):
            port, four = _of(batch, f"{side}_port", some), _of(batch, f"{side}4", some)
            high, low = _of(batch, f"{side}6_high", some), _of(batch, f"{side}6_low", some)
            # A record may have an address of either family on one side.
            for upper, lower in ((np.zeros_like(four), four), (high, low)):
                told = (upper | lower) != 0
                marks[fold_outside(upper[told], lower[told], port[told])] = True
                marks[fold_outside(upper[told], lower[told], None)] = True
        if np.count_nonzero(marks) > MOST:
            return None
    return thin(np.flatnonzero(marks), SIX_BITS)


def _of(batch: FlowBatch, name: str, rows: Array) -> Array:
    if name not in batch.columns:
        return np.zeros(len(rows), np.uint64)
    return batch.columns[name][rows].astype(np.uint64)


def _parts(columns: Iterable[Array]) -> Iterator[Array]:
    for column in columns:
        for start in range(0, len(column), _ROWS):
            yield column[start : start + _ROWS]
