"""Where a site keeps no destinations none reach the disk, and who it was is found all the same."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest

from common.config import Config
from common.metrics import Counters
from tests.unit.traffic.collectors.test_again import give_up, told
from tests.vectors.flows.datagrams import Flow, data_set, encode_flow, version_9
from tests.vectors.flows.spools import RECEIVED_NS, flow_datagram, mapped, record, write_spool
from traffic.archive.inside import Inside
from traffic.archive.kinds import NAT, RAW
from traffic.archive.manifest import Manifest
from traffic.archive.reading import Asked, FlowReader
from traffic.archive.tables import TableArchive
from traffic.collectors.again import Redecoder, newest_state
from traffic.collectors.archivist import Archivist
from traffic.collectors.destinations import leave_out
from traffic.collectors.paths import CollectorPaths
from traffic.collectors.records import Listener, RecordKind, encode_record
from traffic.collectors.spool import closed_files
from traffic.decoders.batch import FlowBatch

FAR = "203.0.113.9"
QUIET = Config.model_validate(
    {"collector": {"without_destinations": ["192.0.2.1/32"], "loggers": ["192.0.2.0/24"]}}
)
INSIDE = Inside(QUIET.collector.inside)
LINE = (
    b"<30>Nov 18 12:06:40 gw firewall,info srcnat: in:lan out:wan, connection-state:new proto UDP,"
    b" 10.0.0.5:4000->203.0.113.9:53, NAT (10.0.0.5:4000->198.51.100.7:50000)->203.0.113.9:53,"
    b" len 60"
)


@pytest.fixture
def paths(tmp_path: Path) -> CollectorPaths:
    found = CollectorPaths(tmp_path / "spool", tmp_path / "collector", tmp_path / "archive", "node")
    found.make()
    return found


def consume(paths: CollectorPaths, *records: bytes, number: int = 1) -> None:
    write_spool(paths.spool, number, *records)
    archivist = Archivist(QUIET, paths, Counters())
    archivist.recover()
    archivist.consume(closed_files(paths.spool))


def line(exporter: str) -> bytes:
    head = (RecordKind.DATAGRAM, Listener.SYSLOG, RECEIVED_NS, 514, mapped(exporter))
    return encode_record(*head, LINE)


def on_disk(paths: CollectorPaths) -> bytes:
    return b"".join(path.read_bytes() for path in paths.archive.rglob("*") if path.is_file())


def one(**values: int) -> FlowBatch:
    kinds = {"exporter": "u4"} | dict.fromkeys(("src4", "dst4", "nat_src4", "nat_dst4"), "u4")
    columns = {
        name: np.array([value], dtype=kinds.get(name, "u2")) for name, value in values.items()
    }
    return FlowBatch(1, columns, ("192.0.2.1", "192.0.2.2"))


def number(text: str) -> int:
    return int(ip_address(text))


IN, IN2, OUT, WEB = (number(text) for text in ("10.0.0.5", "10.0.0.6", "198.51.100.7", FAR))


@pytest.mark.parametrize(
    ("told_of", "left"),
    [
        pytest.param(
            {"src4": IN, "src_port": 4000, "dst4": WEB, "dst_port": 443, "nat_src4": OUT,
             "nat_src_port": 5000, "nat_dst4": WEB, "nat_dst_port": 443},
            {"src4": IN, "src_port": 4000, "dst4": 0, "dst_port": 0, "nat_src4": OUT,
             "nat_src_port": 5000, "nat_dst4": 0, "nat_dst_port": 0}, id="outwards",
        ),
        pytest.param(
            {"src4": WEB, "src_port": 443, "dst4": OUT, "dst_port": 5000, "nat_src4": WEB,
             "nat_src_port": 443, "nat_dst4": IN, "nat_dst_port": 4000},
            {"src4": 0, "src_port": 0, "dst4": OUT, "dst_port": 5000, "nat_src4": 0,
             "nat_src_port": 0, "nat_dst4": IN, "nat_dst_port": 4000}, id="inwards-translated",
        ),
        pytest.param(
            {"src4": WEB, "src_port": 443, "dst4": IN, "dst_port": 4000},
            {"src4": 0, "src_port": 0, "dst4": IN, "dst_port": 4000}, id="inwards",
        ),
        pytest.param(
            {"src4": IN, "src_port": 1, "dst4": IN2, "dst_port": 2},
            {"src4": IN, "src_port": 1, "dst4": IN2, "dst_port": 2}, id="within",
        ),
        pytest.param(
            {"src4": OUT, "src_port": 1, "dst4": WEB, "dst_port": 2},
            {"src4": 0, "src_port": 0, "dst4": 0, "dst_port": 0}, id="nobody-inside",
        ),
    ],
)  # fmt: skip
def test_the_outside_end_goes_and_the_inside_end_stays(
    told_of: dict[str, int], left: dict[str, int]
) -> None:
    batch = one(exporter=0, **told_of)
    found = leave_out(batch, INSIDE, {"192.0.2.1"})
    assert {name: int(found.column(name)[0]) for name in left} == left
    assert {name: int(batch.column(name)[0]) for name in told_of} == told_of
    other = leave_out(one(exporter=1, **told_of), INSIDE, {"192.0.2.1"})
    assert {name: int(other.column(name)[0]) for name in told_of} == told_of


def test_ipv6_has_the_same_rule() -> None:
    names = ("src6_high", "src6_low", "dst6_high", "dst6_low")
    values = (0xFD00 << 48, 5, 0x20010DB8 << 32, 9)
    columns = {name: np.array([value], "u8") for name, value in zip(names, values, strict=True)}
    columns["exporter"] = np.zeros(1, "u4")
    found = leave_out(FlowBatch(1, columns, ("192.0.2.1",)), INSIDE, {"192.0.2.1"})
    assert [int(found.column(name)[0]) for name in names] == [0xFD00 << 48, 5, 0, 0]


def test_no_octet_of_a_destination_reaches_the_archive_and_who_it_was_is_found(
    paths: CollectorPaths,
) -> None:
    flows = [Flow(src=f"10.1.2.{last}", nat_src_port=50_000 + last) for last in range(1, 60)]
    stray = version_9(data_set(300, [encode_flow(Flow(), ((12, 4), (8, 4)))]), sequence=1)
    consume(paths, record(flow_datagram(flows, 0)), record(stray), line("192.0.2.1"))
    octets = on_disk(paths)
    for spelled in (FAR.encode(), ip_address(FAR).packed, ip_address(FAR).packed[::-1]):
        assert spelled not in octets, spelled
    reader = FlowReader(paths.archive, INSIDE)
    at = RECEIVED_NS // 1_000_000
    (found,), _more = reader.find_translations(
        ip_address("198.51.100.7"), 50_007, [6], at - 60_000, at + 60_000, 10,
        destination=ip_address(FAR), destination_port=443,
    )  # fmt: skip
    assert (found.inside_address, found.inside_port) == ("10.1.2.7", 40_000)
    (nat,) = TableArchive(paths.archive, "node").read(NAT)
    assert nat.values["outside_port"] == 50_000
    assert (nat.values["destination_address"], nat.values["raw"]) == (None, None)
    assert TableArchive(paths.archive, "node").read(RAW) == []
    gaps = [gap for entry in Manifest(paths.archive).entries() for gap in entry.gaps]
    assert "192.0.2.1 unread" in {gap.source for gap in gaps}, "what is not kept is a gap"


def test_of_everybody_else_they_are_kept(paths: CollectorPaths) -> None:
    consume(paths, record(flow_datagram([Flow()], 0), exporter="192.0.2.2"), line("192.0.2.2"))
    (nat,) = TableArchive(paths.archive, "node").read(NAT)
    assert (nat.values["destination_address"], bytes(nat.values["raw"])) == (FAR, LINE)
    reader = FlowReader(paths.archive, INSIDE)
    at = RECEIVED_NS // 1_000_000
    asked = Asked(INSIDE.four[0], at - 60_000, at + 60_000)
    (flow,), _more = reader.find_flows([asked], 10)
    assert (flow.dst, flow.dst_port) == (FAR, 443)


def test_what_was_kept_before_is_decoded_again_without_them(paths: CollectorPaths) -> None:
    give_up(paths, (told(1001, 0), 0))
    found = Redecoder(QUIET, paths, newest_state(paths)).run()
    assert found.flows == 1
    reader = FlowReader(paths.archive, INSIDE)
    at = RECEIVED_NS // 1_000_000
    (flow,), _more = reader.find_flows([Asked(INSIDE.four[0], at - 60_000, at + 60_000)], 10)
    assert (flow.src, flow.src_port, flow.dst, flow.dst_port) == ("10.1.2.3", 1001, None, 0)
