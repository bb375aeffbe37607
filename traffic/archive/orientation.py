"""Decides which side of a flow is the client, the key by which segments are sorted.

Pure. Outbound flows have the client as source; inbound ones of a translating exporter have
it only after translation. Does not look up who the client is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traffic.archive.inside import Inside
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import Array

_CANDIDATES4 = ("src4", "nat_dst4", "dst4", "nat_src4")
_CANDIDATES6 = ("src6", "nat_dst6", "dst6", "nat_src6")
"""In the order in which an inside address makes a side the client."""


@dataclass(frozen=True, slots=True)
class Clients:
    """The client address of each flow, and which flows have another inside address too."""

    client4: Array
    client6_high: Array
    client6_low: Array
    others: Array
    """True for these flows."""

    @property
    def lateral(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.others))


def has4(inside: Inside, addresses: Array) -> Array:
    """True where an IPv4 address lies inside."""
    found = np.zeros(len(addresses), np.bool_)
    for network in inside.four:
        mask, wanted = np.uint32(int(network.netmask)), np.uint32(int(network[0]))
        found |= (addresses & mask) == wanted
    return found


def has6(inside: Inside, high: Array, low: Array) -> Array:
    """True where an IPv6 address, given in halves, lies inside."""
    found = np.zeros(len(high), np.bool_)
    for network in inside.six:
        mask, wanted = int(network.netmask), int(network[0])
        found |= ((high & np.uint64(mask >> 64)) == np.uint64(wanted >> 64)) & (
            (low & np.uint64(mask & (2**64 - 1))) == np.uint64(wanted & (2**64 - 1))
        )
    return found


def find_clients(batch: FlowBatch, inside: Inside) -> Clients:
    """The client of each flow in `batch`: the first inside address, else the source."""
    lateral = np.zeros(len(batch), np.bool_)
    client4 = batch.column("src4").copy()
    chosen: Array | None = None
    for name in _CANDIDATES4:
        if name not in batch.columns:
            continue
        addresses = batch.columns[name]
        found = has4(inside, addresses)
        if chosen is None:
            client4[found] = addresses[found]
            chosen = found
            continue
        fresh = found & ~chosen
        if fresh.any():
            client4[fresh] = addresses[fresh]
            chosen = chosen | fresh
        lateral |= found & (addresses != client4)
    high, low = batch.column("src6_high"), batch.column("src6_low")
    chosen = None
    for name in _CANDIDATES6:
        if f"{name}_high" not in batch.columns:
            continue
        upper, lower = batch.columns[f"{name}_high"], batch.columns[f"{name}_low"]
        found = has6(inside, upper, lower)
        fresh = found if chosen is None else found & ~chosen
        if fresh.any():
            high, low = np.where(fresh, upper, high), np.where(fresh, lower, low)
        if chosen is not None:
            lateral |= found & ((upper != high) | (lower != low))
        chosen = fresh if chosen is None else chosen | fresh
    return Clients(client4, high, low, lateral)
