"""Finding flows in segments: by client, by any side, by translation, by corrected time."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import duckdb
import pytest

from common.config import Config
from common.metrics import Counters
from tests.vectors.flows.datagrams import (
    IPV6,
    SECONDS,
    STANDARD,
    Flow,
    data_set,
    encode_flow,
    template_set,
    version_9,
)
from tests.vectors.flows.spools import flow_datagram, record, write_spool
from traffic.archive import segments
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.archive.reading import Asked, FlowReader
from traffic.archive.schema import STORED
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.spool import closed_files

BASE_MS = SECONDS * 1000


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    made = CollectorPaths(tmp_path / "spool", tmp_path / "state", tmp_path / "archive", "node")
    made.make()
    return made


def store(paths: CollectorPaths, *datagrams: bytes) -> None:
    archivist = Archivist(Config(), paths, Counters())
    archivist.recover()
    for datagram in datagrams:
        write_spool(paths.spool, archivist.consumed + 1, record(datagram))
        archivist.consume(closed_files(paths.spool))


def reader(paths: CollectorPaths, *inside: str) -> FlowReader:
    return FlowReader(paths.archive, Inside(inside or Config().collector.inside))


def ports(
    found: FlowReader, network: str, from_ms: int = BASE_MS - 10_000, to_ms: int = BASE_MS + 10_000
) -> list[int]:
    flows, _ = found.find_flows([Asked(ip_network(network), from_ms, to_ms)], 1000)
    return sorted(flow.src_port for flow in flows)


def test_segments_older_than_a_column_are_read_beside_newer_ones(
    paths: CollectorPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = (*STANDARD, (58, 2), (234, 4))
    newer = encode_flow(Flow(src_port=2), STANDARD) + bytes.fromhex("0064 00000007")
    with monkeypatch.context() as patch:
        old = tuple(name for name in STORED if name not in ("vlan", "vrf"))
        patch.setattr(segments, "STORED", old)
        store(paths, flow_datagram([Flow(src_port=1)], 0))
    store(paths, version_9(template_set(300, fields), data_set(300, [newer]), sequence=1))
    assert ports(reader(paths), "10.1.2.3") == [1, 2]
    first, last = (paths.archive / entry.path for entry in Manifest(paths.archive).entries())
    query = "SELECT vlan, vrf FROM read_parquet(?, union_by_name = true) ORDER BY src_port"
    rows = duckdb.connect().execute(query, [[str(first), str(last)]]).fetchall()
    assert rows == [(None, None), (100, 7)]


def test_a_client_is_found_by_the_sort_key_and_a_peer_by_any_side(paths: CollectorPaths) -> None:
    store(
        paths,
        flow_datagram([Flow(src_port=1), Flow(src_port=2, src="10.9.9.9")], 0),
        flow_datagram([Flow(src_port=3, src="203.0.113.50", dst="10.1.2.3")], 1),
    )
    found = reader(paths)
    assert ports(found, "10.1.2.3") == [1, 3]
    assert ports(found, "203.0.113.9") == [1, 2]
    assert ports(found, "10.0.0.0/8") == [1, 2, 3]


def test_traffic_between_two_clients_is_found_under_both(paths: CollectorPaths) -> None:
    store(paths, flow_datagram([Flow(src_port=1, dst="10.7.7.7")], 0))
    assert Manifest(paths.archive).entries()[0].lateral == 1
    assert ports(reader(paths), "10.1.2.3") == ports(reader(paths), "10.7.7.7") == [1]


def test_other_inside_prefixes_than_at_writing_still_find_everything(
    paths: CollectorPaths,
) -> None:
    store(paths, flow_datagram([Flow(src_port=1)], 0))
    assert ports(reader(paths, "203.0.113.0/24"), "203.0.113.9") == [1]


def test_times_decide_to_the_millisecond_apart_from_the_header_second(
    paths: CollectorPaths,
) -> None:
    # The header has whole seconds and the datagram came 250 ms after it.
    store(paths, flow_datagram([Flow(src_port=1, began_ms_ago=2000, ended_ms_ago=500)], 0))
    found = reader(paths)
    begin, end = BASE_MS - 2000, BASE_MS - 500 + 250
    assert ports(found, "10.1.2.3", begin - 100, begin) == [1]
    assert ports(found, "10.1.2.3", begin - 100, begin - 1) == []
    assert ports(found, "10.1.2.3", end, end + 100) == [1]
    assert ports(found, "10.1.2.3", end + 1, end + 100) == []


@pytest.mark.parametrize("wrong_seconds", [-86_400, 3600, -SECONDS])
def test_an_exporter_with_a_wrong_clock_is_corrected(
    paths: CollectorPaths, wrong_seconds: int
) -> None:
    store(paths, flow_datagram([Flow(src_port=1)], 0, seconds=SECONDS + wrong_seconds))
    found = reader(paths)
    assert ports(found, "10.1.2.3") == [1]
    there = BASE_MS + wrong_seconds * 1000
    assert ports(found, "10.1.2.3", there - 5000, there + 5000) == []


def test_ipv6_clients_are_found(paths: CollectorPaths) -> None:
    flow = Flow(src="fd00:1::5", dst="2001:db8::9", nat_src="0.0.0.0", src_port=6)
    store(paths, version_9(template_set(300, IPV6), data_set(300, [encode_flow(flow, IPV6)])))
    found = reader(paths)
    for network in ("fd00:1::5", "fd00:1::/64", "2001:db8::9", "2001:db8::/32"):
        assert ports(found, network) == [6]
    assert ports(found, "fd00:1::6") == []
    (one,), _ = found.find_flows([Asked(ip_network("fd00:1::5"), 0, 2 * BASE_MS)], 1)
    assert (one.src, one.dst, one.nat_src) == ("fd00:1::5", "2001:db8::9", None)


def test_a_cut_answer_says_so_and_can_be_continued(paths: CollectorPaths) -> None:
    store(paths, flow_datagram([Flow(src_port=port) for port in range(1, 6)], 0))
    asked = [Asked(ip_network("10.1.2.3"), BASE_MS - 10_000, BASE_MS)]
    found = reader(paths)
    first, more = found.find_flows(asked, 3)
    rest, end = found.find_flows(asked, 3, offset=3)
    assert (len(first), more, len(rest), end) == (3, True, 2, False)
    assert not {one.record for one in first} & {one.record for one in rest}


def test_translations_group_flows_of_one_inside_port(paths: CollectorPaths) -> None:
    flows = [Flow(dst="203.0.113.1"), Flow(dst="203.0.113.2"), Flow(src_port=9, nat_src_port=9)]
    store(paths, flow_datagram(flows, 0))
    public = ip_address("198.51.100.7")
    found, more = reader(paths).find_translations(public, 50_000, (6,), BASE_MS - 1000, BASE_MS, 10)
    assert [(one.inside_address, one.inside_port, one.flows) for one in found] == [
        ("10.1.2.3", 40_000, 2)
    ]
    assert len(found[0].records) == 2
    assert not more
    everyone, cut = reader(paths).find_translations(public, None, (), BASE_MS - 1000, BASE_MS, 10)
    assert [(one.inside_port, one.flows) for one in everyone] == [(0, 3)]
    assert not cut
