"""Log lines in look-ups: translations, leases, static tables, and what is missing of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from common.config import Config
from common.errors import ArchiveError
from common.metrics import Counters
from db.engine import Database
from db.models import AddressInterval, NetworkSession
from tests.conftest import Site
from tests.unit.traffic.lookup.test_service import PUBLIC, SENT, add_session, ask, database
from tests.vectors.flows.spools import write_spool
from tests.vectors.syslog.spools import conntrack, dnsmasq, line_record
from traffic.collectors.archivist import Archivist
from traffic.collectors.paths import collector_paths
from traffic.collectors.spool import closed_files
from traffic.lookup import leases, nat_logs
from traffic.lookup.attribution import Window
from traffic.lookup.flows import FlowQuestion, find_flows

__all__ = ["database"]

PHONE, TABLET = "3c:22:fb:01:02:03", "3c:22:fb:0a:0b:0c"


def with_collector(site: Site, **collector: Any) -> Site:
    tree = site.config.model_dump(mode="json", exclude={"source"})
    tree["collector"] |= collector
    return Site(site.config_file, Config.model_validate(tree))


@pytest.fixture
def site(site: Site) -> Site:
    """A site that takes no silence for a gap, however long ago the lines of a test came."""
    return with_collector(site, silent_minutes=43_200)


def archive_lines(site: Site, *lines: tuple[float, str], number: int = 1) -> None:
    """Store lines, each so many seconds after the moment that is asked for."""
    paths = collector_paths(site.config)
    paths.make()
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    records = [line_record(line, after) for after, line in sorted(lines)]
    write_spool(paths.spool, number, *records)
    archivist.consume(closed_files(paths.spool))


def add_bare_session(
    database: Database, key: str, user: str, mac: str, first: int, last: int | None, **more: Any
) -> None:
    """A session of which RADIUS told no address."""
    add_session(database, key, user, "192.0.2.200", first, last, **more)
    with database.write() as session:
        session.execute(delete(AddressInterval).where(AddressInterval.session_key == key))
        session.get_one(NetworkSession, key).calling_station_id = mac.replace(":", "")


def names(found: dict[str, Any]) -> list[str | None]:
    return [one["user_name"] for one in found["candidates"]]


def test_lease_and_translation_lead_to_a_session_without_an_address(
    site: Site, database: Database
) -> None:
    add_bare_session(database, "k1", "somchai", PHONE, -900, None, account_id=1)
    archive_lines(
        site,
        (-800, dnsmasq("10.1.2.3", PHONE)),
        (-800, dnsmasq("10.1.2.4", TABLET)),
        (-5, conntrack("NEW")),
        (5, conntrack("DESTROY")),
    )
    found = ask(site, database, PUBLIC, port=50_000, protocol="tcp")
    assert found["outcome"] == "single", found
    (one,) = found["candidates"]
    assert (one["account"], one["session_id"], one["mac"]) == ("head", "k1", PHONE)
    assert (one["inside_address"], one["inside_port"]) == ("10.1.2.3", 40_000)
    kinds = [record.partition(":")[0] for record in one["evidence"]]
    assert kinds == ["network_session", "lease", "nat", "nat"]
    assert found["translations"][0]["records"] == 2
    inside = ask(site, database, "10.1.2.3")
    assert (inside["outcome"], names(inside)) == ("single", ["somchai"])


@pytest.mark.parametrize(
    ("lines", "at", "outcome"),
    [
        pytest.param([(-5, "NEW"), (5, "DESTROY")], 0, "single", id="between"),
        pytest.param([(-5, "NEW"), (5, "DESTROY")], 8, "none", id="after-its-end"),
        pytest.param([(-5, "NEW"), (5, "DESTROY")], -8, "none", id="before-its-beginning"),
        pytest.param([(5, "DESTROY")], 0, "single", id="the-beginning-is-missing"),
        pytest.param([(-5, "NEW")], 600, "single", id="the-end-is-missing"),
        pytest.param([(-5, "NEW")], 25 * 3600, "gap", id="a-day-without-an-end"),
        pytest.param([(5, "DESTROY delta-time=3")], 0, "none", id="an-end-with-its-duration"),
        pytest.param([(5, "DESTROY delta-time=30")], 0, "single", id="a-longer-duration"),
        pytest.param([(0, "UPDATE")], 0, "single", id="seen-then"),
        pytest.param([(60, "UPDATE")], 0, "none", id="seen-at-another-time"),
    ],
)
def test_a_translation_counts_as_long_as_it_can_have_been(
    site: Site, database: Database, lines: list[tuple[float, str]], at: float, outcome: str
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -90_000, 90_000)
    stored = []
    for after, text in lines:
        event, _, more = text.partition(" ")
        stored.append((after, conntrack(event, more=f" {more}" if more else "")))
    archive_lines(site, *stored)
    found = ask(site, database, PUBLIC, port=50_000, at=SENT + timedelta(seconds=at))
    assert found["outcome"] == outcome, found


HELD = "<30>1 {told} gw conntrack - - - [{event}] tcp 6 src=10.1.2.3 dst=203.0.113.9 sport=1 " \
    "dport=443 src=203.0.113.9 dst=198.51.100.7 sport=443 dport=50000"  # fmt: skip


@pytest.mark.parametrize(
    ("patience", "clock", "at", "outcome"),
    [
        pytest.param(20, 0, 0, "single", id="held-back"),
        pytest.param(20, 0, -300, "none", id="before-it"),
        pytest.param(20, 4, -5, "single", id="held-back-by-a-clock-that-is-seconds-ahead"),
        pytest.param(5, 0, 0, "none", id="held-back-longer-than-a-silence"),
        pytest.param(20, 25_200, 0, "none", id="a-clock-hours-ahead"),
        pytest.param(20, 25_200, 600, "single", id="whose-lines-count-when-they-came"),
    ],
)
def test_lines_that_a_relay_held_back_count_when_they_were_told(
    site: Site, database: Database, patience: int, clock: int, at: float, outcome: str
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -90_000, 90_000)
    told = [(SENT + timedelta(seconds=clock + after)).isoformat() for after in (-5, 5)]
    archive_lines(
        site,
        (600, HELD.format(told=told[0], event="NEW")),
        (600, HELD.format(told=told[1], event="DESTROY")),
    )
    site = with_collector(site, silent_minutes=patience)
    found = ask(site, database, PUBLIC, port=50_000, at=SENT + timedelta(seconds=at))
    assert bool(found["candidates"]) is (outcome == "single"), found


ENDED = "<30>1 {told} gw conntrack - - - [DESTROY] tcp 6 src=10.1.2.3 dst=203.0.113.9 sport=1 " \
    "dport=443 src=203.0.113.9 dst=198.51.100.7 sport=443 dport=50000 delta-time=7"  # fmt: skip
SESSION = "<189>eventtime={nanoseconds} logid=0000000013 type=traffic srcip=10.1.2.3 srcport=1 " \
    "dstip=203.0.113.9 dstport=443 proto=6 action=close trandisp=snat transip=198.51.100.7 " \
    "transport=50000 duration=7"  # fmt: skip


@pytest.mark.parametrize("line", [ENDED, SESSION], ids=["an-end", "a-session"])
@pytest.mark.parametrize(
    ("at", "is_found"), [(0, True), (-12, False), (599, True), (605, False)]
)  # fmt: skip
def test_what_is_told_with_its_duration_began_so_long_before_it_was_told(
    site: Site, database: Database, line: str, at: float, is_found: bool
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -90_000, 90_000)
    told = SENT + timedelta(seconds=5)
    nanoseconds = int(told.timestamp()) * 10**9
    archive_lines(site, (600, line.format(told=told.isoformat(), nanoseconds=nanoseconds)))
    site = with_collector(site, silent_minutes=20)
    found = ask(site, database, PUBLIC, port=50_000, at=SENT + timedelta(seconds=at))
    assert bool(found["candidates"]) is is_found, found


def test_one_outside_port_for_two_destinations_is_two_people(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_lines(
        site,
        (-9, conntrack("NEW", far="203.0.113.9:443")),
        (-8, conntrack("NEW", inside="10.1.2.4:41000", far="203.0.113.8:443")),
        (8, conntrack("DESTROY", inside="10.1.2.4:41000", far="203.0.113.8:443")),
        (9, conntrack("DESTROY", far="203.0.113.9:443")),
    )
    found = ask(site, database, PUBLIC, port=50_000)
    assert (found["outcome"], sorted(names(found))) == ("ambiguous", ["malee", "somchai"])  # type: ignore[type-var]
    assert ask(site, database, PUBLIC, port=50_001)["outcome"] == "none"
    assert ask(site, database, PUBLIC, port=50_000, protocol="udp")["outcome"] == "none"


def test_too_many_translations_are_never_a_single_answer(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    monkeypatch.setattr(nat_logs, "MAX_ROWS", 3)
    archive_lines(
        site,
        *((-7200 + one, conntrack("NEW", outside=f"198.51.100.7:{one + 1}")) for one in range(9)),
        (0, conntrack("UPDATE")),
    )
    found = ask(site, database, PUBLIC)
    assert (found["outcome"], found["truncated"], names(found)) == ("ambiguous", True, ["somchai"])


def test_lease_and_radius_that_agree_are_both_cited(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_lines(site, (-500, dnsmasq("10.1.2.3", PHONE)))
    found = ask(site, database, "10.1.2.3")
    assert found["outcome"] == "single"
    evidence = found["candidates"][0]["evidence"]
    assert [record.partition(":")[0] for record in evidence] == [
        "network_session", "address_interval", "lease",
    ]  # fmt: skip


def test_lease_and_radius_that_disagree_are_ambiguous(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_bare_session(database, "k2", "malee", TABLET, -600, 600)
    archive_lines(site, (-500, dnsmasq("10.1.2.3", TABLET)))
    found = ask(site, database, "10.1.2.3")
    assert (found["outcome"], sorted(names(found))) == ("ambiguous", ["malee", "somchai"])  # type: ignore[type-var]


def test_a_lease_of_a_device_that_radius_does_not_know_contradicts_it_too(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_lines(site, (-500, dnsmasq("10.1.2.3", TABLET)))
    found = ask(site, database, "10.1.2.3")
    assert found["outcome"] == "ambiguous"
    assert {one["mac"] for one in found["candidates"]} == {PHONE, TABLET}
    assert [one["account"] for one in found["candidates"] if one["mac"] == TABLET] == [None]


def test_the_device_of_two_accounts_is_ambiguous(site: Site, database: Database) -> None:
    add_bare_session(database, "k1", "somchai", PHONE, -900, 30, account_id=1)
    add_bare_session(database, "k2", "malee", PHONE, -10, None)
    archive_lines(site, (-500, dnsmasq("10.1.2.3", PHONE)))
    assert ask(site, database, "10.1.2.3")["outcome"] == "ambiguous"


@pytest.mark.parametrize(
    ("lines", "at", "found"),
    [
        pytest.param([(-50, PHONE, "ACK"), (-20, PHONE, "RELEASE")], 0, [], id="given-back"),
        pytest.param([(-50, PHONE, "ACK"), (-20, TABLET, "ACK")], 0, ["malee"], id="another-has"),
        pytest.param([(-50, PHONE, "ACK"), (-20, TABLET, "ACK")], -30, ["somchai"], id="before"),
        pytest.param([(-50, PHONE, "ACK"), (-20, TABLET, "RELEASE")], 0, ["somchai"], id="not-its"),
        pytest.param([(10, PHONE, "ACK")], 0, [], id="not-yet"),
        pytest.param([(-50, PHONE, "ACK"), (-9, PHONE, "ACK"), (0.1, TABLET, "ACK")], 0,
                     ["malee", "somchai"], id="at-the-change"),
    ],
)  # fmt: skip
def test_a_lease_holds_until_it_is_given_back_or_given_to_another(
    site: Site,
    database: Database,
    lines: list[tuple[float, str, str]],
    at: float,
    found: list[str],
) -> None:
    add_bare_session(database, "k1", "somchai", PHONE, -900, None, account_id=1)
    add_bare_session(database, "k2", "malee", TABLET, -900, None)
    archive_lines(site, *((after, dnsmasq("10.1.2.3", mac, verb)) for after, mac, verb in lines))
    answer = ask(site, database, "10.1.2.3", at=SENT + timedelta(seconds=at))
    assert sorted(names(answer)) == found  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("sender", "host"), [("10.0.0.2", ""), ("10.0.0.1", "Nov 22 12:00:00 school2 ")]
)
def test_the_same_address_of_two_schools_is_two_people(
    site: Site, database: Database, sender: str, host: str
) -> None:
    """Each school's server gives 10.1.2.3 away; they send by themselves, or by one relay."""
    add_bare_session(database, "k1", "somchai", PHONE, -900, None, account_id=1)
    add_bare_session(database, "k2", "malee", TABLET, -900, None)
    paths = collector_paths(site.config)
    paths.make()
    other = dnsmasq("10.1.2.3", TABLET).replace("<30>", f"<30>{host}")
    own = dnsmasq("10.1.2.3", PHONE).replace("<30>", "<30>Nov 22 12:00:00 school1 ")
    write_spool(paths.spool, 1, line_record(own, -60), line_record(other, -30, sender))
    archivist = Archivist(site.config, paths, Counters())
    archivist.recover()
    archivist.consume(closed_files(paths.spool))
    found = ask(site, database, "10.1.2.3")
    assert (found["outcome"], sorted(names(found))) == ("ambiguous", ["malee", "somchai"])  # type: ignore[type-var]


def test_a_lease_after_its_time_is_nobodys(site: Site, database: Database) -> None:
    add_bare_session(database, "k1", "somchai", PHONE, -9000, None)
    kea = (
        "<30>kea-dhcp4[2]: INFO  DHCP4_LEASE_ALLOC [hwtype=1 "
        f"{PHONE}], cid=[no info], tid=0x1: lease 10.1.2.3 has been allocated for 600 seconds"
    )
    archive_lines(site, (-1000, kea))
    assert ask(site, database, "10.1.2.3")["outcome"] == "none"
    asked = SENT - timedelta(seconds=500)
    assert names(ask(site, database, "10.1.2.3", at=asked)) == ["somchai"]


def test_nothing_is_certain_beyond_the_lease(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, freed = SENT - timedelta(seconds=500), SENT - timedelta(seconds=200)
    lease = leases.Lease(
        address="10.1.2.3", mac=PHONE.replace(":", ""), from_at=given, to_at=freed, record="lease:1"
    )
    with Session(database.engine) as session:
        window = Window(given, SENT)
        (device,) = leases.join_leases(session, site.config, [lease], window, [])
        began = given - timedelta(hours=2)
        for certain, expected in ((SENT, freed), (began, given)):
            known = replace(device, from_at=began, to_at=None, certain_to=certain)
            monkeypatch.setattr(leases, "find_stations", lambda *_, known=known: [known])
            (held,) = leases.join_leases(session, site.config, [lease], window, [])
            assert (held.from_at, held.certain_to, held.to_at) == (given, expected, freed)


def test_no_lease_is_left_out_for_being_one_too_many(
    site: Site, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MAX_ROWS", 5)
    add_bare_session(database, "k1", "somchai", PHONE, -90_000, None, account_id=1)
    add_bare_session(database, "k2", "malee", TABLET, -90_000, None)
    flood = [(-80_000 + one, dnsmasq("10.1.2.3", PHONE)) for one in range(9)]
    archive_lines(
        site,
        *flood,
        (-60, dnsmasq("10.1.2.3", TABLET)),
        (-60, dnsmasq("10.1.2.4", PHONE)),
        *((-5, conntrack("NEW", inside=f"10.1.2.{one}:40000")) for one in (3, 4)),
    )
    found = ask(site, database, PUBLIC, port=50_000)
    assert {one["inside_address"]: one["user_name"] for one in found["candidates"]} == {
        "10.1.2.3": "malee",
        "10.1.2.4": "somchai",
    }
    monkeypatch.setattr(leases, "MAX_ROWS", 0)
    with pytest.raises(ArchiveError, match=r"10\.1\.2\.3"):
        ask(site, database, "10.1.2.3")


TABLE = {"inside": "10.1.2.0/28", "outside": PUBLIC, "first_port": 1024, "ports": 1000}


@pytest.mark.parametrize(
    ("port", "inside"),
    [(1023, None), (1024, "10.1.2.0"), (4024, "10.1.2.3"), (5023, "10.1.2.3"), (17_024, None)],
)
def test_the_static_table_says_whose_port_it_was(
    site: Site, database: Database, port: int, inside: str | None
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.0", -600, 600)
    found = ask(with_collector(site, static_nat=[TABLE]), database, PUBLIC, port=port)
    assert [one["inside_address"] for one in found["candidates"]] == [inside] * bool(inside)
    for one in found["candidates"]:
        assert one["evidence"][-1] == "configuration:collector.static_nat[0]"


def test_the_static_table_holds_from_when_it_was_set_up(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    later = (SENT + timedelta(hours=1)).isoformat()
    site = with_collector(site, static_nat=[TABLE | {"since": later}])
    assert ask(site, database, PUBLIC, port=4024)["outcome"] == "none"


@pytest.fixture
def silent(site: Site) -> Iterator[Site]:
    """A site whose DHCP server told of a lease half an hour ago, and of nothing since."""
    archive_lines(site, (0, dnsmasq("10.9.9.1", PHONE)))
    (path,) = collector_paths(site.config).state.glob("state-*.json")
    tree = json.loads(path.read_bytes())
    last = datetime.now(UTC) - timedelta(minutes=30)
    tree["syslog"][0][1] = int(last.timestamp() * 1000)
    path.write_text(json.dumps(tree))
    yield site


def test_a_sender_that_is_silent_now_is_a_gap_of_inside_addresses(
    silent: Site, database: Database
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    impatient = with_collector(silent, silent_minutes=20)
    found = ask(impatient, database, "10.9.9.9", at=at)
    assert "silent" in [gap["reason"] for gap in found["gaps"] if gap["kind"] == "syslog"]
    patient = ask(with_collector(silent, silent_minutes=40), database, "10.9.9.9", at=at)
    assert "silent" not in [gap["reason"] for gap in patient["gaps"]]


def test_a_silence_that_is_over_is_a_gap_of_its_time(site: Site, database: Database) -> None:
    site = with_collector(site, silent_minutes=10)
    archive_lines(site, (-3000, dnsmasq("10.9.9.1", PHONE)), (3000, dnsmasq("10.9.9.1", PHONE)))
    found = ask(site, database, "10.9.9.9")
    assert found["outcome"] == "gap"
    assert [(gap["kind"], gap["reason"]) for gap in found["gaps"]] == [("syslog", "silent")]
    assert found["gaps"][0]["source"] == "syslog 10.0.0.1 lease"
    public = ask(site, database, PUBLIC, port=50_000)
    assert [(gap["kind"], gap["reason"]) for gap in public["gaps"]] == [("syslog", "silent")]


def test_lines_that_are_missing_are_no_gap_of_flows(site: Site, database: Database) -> None:
    site = with_collector(site, silent_minutes=10)
    archive_lines(site, (-3000, dnsmasq("10.9.9.1", PHONE)), (3000, dnsmasq("10.9.9.1", PHONE)))
    window = Window(SENT, SENT + timedelta(seconds=1))
    question = FlowQuestion(
        address=ip_address("10.9.9.9"), user=None, window=window, case="1", reason="x"
    )
    assert find_flows(database, site.config, question, "head")["gaps"] == []
