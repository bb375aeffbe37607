"""Look-ups and flow lists over a real database and a real archive, without any network."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import select

from common.metrics import Counters
from db.engine import Database
from db.models import AddressInterval, AuditEvent, Gap, NetworkSession, ServiceRun
from tests.conftest import Site
from tests.vectors.flows import ipfix
from tests.vectors.flows.datagrams import SECONDS, UPTIME_MS, Flow
from tests.vectors.flows.spools import RECEIVED_NS, flow_datagram, record, write_spool
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.spool import closed_files
from traffic.lookup.missing import EXPORT_DELAY
from traffic.lookup.service import EARLY, LATER, run_lookup

SENT = datetime.fromtimestamp(SECONDS, UTC)
PUBLIC = "198.51.100.7"


@pytest.fixture
def database(site: Site) -> Iterator[Database]:
    """The site's database; RADIUS and the collector ran all day."""
    opened = Database(site.config.database_url)
    with opened.write() as session:
        for process in ("radius", "collector"):
            session.add(
                ServiceRun(
                    process=process,
                    node="node",
                    started_at=SENT - timedelta(hours=12),
                    alive_at=SENT + timedelta(hours=12),
                    stopped_at=SENT + timedelta(hours=12),
                )
            )
    yield opened
    opened.dispose()


def add_session(
    database: Database,
    key: str,
    user: str,
    address: str,
    first: int,
    last: int | None,
    account_id: int | None = None,
) -> None:
    """A session that had `address` from `first` to `last` seconds after the flows were sent."""
    begin = SENT + timedelta(seconds=first)
    end = None if last is None else SENT + timedelta(seconds=last)
    with database.write() as session:
        session.add(
            NetworkSession(
                session_key=key,
                nas_client_id=1,
                nas_identity="ap1",
                acct_session_id=key,
                user_name=user,
                account_id=account_id,
                calling_station_id="3c22fb010203",
                started_at=begin,
                last_heard_at=end or begin,
                session_seconds=0 if last is None else last - first,
                stop_seen=int(end is not None),
                stop_at=end,
                input_octets=0,
                output_octets=0,
            )
        )
        session.add(
            AddressInterval(
                session_key=key, address=address, source="radius", from_at=begin, to_at=end or begin
            )
        )


def archive_flows(site: Site, *flows: Flow, number: int = 1) -> None:
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    write_spool(paths.spool, number, record(flow_datagram(flows, number)))
    archivist.consume(closed_files(paths.spool))


BLOCK = ((323, 8), (8, 4), (225, 4), (230, 1), (361, 2), (362, 2))
GIVEN, FREED = 16, 17


def archive_blocks(site: Site, *events: tuple[int, str, int, int]) -> None:
    """(seconds after SENT, inside address, natEvent, first port) of blocks of 1000 ports."""
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    for number, (seconds, inside, event, first) in enumerate(events, archivist.consumed + 1):
        at = SECONDS + seconds
        addresses = b"".join(ip_address(one).packed for one in (inside, PUBLIC))
        octets = struct.pack("!Q", at * 1000) + addresses
        octets += struct.pack("!BHH", event, first, first + 999)
        datagram = ipfix.message(
            ipfix.template_set(256, BLOCK), ipfix.data_set(256, [octets]),
            sequence=number, seconds=at,
        )  # fmt: skip
        write_spool(paths.spool, number, record(datagram, received_ns=at * 10**9 + 10**8))
        archivist.consume(closed_files(paths.spool))


@pytest.mark.parametrize(
    ("port", "seconds", "expected"),
    [
        pytest.param(1000, 0, ["somchai"], id="first-port"),
        pytest.param(1999, 0, ["somchai"], id="last-port"),
        pytest.param(2000, 0, ["malee"], id="the-next-block"),
        pytest.param(999, 0, [], id="no-block"),
        pytest.param(1500, -400, [], id="before-it-was-given"),
        pytest.param(1500, -299, ["somchai"], id="just-given"),
        pytest.param(1500, 299, ["somchai"], id="just-before-it-was-freed"),
        pytest.param(1500, 350, [], id="after-it-was-freed"),
        pytest.param(1500, 450, ["malee"], id="given-to-somebody-else"),
        pytest.param(None, 0, ["malee", "somchai"], id="without-a-port"),
    ],
)
def test_a_port_in_a_block_leads_to_who_had_the_block(
    site: Site, database: Database, port: int | None, seconds: int, expected: list[str]
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -6000, 6000)
    add_session(database, "k2", "malee", "10.1.2.4", -6000, 6000)
    archive_blocks(
        site,
        (-300, "10.1.2.3", GIVEN, 1000),
        (-200, "10.1.2.4", GIVEN, 2000),
        (300, "10.1.2.3", FREED, 1000),
        (400, "10.1.2.4", GIVEN, 1000),
    )
    found = ask(site, database, PUBLIC, port=port, at=SENT + timedelta(seconds=seconds))
    assert sorted(one["user_name"] for one in found["candidates"]) == expected
    assert all(
        any(record.startswith("nat:nat/date=") for record in one["evidence"])
        for one in found["candidates"]
    )
    assert len(found["translations"]) == len(expected)


def test_a_block_is_found_however_long_ago_it_was_given(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -6000, 6000)
    archive_blocks(site, (-20 * 86_400, "10.1.2.3", GIVEN, 1000))
    assert ask(site, database, PUBLIC, port=1500)["outcome"] == "single"
    assert ask(site, database, PUBLIC, port=2500)["outcome"] == "none"


NAT_EVENT = ((323, 8), (8, 4), (12, 4), (225, 4), (7, 2), (11, 2), (227, 2), (4, 1), (230, 1))
MADE, ENDED = 4, 5


def test_a_session_that_ends_leaves_the_others_of_the_inside_port_open(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -6000, 6000)
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    told = ((-1800, MADE, 9), (-1500, MADE, 10), (-1440, ENDED, 10))
    for number, (seconds, event, last) in enumerate(told, 1):
        at = SECONDS + seconds
        octets = struct.pack("!Q", at * 1000) + bytes([10, 1, 2, 3, 203, 0, 113, last])
        octets += ip_address(PUBLIC).packed + struct.pack("!HHHBB", 40_000, 443, 50_000, 6, event)
        datagram = ipfix.message(
            ipfix.template_set(256, NAT_EVENT), ipfix.data_set(256, [octets]),
            sequence=number, seconds=at,
        )  # fmt: skip
        write_spool(paths.spool, number, record(datagram, received_ns=at * 10**9 + 10**8))
        archivist.consume(closed_files(paths.spool))
    for more in ({}, {"port": 50_000, "protocol": "tcp"}):
        found = ask(site, database, PUBLIC, **more)
        assert [one["user_name"] for one in found["candidates"]] == ["somchai"]
        assert {one["inside_port"] for one in found["translations"]} == {40_000}


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="without-a-port"),
        pytest.param({"port": 1500}, id="without-a-protocol"),
    ],
)
def test_an_older_block_of_another_counts_beside_a_newer_one(
    site: Site, database: Database, more: dict[str, Any]
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -6000, 6000)
    add_session(database, "k2", "malee", "10.1.2.4", -6000, 6000)
    first = 1001 if more else 2000
    archive_blocks(site, (-20 * 86_400, "10.1.2.3", GIVEN, 1000), (-300, "10.1.2.4", GIVEN, first))
    assert ask(site, database, PUBLIC, **more)["outcome"] == "ambiguous"


def test_a_binding_of_a_whole_address_leads_to_who_had_it(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -6000, 6000)
    archive_blocks(site, (-300, "10.1.2.3", 14, 0), (300, "10.1.2.3", 15, 0))
    assert ask(site, database, PUBLIC, port=65_535)["outcome"] == "single"
    later = SENT + timedelta(seconds=400)
    assert ask(site, database, PUBLIC, port=65_535, at=later)["outcome"] == "none"


def ask(site: Site, database: Database, address: str, **more: Any) -> dict[str, Any]:
    question = {"at": SENT, "address": address, "case": "12/2569", "reason": "court", **more}
    found: dict[str, Any] = dict(run_lookup(database, site.config, question, "head"))
    json.dumps(found)
    return found


def test_public_address_and_port_lead_to_the_account(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600, account_id=1)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_flows(site, Flow(), Flow(src="10.1.2.4", nat_src_port=50_001))
    found = ask(site, database, PUBLIC, port=50_000, protocol="tcp")
    assert found["outcome"] == "single"
    (one,) = found["candidates"]
    assert one["session_id"] == "k1"
    assert one["account"] == "head"
    assert one["mac"] == "3c:22:fb:01:02:03"
    assert (one["inside_address"], one["inside_port"]) == ("10.1.2.3", 40_000)
    assert one["evidence"][:2] == ["network_session:k1", "address_interval:k1/10.1.2.3"]
    assert one["evidence"][2].startswith("flow:flow/date=2026-11-18/hour=11/")
    assert found["asked"]["from"] == "2026-11-18T18:06:40+07:00"


def test_without_a_port_everyone_behind_it_is_named(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_flows(site, Flow(), Flow(src="10.1.2.4", nat_src_port=50_001))
    found = ask(site, database, PUBLIC)
    assert found["outcome"] == "ambiguous"
    assert {one["user_name"] for one in found["candidates"]} == {"somchai", "malee"}
    assert len(found["warnings"]) == 2


def test_the_wrong_protocol_or_port_finds_nobody(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_flows(site, Flow())
    assert ask(site, database, PUBLIC, port=50_000, protocol="udp")["outcome"] == "none"
    assert ask(site, database, PUBLIC, port=50_009)["outcome"] == "none"


def test_inbound_flows_are_found_by_their_destination_before_translation(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    fields = ((8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (226, 4), (228, 2), (22, 4), (21, 4))
    from tests.vectors.flows.datagrams import data_set, template_set, version_9

    body = bytes.fromhex("cb007109 c6336407 01bb c350 06 0a010203 9c40")
    body += (UPTIME_MS - 1000).to_bytes(4, "big") + UPTIME_MS.to_bytes(4, "big")
    datagram = version_9(template_set(256, fields), data_set(256, [body]))
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    write_spool(paths.spool, 1, record(datagram))
    archivist.consume(closed_files(paths.spool))
    found = ask(site, database, PUBLIC, port=50_000)
    assert [one["inside_port"] for one in found["candidates"]] == [40_000]


def test_who_had_it_is_said_though_nobody_is_known_there(site: Site, database: Database) -> None:
    archive_flows(site, Flow())
    asked = ("--at", SENT.isoformat(), "--address", PUBLIC, "--port", "50000")
    found = ask(site, database, PUBLIC, port=50_000)
    assert (found["outcome"], found["candidates"]) == ("none", [])
    said = site.yuenyan("lookup", *asked, "--case", "1", "--reason", "x").stdout
    assert "10.1.2.3" in said and "40000" in said and "flow:flow/" in said
    assert "Nobody had it" not in said and "no session of this address is known" in said
    (one,) = found["nameless"]
    assert (one["inside_address"], one["inside_port"]) == ("10.1.2.3", 40_000)
    later = (SENT + timedelta(hours=1)).isoformat()
    said = site.yuenyan("lookup", "--at", later, *asked[2:], "--case", "1", "--reason", "x").stdout
    assert "Nobody had it" in said and "10.1.2.3" not in said


def test_a_translation_of_another_hour_is_no_sign_that_somebody_had_it(
    site: Site, database: Database
) -> None:
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    for number, (seconds, event) in enumerate(((-7200, MADE), (-7100, ENDED)), 1):
        at = SECONDS + seconds
        octets = struct.pack("!Q", at * 1000) + bytes([10, 1, 2, 3, 203, 0, 113, 9])
        octets += ip_address(PUBLIC).packed + struct.pack("!HHHBB", 40_000, 443, 50_000, 6, event)
        datagram = ipfix.message(
            ipfix.template_set(256, NAT_EVENT), ipfix.data_set(256, [octets]),
            sequence=number, seconds=at,
        )  # fmt: skip
        write_spool(paths.spool, number, record(datagram, received_ns=at * 10**9 + 10**8))
        archivist.consume(closed_files(paths.spool))
    assert ask(site, database, PUBLIC, port=50_000)["nameless"] == []
    then = SENT - timedelta(seconds=7150)
    assert len(ask(site, database, PUBLIC, port=50_000, at=then)["nameless"]) == 1


def test_an_inside_address_is_resolved_straight(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, -100)
    add_session(database, "k2", "malee", "10.1.2.3", -50, None)
    found = ask(site, database, "10.1.2.3")
    assert [one["user_name"] for one in found["candidates"]] == ["malee"]
    assert found["candidates"][0]["to"] is None
    wider = ask(site, database, "10.1.2.3", tolerance_seconds=120)
    assert wider["outcome"] == "ambiguous"
    assert ask(site, database, "10.9.9.9")["outcome"] == "none"


def test_an_ipv6_address_is_found_by_its_prefix(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "2001:db8:5::/56", -600, 600)
    found = ask(site, database, "2001:db8:5:22::7")
    assert [one["user_name"] for one in found["candidates"]] == ["somchai"]


def test_a_time_nobody_was_receiving_is_a_gap(site: Site, database: Database) -> None:
    found = ask(site, database, "10.9.9.9", at=SENT - timedelta(days=3))
    assert found["outcome"] == "gap"
    assert [gap["source"] for gap in found["gaps"]] == ["radius"]
    public = ask(site, database, PUBLIC, at=SENT - timedelta(days=3))
    assert {gap["source"] for gap in public["gaps"]} == {"radius", "collector"}


def test_lost_datagrams_make_none_a_gap(site: Site, database: Database) -> None:
    with database.write() as session:
        session.add(
            Gap(
                kind="flow",
                source="192.0.2.1",
                from_at=SENT + timedelta(seconds=60),
                to_at=SENT + timedelta(seconds=61),
                lost=4,
                reason="sequence",
            )
        )
    found = ask(site, database, PUBLIC, port=50_000)
    assert found["outcome"] == "gap"
    assert [gap["lost"] for gap in found["gaps"]] == [4]
    assert ask(site, database, "10.9.9.9")["outcome"] == "none"


def test_whoever_asks_at_once_is_told_that_equipment_has_not_told_yet(
    site: Site, database: Database
) -> None:
    now = datetime.now(UTC)
    for address, minutes, is_early in (
        (PUBLIC, 1, True),
        (PUBLIC, 29, True),
        (PUBLIC, 31, False),
        ("10.1.2.3", 1, False),
    ):
        found = ask(site, database, address, port=50_000, at=now - timedelta(minutes=minutes))
        assert not found["candidates"]
        assert (EARLY in found["warnings"]) is is_early, (address, minutes)
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_flows(site, Flow())
    assert EARLY not in ask(site, database, PUBLIC, port=50_000)["warnings"]


def test_the_answer_says_why_a_gap_after_the_asked_moment_counts(
    site: Site, database: Database
) -> None:
    def add_gap(after: timedelta) -> None:
        with database.write() as session:
            session.add(
                Gap(
                    kind="flow",
                    source="192.0.2.1",
                    from_at=SENT + after,
                    to_at=SENT + after + timedelta(seconds=1),
                    lost=4,
                    reason="sequence",
                )
            )

    add_gap(timedelta(0))
    assert LATER not in ask(site, database, PUBLIC, port=50_000)["warnings"]
    add_gap(EXPORT_DELAY - timedelta(minutes=1))
    found = ask(site, database, PUBLIC, port=50_000)
    assert len(found["gaps"]) == 2 and LATER in found["warnings"]
    assert f" {EXPORT_DELAY // timedelta(minutes=1)} minutes " in LATER


def test_what_waits_in_the_spool_is_said(site: Site, database: Database) -> None:
    paths = collector_paths(site.config)
    write_spool(paths.spool, 1, record(flow_datagram([Flow()], 1), received_ns=RECEIVED_NS))
    found = ask(site, database, PUBLIC, port=50_000)
    assert found["outcome"] == "gap"
    assert found["pending_until"]
    assert [gap["reason"] for gap in found["gaps"]] == ["pending"]


def test_every_look_up_is_recorded_with_case_and_reason(site: Site, database: Database) -> None:
    ask(site, database, "10.9.9.9")
    with database.read() as session:
        (event,) = session.scalars(select(AuditEvent).where(AuditEvent.action == "lookup:run"))
    assert (event.actor, event.target) == ("head", "10.9.9.9")
    assert json.loads(event.detail)["case"] == "12/2569"


TIMES = ("--at", "2569-11-18T18:06:40", "--address", PUBLIC, "--port", "50000")
PURPOSE = ("--case", "12/2569", "--reason", "court")


def test_the_commands_print_what_the_contract_says(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_flows(site, Flow())
    result = site.yuenyan("lookup", *TIMES, *PURPOSE, "--json")
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (0, "single")
    assert "somchai" in site.yuenyan("lookup", *TIMES, *PURPOSE).stdout
    period = ("--from", "2026-11-18T17:00:00", "--to", "2026-11-18T19:00:00")
    for who in (("--user", "somchai"), ("--address", "10.1.2.3"), ("--address", "203.0.113.9")):
        found = json.loads(site.yuenyan("flows", *who, *period, *PURPOSE, "--json").stdout)
        assert [flow["nat_src_port"] for flow in found["flows"]] == [50_000]
        assert found["truncated"] is False
    table = site.yuenyan("flows", "--user", "somchai", *period, *PURPOSE, "--csv").stdout
    assert len(table.splitlines()) == 2
    status = json.loads(site.yuenyan("archive", "status", "--json").stdout)
    assert status["kinds"]["flow"]["records"] == 1
    assert site.yuenyan("archive", "verify").exit_code == 1
    assert site.yuenyan("archive", "seal").exit_code == 0
    assert site.yuenyan("archive", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("lookup", *TIMES, "--reason", "x"), 2, id="no-case"),
        pytest.param(("lookup", *TIMES, "--case", "x", "--reason", " "), 2, id="blank-reason"),
        pytest.param(("lookup", "--at", "soon", "--address", PUBLIC, *PURPOSE), 2, id="no-time"),
        pytest.param(
            ("lookup", "--at", "0001-01-01T00:00+14:00", "--address", PUBLIC, *PURPOSE),
            2,
            id="before-all-time",
        ),
        pytest.param(
            ("flows", "--user", "nobody", "--from", "2026-01-01", "--to", "2026-01-02", *PURPOSE),
            1,
            id="unknown-name",
        ),
        pytest.param(
            ("flows", "--from", "2026-01-01", "--to", "2026-01-02", *PURPOSE), 2, id="nobody"
        ),
    ],
)
def test_impossible_questions_are_refused(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    result = site.yuenyan(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("yuenyan: ")
