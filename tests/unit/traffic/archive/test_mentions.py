"""What a segment mentions: nothing that is in it is ever ruled out, and little else is not."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.archive import mentioning, mentions
from traffic.archive.about import (
    EventsOf,
    FlowsOf,
    RowsOf,
    asked_names,
    form_name,
    freed_name,
    inside_name,
)
from traffic.archive.inside import Inside
from traffic.archive.mentioning import mention, of_flows, of_rows
from traffic.archive.mentions import Mentions, Where, decode, read_where, rules_out
from traffic.archive.orientation import find_clients
from traffic.decoders.batch import FlowBatch
from traffic.decoders.fields import COLUMNS, Array

PREFIXES = ("10.0.0.0/8", "192.168.0.0/16", "fd00::/8")
INSIDE = Inside(PREFIXES)
OUTSIDE = int(IPv4Address("203.0.113.0"))
_inside_four = st.one_of(
    *(
        st.integers(int(ip_network(prefix)[0]), int(ip_network(prefix)[-1]))
        for prefix in PREFIXES[:2]
    )
)
_address_four = st.one_of(st.just(0), _inside_four, st.integers(OUTSIDE, OUTSIDE + 255))
_inside_six = st.integers(int(IPv6Address("fd00::")), int(IPv6Address("fd00::")) + (1 << 120) - 1)
_address_six = st.one_of(st.just(0), _inside_six, st.just(int(IPv6Address("2001:db8::7"))))
SIDES = ("src", "nat_dst", "dst", "nat_src")


def flows(four: list[tuple[int, ...]], six: list[tuple[int, ...]]) -> FlowBatch:
    """Flows with these addresses on their sides, in the order of `SIDES`."""
    four, six = four + [(0,) * 4] * len(six), [(0,) * 4] * len(four) + six
    columns: dict[str, Array] = {}
    for number, side in enumerate(SIDES):
        columns[f"{side}4"] = np.array([one[number] for one in four], np.uint32)
        columns[f"{side}6_high"] = np.array([one[number] >> 64 for one in six], np.uint64)
        columns[f"{side}6_low"] = np.array([one[number] & (1 << 64) - 1 for one in six], np.uint64)
    return FlowBatch(len(four), columns)


def told(batch: FlowBatch) -> Mentions:
    return decode(of_flows(batch, find_clients(batch, INSIDE), INSIDE).encode())


def is_ruled_out(found: Mentions, network: IPv4Network | IPv6Network) -> bool:
    return rules_out(found, FlowsOf(network, INSIDE.digest))


@given(
    st.lists(st.tuples(*[_address_four] * 4), max_size=6),
    st.lists(st.tuples(*[_address_six] * 4), max_size=6),
    st.integers(56, 128),
)
def test_no_inside_address_of_a_flow_is_ruled_out_on_whatever_side_it_is(
    four: list[tuple[int, ...]], six: list[tuple[int, ...]], length: int
) -> None:
    found = told(flows(four, six))
    for number in {number for one in four for number in one}:
        address = IPv4Address(number)
        if not INSIDE.has(address):
            continue
        assert not is_ruled_out(found, IPv4Network(address))
        assert not is_ruled_out(found, IPv4Network((number, length // 4), strict=False))
    for number in {number for one in six for number in one}:
        if INSIDE.has(IPv6Address(number)):
            assert not is_ruled_out(found, IPv6Network(number))
            assert not is_ruled_out(found, IPv6Network((number, length), strict=False))


def events(*rows: tuple[str, int, str, int], event: int = 1) -> FlowBatch:
    """Events of (translated source, its port, destination, its port)."""
    names = ("nat_src4", "nat_src_port", "dst4", "dst_port")
    plain = [(int(IPv4Address(one[0])), one[1], int(IPv4Address(one[2])), one[3]) for one in rows]
    columns = {
        name: np.array([one[number] for one in plain], COLUMNS[name])
        for number, name in enumerate(names)
    }
    columns["nat_event"] = np.full(len(rows), event, np.uint8)
    return FlowBatch(len(rows), columns)


@pytest.mark.parametrize(
    ("address", "port", "ruled_out"),
    [
        pytest.param("203.0.113.7", 4000, False, id="outbound"),
        pytest.param("203.0.113.7", 4001, True, id="another port"),
        pytest.param("203.0.113.8", 4000, True, id="another address"),
        pytest.param("203.0.113.7", None, False, id="whatever port"),
        pytest.param("203.0.113.8", None, True, id="another address without port"),
        pytest.param("198.51.100.9", 80, False, id="inbound"),
        pytest.param("198.51.100.9", 81, True, id="another port inbound"),
        pytest.param("2001:db8::7", 4000, True, id="another family"),
    ],
)
def test_events_are_found_by_outside_address_and_port(
    address: str, port: int | None, ruled_out: bool
) -> None:
    found = told(events(("203.0.113.7", 4000, "198.51.100.9", 80)))
    assert rules_out(found, EventsOf(ip_address(address), port)) is ruled_out


def test_events_of_ipv6_are_found_too() -> None:
    public = IPv6Address("2001:db8::7")
    columns: dict[str, Array] = {
        "nat_src6_high": np.array([int(public) >> 64], np.uint64),
        "nat_src6_low": np.array([int(public) & (1 << 64) - 1], np.uint64),
        "nat_src_port": np.array([4000], np.uint16),
        "nat_event": np.array([1], np.uint8),
    }
    found = told(FlowBatch(1, columns))
    for port in (4000, None):
        assert not rules_out(found, EventsOf(public, port))
        assert rules_out(found, EventsOf(public + 1, port))


def test_an_event_with_outside_addresses_of_both_families_is_found_by_either() -> None:
    """As of a template that has room for both, and a gateway that fills both."""
    four, six = ip_address("203.0.113.7"), IPv6Address("2001:db8::7")
    batch = events((str(four), 4000, "0.0.0.0", 0))
    batch.columns["nat_src6_high"] = np.array([int(six) >> 64], np.uint64)
    batch.columns["nat_src6_low"] = np.array([int(six) & (1 << 64) - 1], np.uint64)
    found = told(batch)
    for port in (4000, None):
        assert not rules_out(found, EventsOf(four, port))
        assert not rules_out(found, EventsOf(six, port))
        assert rules_out(found, EventsOf(four + 1, port))


def test_no_record_is_ruled_out_for_an_address_that_stands_for_none() -> None:
    found = told(events(("203.0.113.7", 4000, "198.51.100.9", 80)))
    assert not rules_out(found, EventsOf(ip_address("::"), None))


def test_ordinary_flows_are_no_events() -> None:
    found = told(events(("203.0.113.7", 4000, "198.51.100.9", 80), event=0))
    assert rules_out(found, EventsOf(ip_address("203.0.113.7"), 4000))


def test_other_addresses_are_ruled_out() -> None:
    client, server = int(IPv4Address("10.0.0.9")), int(IPv4Address("192.168.4.1"))
    phone = int(IPv6Address("fd00:1::7"))
    found = told(flows([(client, 0, server, 0), (OUTSIDE, 0, client, 0)], [(phone, 0, 0, 0)]))
    for text in ("10.0.0.8", "10.0.0.10", "192.168.4.0", "192.168.0.0/23", "10.0.0.0/30"):
        assert is_ruled_out(found, ip_network(text)), text
    for text in ("fd00:1::8", "fd00:2::7", "fd00:2::/64", "fd00:1:0:4::/62"):
        assert is_ruled_out(found, ip_network(text)), text
    for text in ("fd00:1::/64", "fd00:1::/56", "fd00:1::4/126", "fd00:5::/48", "10.0.0.8/31"):
        assert not is_ruled_out(found, ip_network(text)), text


def test_few_of_many_ipv6_addresses_that_are_not_there_seem_to_be() -> None:
    rng = np.random.default_rng(1)
    high, count = int(IPv6Address("fd00::")) >> 64, 10_000
    lows = rng.integers(0, 1 << 62, count).astype(np.uint64)
    columns = {"src6_high": np.full(count, high, np.uint64), "src6_low": lows}
    found = told(FlowBatch(count, columns))
    others = [IPv6Network((high << 64) + int(low)) for low in rng.integers(0, 1 << 62, 500)]
    assert sum(not is_ruled_out(found, one) for one in others) < 5
    assert len(found.encode()) < 25_000


def test_a_room_of_clients_takes_an_octet_each() -> None:
    chosen = np.random.default_rng(1).choice(4096, 2500, replace=False)
    first = int(IPv4Address("10.20.0.0"))
    found = told(flows([(first + int(one), 0, OUTSIDE, 0) for one in chosen], []))
    assert found.four is not None
    assert (found.four == np.sort(chosen) + first).all()
    assert len(found.encode()) < 1_500


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "0.0.0.0/4", "10.0.0.0/8", "10.0.0.7/32"])
def test_prefixes_of_all_sizes_tell_the_same(prefix: str) -> None:
    client = int(IPv4Address("10.0.0.7"))
    batch, inside = flows([(client, 0, client, 0)], []), Inside((prefix,))
    found = of_flows(batch, find_clients(batch, inside), inside)
    assert found.four is not None
    assert client in found.four
    assert is_ruled_out(found, ip_network("10.0.0.8"))


def test_a_scan_of_everything_is_not_told_and_rules_nothing_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mentioning, "MOST", 9)
    monkeypatch.setattr(mentions, "MOST", 9)
    first = int(IPv4Address("10.0.0.0"))
    six = int(IPv6Address("fd00::"))
    found = told(
        flows(
            [(first + number, 0, 0, 0) for number in range(10)],
            [(six + number, 0, 0, 0) for number in range(10)],
        )
    )
    assert not is_ruled_out(found, ip_network("192.168.0.1"))
    assert not is_ruled_out(found, ip_network("fd00:9::1"))
    rows = of_rows([{"outside_address": "192.0.2.1", "outside_port": port} for port in range(10)])
    assert not rules_out(decode(rows.encode()), RowsOf(("192.0.2.9",)))


ROWS = (
    {"form": "a", "outside_address": "192.0.2.1", "outside_port": 7},
    {"form": "a", "outside_address": "192.0.2.2", "outside_port": 100, "outside_port_to": 199},
    {"form": "a", "outside_address": "192.0.2.3"},
    {"form": "b", "inside_address": "10.0.0.1", "outside_port": 100},
)


@pytest.mark.parametrize(
    ("names", "ruled_out"),
    [
        pytest.param(asked_names("192.0.2.1", 7), False, id="its port"),
        pytest.param(asked_names("192.0.2.1", 8), True, id="another port"),
        pytest.param(asked_names("192.0.2.1", None), False, id="whatever port"),
        pytest.param(asked_names("192.0.2.2", 150), False, id="within a block"),
        pytest.param(asked_names("192.0.2.2", 7), False, id="blocks are not told apart"),
        pytest.param(asked_names("192.0.2.3", 7), False, id="no port told"),
        pytest.param(asked_names("192.0.2.4", 7), True, id="another address"),
        pytest.param(asked_names("192.0.2.4", None), True, id="another address without port"),
        pytest.param((freed_name("10.0.0.1"),), False, id="freed by the inside address"),
        pytest.param((freed_name("10.0.0.2"),), True, id="freed by another"),
        pytest.param((inside_name("10.0.0.1"),), False, id="inside"),
        pytest.param((inside_name("10.0.0.2"),), True, id="another inside"),
        pytest.param((form_name("b"),), False, id="a form"),
        pytest.param((form_name("c"),), True, id="another form"),
        pytest.param((form_name("a", "192.0.2.1"),), False, id="a form of an address"),
        pytest.param((form_name("b", "192.0.2.1"),), True, id="another form of an address"),
        pytest.param(("x", *asked_names("192.0.2.1", 7)), False, id="one of several"),
    ],
)
def test_rows_are_found_by_what_they_are_named(names: tuple[str, ...], ruled_out: bool) -> None:
    assert rules_out(decode(of_rows(ROWS).encode()), RowsOf(names)) is ruled_out


def test_what_flows_mention_says_nothing_of_rows_and_the_other_way_round() -> None:
    assert not rules_out(told(flows([(1, 0, 0, 0)], [])), RowsOf(("192.0.2.1",)))
    assert not is_ruled_out(of_rows(ROWS), ip_network("10.0.0.1"))


@given(st.data())
def test_what_is_cut_or_altered_is_garbage_and_nothing_worse(data: st.DataObject) -> None:
    whole = bytearray(told(flows([(10 << 24 | 5, 0, 0, 0)], [])).encode())
    end = data.draw(st.integers(0, len(whole)))
    if end < len(whole):
        whole[end] ^= data.draw(st.integers(1, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        found = decode(cut)
    except ValueError:
        return
    assert found.four is None or len(found.four) <= mentions.MOST


def test_they_stand_in_a_segment_that_every_reader_reads_as_before(tmp_path: Path) -> None:
    path = tmp_path / "one.parquet"
    duckdb.execute(f"COPY (SELECT range AS n FROM range(9)) TO '{path}' (FORMAT parquet)")
    before = path.stat().st_size
    where = read_where(mention(path, of_rows(ROWS)))
    assert where is not None
    octets = path.read_bytes()
    assert where.fits(octets[where.at : where.at + where.octets])
    assert len(octets) == before + where.octets
    assert not rules_out(decode(octets[where.at :][: where.octets]), RowsOf(("192.0.2.1",)))
    found = duckdb.execute(f"SELECT sum(n) FROM '{path}'").fetchone()
    assert found == (36,)


@pytest.mark.parametrize("text", ["", "1", "1:2", "x:2:y", "-1:2:y", "1:99999999999:y", "¹:2:y"])
def test_a_field_that_is_not_understood_is_no_field(text: str) -> None:
    found = read_where(text)
    assert found is None or found.sha256 == ""


def test_octets_that_are_not_the_ones_do_not_fit() -> None:
    where = read_where(f"4:3:{'0' * 64}")
    assert where == Where(4, 3, "0" * 64)
    assert not where.fits(b"abc")
    assert ip_address("10.0.0.1") in INSIDE.four[0]
