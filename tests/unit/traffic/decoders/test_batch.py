"""Batches are taken apart and put together without a flow lost or a column in memory twice."""

from __future__ import annotations

import numpy as np

from traffic.decoders.batch import FlowBatch, join, split


def flows(*ports: int, vlan: int | None = None) -> FlowBatch:
    columns = {"src_port": np.array(ports, np.uint16)}
    if vlan is not None:
        columns["vlan"] = np.full(len(ports), vlan, np.uint16)
    return FlowBatch(len(ports), columns, ("192.0.2.1",))


def test_a_batch_of_one_key_is_not_copied() -> None:
    batch = flows(1, 2)
    ((key, part),) = split(batch, np.array([7, 7]))
    assert key == 7
    assert part is batch


def test_each_key_gets_its_flows_in_their_order_and_the_least_is_first() -> None:
    batch = flows(1, 2, 3, 4, vlan=9)
    parts = split(batch, np.array([5, -3, 5, 4]))
    assert [(key, part.columns["src_port"].tolist()) for key, part in parts] == [
        (-3, [2]),
        (4, [4]),
        (5, [1, 3]),
    ]
    assert [len(part) for _, part in parts] == [1, 1, 2]
    assert all(part.columns["vlan"].tolist() == [9] * len(part) for _, part in parts)
    assert all(part.exporters == ("192.0.2.1",) for _, part in parts)
    assert not batch.columns


def test_joining_fills_what_a_part_lacks_and_uses_the_parts_up() -> None:
    parts = [flows(1), flows(2, 3, vlan=9)]
    whole = join(parts, ("192.0.2.1",))
    assert whole.columns["src_port"].tolist() == [1, 2, 3]
    assert whole.columns["vlan"].tolist() == [0, 9, 9]
    assert not any(part.columns for part in parts)


def test_nothing_joined_is_nothing() -> None:
    assert len(join([], ())) == 0
