"""Translations whose records leave out the outside port, or the protocol: candidates all the same.

A gateway that translates addresses one to one has no port to tell (RFC 8158 section 5.2), and
some exporters tell the outside address alone.
"""

from __future__ import annotations

import struct
from datetime import timedelta
from ipaddress import ip_address

from common.metrics import Counters
from db.engine import Database
from tests.conftest import Site
from tests.unit.traffic.lookup.test_service import PUBLIC, SENT, add_session, archive_flows, ask
from tests.unit.traffic.lookup.test_service import database as database
from tests.vectors.flows import ipfix
from tests.vectors.flows.datagrams import SECONDS, Flow
from tests.vectors.flows.spools import record, write_spool
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.spool import closed_files

BARE = ((323, 8), (8, 4), (225, 4), (230, 1))
"""Time, inside and outside address, natEvent: no port and no protocol."""
FLOW = ((152, 8), (153, 8), (8, 4), (12, 4), (225, 4), (7, 2), (11, 2), (4, 1))
"""A flow with the outside address and without the outside port."""
BACK = ((152, 8), (153, 8), (8, 4), (12, 4), (226, 4), (4, 1))
"""A flow from outside to the outside address, and where it went inside; no port at all."""


def archive(site: Site, fields: tuple[tuple[int, int], ...], *records: bytes) -> None:
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    number = archivist.consumed + 1
    datagram = ipfix.message(
        ipfix.template_set(256, fields), ipfix.data_set(256, list(records)), sequence=number
    )
    write_spool(paths.spool, number, record(datagram))
    archivist.consume(closed_files(paths.spool))


def event(inside: str, kind: int, seconds: int) -> bytes:
    addresses = ip_address(inside).packed + ip_address(PUBLIC).packed
    return struct.pack("!Q", (SECONDS + seconds) * 1000) + addresses + bytes([kind])


def flow(inside: str, port: int) -> bytes:
    times = struct.pack("!QQ", (SECONDS - 5) * 1000, SECONDS * 1000)
    addresses = b"".join(ip_address(one).packed for one in (inside, "203.0.113.9", PUBLIC))
    return times + addresses + struct.pack("!HHB", port, 443, 6)


def test_a_session_of_a_gateway_without_ports_is_a_candidate_of_any_port(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive(site, BARE, event("10.1.2.3", 4, -20), event("10.1.2.3", 5, 0))
    found = ask(site, database, PUBLIC, port=50_000, protocol="tcp", at=SENT - timedelta(seconds=9))
    assert [one["user_name"] for one in found["candidates"]] == ["somchai"]


def test_a_flow_without_its_outside_port_is_a_candidate_beside_one_that_has_it(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_flows(site, Flow())
    archive(site, FLOW, flow("10.1.2.4", 50_000))
    found = ask(site, database, PUBLIC, port=50_000, protocol="tcp")
    assert {one["user_name"] for one in found["candidates"]} == {"somchai", "malee"}
    assert found["outcome"] == "ambiguous"


def test_a_flow_back_without_ports_is_a_candidate_whatever_port_it_came_from(
    site: Site, database: Database
) -> None:
    """As one on the way out is: `destination` tells apart those who say where they went."""
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive(site, FLOW, flow("10.1.2.3", 50_000))
    times = struct.pack("!QQ", (SECONDS - 5) * 1000, SECONDS * 1000)
    ends = b"".join(ip_address(one).packed for one in ("203.0.113.9", PUBLIC, "10.1.2.4"))
    archive(site, BACK, times + ends + bytes([6]))
    found = ask(
        *(site, database, PUBLIC),
        port=50_000,
        protocol="tcp",
        destination="203.0.113.9:443",
    )
    assert {one["user_name"] for one in found["candidates"]} == {"somchai", "malee"}
    assert found["outcome"] == "ambiguous"
