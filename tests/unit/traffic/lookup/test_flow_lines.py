"""Flows written as text are the octets that their trees come to."""

from __future__ import annotations

import json
import random

import pytest

from traffic.archive.records import STORED, FlowRecord
from traffic.lookup.flow_lines import NoEnds, flow_lines
from traffic.lookup.flows_answer import flow_tree
from traffic.lookup.trees import ms_text

PATH = 'flow/date=2026-05-16/hour=03/a "node"-000000000001.parquet'
HIGH, LOW = 0xFD00 << 48, 7


def row(**changed: int | str) -> tuple[int | str, ...]:
    values: dict[str, int | str] = dict.fromkeys(STORED, 0)
    values |= {"src4": 0x0A000001, "dst4": 0xC6336407, "exporter": "192.0.2.1"}
    return tuple((values | changed)[name] for name in STORED)


def rows() -> list[tuple[int | str, ...]]:
    chance = random.Random(7)
    many = [
        row(**{name: chance.randrange(1, 1 << 31) for name in STORED if name != "exporter"})
        for _ in range(50)
    ]
    ports = {"nat_src_port": 1, "nat_dst_port": 65_535}
    six = {"src6_high": HIGH, "src6_low": LOW, "nat_dst6_low": 1, "src4": 0}
    protocols = [row(protocol=protocol) for protocol in (0, 1, 6, 17, 47, 58)]
    return [*many, *protocols, row(**ports), row(**six), row(start_at=-1_500), row(exporter='"ก')]


@pytest.mark.parametrize("count", [3, 32, 59])
def test_each_is_written_as_its_tree_would_be(count: int) -> None:
    """In less than a piece, in whole ones, and with some left."""
    found = [(PATH, number, one) for number, one in enumerate(rows()[-count:])]
    written = flow_lines(found, _text)
    assert len(written.pieces) == count // 16 + 1
    trees = [flow_tree(FlowRecord(f"flow:{PATH}#{at}", one), _text) for _, at, one in found]
    whole = json.dumps({"flows": trees}, ensure_ascii=False, indent=2)
    assert f'{{\n  "flows": {b"".join(written.pieces).decode()}\n}}' == whole


def _text(milliseconds: int) -> str:
    return ms_text(milliseconds, "Asia/Bangkok")


def test_none_is_an_empty_list() -> None:
    assert flow_lines([], _text).pieces == [b"[]"]


@pytest.mark.parametrize("end", ["src4", "dst4"])
def test_one_that_lacks_an_end_is_not_written_here(end: str) -> None:
    with pytest.raises(NoEnds):
        flow_lines([(PATH, 0, row()), (PATH, 1, row(**{end: 0}))], _text)
