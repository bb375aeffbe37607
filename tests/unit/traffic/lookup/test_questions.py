"""Every question of R28 by command, and what stands in the record of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from common.clock import to_rfc3339
from common.errors import Refused, UsageError
from db.engine import Database
from db.models import AuditEvent, NetworkSession, UnlockRequest
from identity.domain.levels import Level
from identity.domain.registers import Action, Register
from identity.office import Office
from identity.services import officers, people, registers, unlocking
from tests.conftest import Result, Site, add_person
from tests.unit.traffic.lookup.test_service import (
    PUBLIC,
    PURPOSE,
    TIMES,
    add_session,
    archive_flows,
    database,
)
from tests.vectors.flows.datagrams import Flow
from traffic.evidence.scope import _moment
from traffic.lookup.asking import Kind, read_asked
from traffic.lookup.pseudonyms import pseudonym
from traffic.lookup.question import read_period

__all__ = ["database"]

MAC = "3c:22:fb:01:02:03"
AT = "18 พ.ย. 2569 18.06.40 น."
PERIOD = ("--from", "18/11/2569 17:00", "--to", "18/11/2569 19:00")


def tree(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def events(database: Database, *actions: str) -> list[tuple[str, dict[str, Any]]]:
    with database.read() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.id)
        )
        return [(row.action, {"target": row.target, **json.loads(row.detail)}) for row in rows]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(
            ("--at", AT, "--address", PUBLIC, "--from", AT), "--from and --to go with", id="from"
        ),
        pytest.param(("--at", AT, "--mac", MAC, "--to", AT), "--from and --to go with", id="to"),
        pytest.param(("--address", PUBLIC, *PERIOD), "one moment: --at", id="no-moment"),
        pytest.param(("--user", "somchai", *PERIOD, "--at", AT), "--at goes with", id="at"),
    ],
)
def test_a_time_that_the_question_has_no_use_for_is_refused_and_not_dropped(
    site: Site, asked: tuple[str, ...], told: str
) -> None:
    found = site.yuenyan("lookup", *asked, *PURPOSE)
    assert found.exit_code == 2
    assert told in found.stderr


@pytest.mark.parametrize(
    ("kind", "more"),
    [(Kind.ADDRESS, "from"), (Kind.MAC, "to"), (Kind.PERSON, "at")],
)
def test_whoever_asks_by_api_is_told_as_well(database: Database, kind: Kind, more: str) -> None:
    question = {"address": PUBLIC, "mac": MAC, "at": AT, "case": "1", "reason": "r"}
    if kind is Kind.PERSON:
        question |= {"user": "somchai", "from": AT, "to": AT}
    with pytest.raises(UsageError, match=r"one moment|over a period"):
        read_asked(kind, question | {more: AT}, "Asia/Bangkok", database)


def test_a_thai_time_is_echoed_in_both_calendars_before_the_answer(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_flows(site, Flow())
    shown = site.yuenyan(
        "lookup", "--at", AT, "--address", PUBLIC, "--port", "50000", *PURPOSE
    ).stdout
    assert shown.index("18 พฤศจิกายน พ.ศ. 2569 เวลา 18:06:40 น.") < shown.index("somchai")
    assert "18 November 2026 C.E., 18:06:40 +07:00" in shown
    assert "2026-11-18 11:06:40 UTC" in shown
    assert "ไม่ใช่หลักฐานว่าบุคคลใดเป็นผู้ใช้อุปกรณ์" in shown
    assert "It does not prove which person" in shown
    assert "[ลับ]" in shown


def test_the_destination_tells_apart_who_shares_one_outside_port(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_flows(
        site, Flow(dst="203.0.113.9"), Flow(src="10.1.2.4", dst="203.0.113.80", dst_port=80)
    )
    asked = ("lookup", *TIMES, "--protocol", "tcp", *PURPOSE, "--json")
    assert tree(site.yuenyan(*asked))["outcome"] == "ambiguous"
    for destination, name in (
        ("203.0.113.9", "somchai"),
        ("203.0.113.9:443", "somchai"),
        ("203.0.113.80:80", "malee"),
    ):
        found = tree(site.yuenyan(*asked, "--destination", destination))
        assert found["outcome"] == "single"
        assert found["candidates"][0]["user_name"] == name
        assert found["asked"]["destination"] == destination
    assert tree(site.yuenyan(*asked, "--destination", "203.0.113.80:81"))["outcome"] == "none"
    assert site.yuenyan(*asked, "--destination", "203.0.113.80:99999").exit_code == 2


def test_a_device_at_a_time_leads_to_its_session_also_without_an_address(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, -100, account_id=1)
    add_session(database, "k2", "malee", "10.1.2.3", -50, None)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k2")
        session.add(
            NetworkSession(
                session_key="k3", nas_client_id=1, nas_identity="ap1", acct_session_id="k3",
                user_name="other", calling_station_id="3c22fb010299", started_at=row.started_at,
                last_heard_at=row.last_heard_at, session_seconds=0, stop_seen=0,
                input_octets=0, output_octets=0,
            )
        )  # fmt: skip
    asked = ("lookup", "--at", AT, "--mac", MAC, *PURPOSE, "--json")
    found = tree(site.yuenyan(*asked))
    assert found["outcome"] == "single"
    (one,) = found["candidates"]
    assert (one["session_id"], one["user_name"]) == ("k2", "malee")
    assert [held["address"] for held in one["addresses"]] == ["10.1.2.3"]
    assert found["asked"]["mac"] == MAC
    assert found["tolerance"]["ambiguous_from_seconds"] == 99
    wider = tree(site.yuenyan(*asked, "--tolerance-seconds", "99"))
    assert wider["outcome"] == "ambiguous"
    bare = tree(
        site.yuenyan("lookup", "--at", AT, "--mac", "3C-22-FB-01-02-99", *PURPOSE, "--json")
    )
    assert bare["candidates"][0]["inside_address"] is None
    nobody = tree(site.yuenyan("lookup", "--at", AT, "--mac", "3c22fb0102ff", *PURPOSE, "--json"))
    assert nobody["outcome"] == "none"


def test_a_session_ends_for_its_device_when_it_ends_for_its_address(
    site: Site, database: Database
) -> None:
    """Closed by a restart hours after its last report, on equipment that reports each 300 s."""
    add_session(database, "k1", "somchai", "10.1.2.3", -20_000, -19_000, account_id=1)
    with database.write() as session:
        row = session.get_one(NetworkSession, "k1")
        row.stop_seen, row.stop_at, row.session_seconds = 0, None, 1000
        row.closed_at, row.close_cause = row.started_at + timedelta(seconds=30_000), "nas_restarted"
        row.last_heard_at = row.started_at + timedelta(seconds=1000)
    asked = ("--at", AT, *PURPOSE, "--json")
    for subject in (("--mac", MAC), ("--address", "10.1.2.3")):
        found = tree(site.yuenyan("lookup", *subject, *asked))
        assert found["candidates"] == [], subject


def test_a_person_and_a_period_lead_to_sessions_devices_addresses_and_places(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, -100, account_id=1)
    add_session(database, "k2", "somchai", "10.1.2.4", -50, None, account_id=1)
    add_session(database, "k3", "malee", "10.1.2.5", -50, None)
    asked = ("lookup", "--user", "head", *PERIOD, *PURPOSE)
    found = tree(site.yuenyan(*asked, "--json"))
    assert [one["session_id"] for one in found["sessions"]] == ["k1", "k2"]
    assert [one["address"] for one in found["addresses"]] == ["10.1.2.3", "10.1.2.4"]
    assert [(one["mac"], one["sessions"]) for one in found["devices"]] == [(MAC, 2)]
    assert [(one["nas"], one["sessions"]) for one in found["places"]] == [("#1", 2)]
    assert "10.1.2.3" in site.yuenyan(*asked).stdout
    assert site.yuenyan("lookup", "--user", "nobody", *PERIOD, *PURPOSE).exit_code == 1
    (_, first), *_rest, (_, last) = events(database, "lookup:run")
    assert (first["target"], first["candidates"], first["names"]) == ("head", 2, True)
    assert (last["target"], last["candidates"]) == ("nobody", 0)


def test_a_session_leads_back_to_its_flows(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    add_session(database, "k2", "malee", "10.1.2.4", -600, 600)
    archive_flows(site, Flow(), Flow(src="10.1.2.4", nat_src_port=50_001))
    found = tree(site.yuenyan("flows", "--session", "k1", *PURPOSE, "--json"))
    assert [flow["nat_src_port"] for flow in found["flows"]] == [50_000]
    assert found["asked"]["session"] == "k1"
    read = tree(site.yuenyan("flows", "--session", "k1", *PERIOD, *PURPOSE, "--json"))
    assert read["interpretation"]["from"]["thai"] == "18 พฤศจิกายน พ.ศ. 2569 เวลา 17:00:00 น."
    table = site.yuenyan("flows", "--session", "k1", *PERIOD, *PURPOSE).stdout
    assert table.index("18 November 2026 C.E., 19:00:00 +07:00") < table.index("203.0.113.9")
    assert [one["session_id"] for one in found["addresses"]] == ["k1"]
    assert tree(site.yuenyan("flows", "--session", "k1", *PERIOD, *PURPOSE, "--json"))["flows"]
    missing = site.yuenyan("flows", "--session", "k9", *PURPOSE)
    assert (missing.exit_code, "no session" in missing.stderr) == (1, True)
    both = site.yuenyan("flows", "--session", "k1", "--user", "x", *PERIOD, *PURPOSE)
    assert both.exit_code == 2


def test_the_record_says_who_has_the_shell(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    site.yuenyan("lookup", *TIMES, *PURPOSE)
    site.yuenyan("flows", "--session", "k1", *PURPOSE)
    for _action, detail in events(database, "lookup:run", "flows:read"):
        assert detail["os_user"]
        assert (detail["case"], detail["reason"]) == ("12/2569", "court")


def test_pseudonyms_show_no_name_and_stay_the_same_within_a_case(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600, account_id=1)
    asked = ("lookup", "--at", AT, "--address", "10.1.2.3", "--reason", "court", "--json")
    found, again, other = (
        tree(site.yuenyan(*asked, "--pseudonyms", "--case", case))
        for case in ("12/2569", "12/2569", "13/2569")
    )
    (one,) = found["candidates"]
    assert (one["account"], one["full_name"], one["user_name"]) == (None, "", None)
    assert one["mac"] == "3c:22:fb:··:··:··"
    assert one["session_id"] == "k1"
    assert found["confidentiality"] == "ปกติ" and found["names"] is False
    assert "somchai" not in json.dumps(found) and "head" not in json.dumps(found["candidates"])
    assert again["candidates"][0]["pseudonym"] == one["pseudonym"]
    assert other["candidates"][0]["pseudonym"] != one["pseudonym"]


def test_pseudonyms_of_a_thousand_people_differ() -> None:
    made = {pseudonym(b"key", "12/2569", f"account:{number}") for number in range(1000)}
    assert len(made) == 1000
    assert pseudonym(b"key", "12/2569", "account:1") != pseudonym(b"yek", "12/2569", "account:1")


@pytest.fixture
def two_person_site(site: Site, database: Database, office: Office) -> Site:
    """A site where a second officer has to agree; `khun` may."""
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(f"{text}[lookup]\nsecond_person = true\n", encoding="utf-8")
    add_person(office, "khun")
    with office.database.write() as session:
        officers.grant(session, office, "khun", Level.CUSTODIAN, "test")
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    return site


def approve(office: Office, number: int) -> None:
    with office.database.write() as session:
        unlocking.approve(session, office, number, people.get(session, "khun"), "ok")


INSIDE = ("--at", AT, "--address", "10.1.2.3")


def test_with_a_second_person_names_need_an_approval_of_this_very_question(
    two_person_site: Site, office: Office, database: Database
) -> None:
    site = two_person_site
    refused = site.yuenyan("lookup", *INSIDE, *PURPOSE, "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "--ask-approval" in refused.stderr
    asked = site.yuenyan("lookup", *INSIDE, *PURPOSE, "--ask-approval")
    assert "request 1 waits" in asked.stdout
    allowed = ("lookup", *INSIDE, *PURPOSE, "--approval", "1", "--json")
    assert "waits for a second officer" in site.yuenyan(*allowed).stderr
    approve(office, 1)
    assert tree(site.yuenyan(*allowed))["candidates"][0]["user_name"] == "somchai"
    for other in (
        ("lookup", *INSIDE, "--case", "13", "--reason", "court", "--approval", "1"),
        ("lookup", *INSIDE, "--tolerance-seconds", "5", *PURPOSE, "--approval", "1"),
        ("lookup", "--at", AT, "--mac", MAC, *PURPOSE, "--approval", "1"),
        ("flows", "--session", "k1", *PURPOSE, "--approval", "1"),
        ("flows", "--session", "k1", *PURPOSE),
        ("lookup", *INSIDE, *PURPOSE, "--approval", "7"),
    ):
        assert site.yuenyan(*other).exit_code == 1, other
    assert len(events(database, "lookup:denied")) == 7
    (_action, detail) = events(database, "lookup:run")[-1]
    assert (detail["approval"], detail["approved_by"]) == (1, "khun")
    assert tree(site.yuenyan("lookup", *INSIDE, *PURPOSE, "--pseudonyms", "--json"))["candidates"]


def test_with_a_second_person_no_list_at_the_console_names_who_was_there(
    two_person_site: Site, database: Database
) -> None:
    site = two_person_site
    for words in (("session", "list"), ("login", "list", "--user", "somchai")):
        refused = site.yuenyan(*words)
        assert (refused.exit_code, refused.stdout) == (1, ""), words
        assert "--ask-approval" in refused.stderr
    assert len(events(database, "lookup:denied")) == 2
    assert site.yuenyan("session", "list", "--active").exit_code == 0


def test_with_a_second_person_what_leaves_needs_a_request_that_another_approved(
    two_person_site: Site, office: Office, database: Database, tmp_path: Path
) -> None:
    site, out = two_person_site, str(tmp_path / "out.zip")
    add_person(office, "somchai")
    export = ("subject", "export", "somchai", "--out", out)
    facts = {"person": "somchai", "account": "somchai", "scope": "x", "identity_check": "card"}
    approved = registers.Step(action=Action.APPROVED, note="ok")
    with office.database.write() as session:
        mine, theirs, other = (
            registers.add(session, office, Register.SUBJECT, {**facts, "account": name}, who).number
            for name, who in (("somchai", "khun"), ("somchai", "command-line"), ("khun", "x"))
        )
        for number in (mine, other):
            registers.take_step(session, office, number, approved, "khun")
    for more in ((), ("--request", mine), ("--request", theirs), ("--request", other)):
        assert site.yuenyan(*export, *more).exit_code == 1, more
    evidence = ("evidence", "export", "--case", "1", "--from", AT, "--to", AT, "--out", out)
    told = site.yuenyan(*evidence).stderr
    assert "--request" in told and "second officer" in told
    assert site.yuenyan(*evidence, "--request", mine).exit_code == 1
    assert len(events(database, "lookup:denied")) == 6
    with office.database.write() as session:
        registers.take_step(session, office, theirs, approved, "khun")
    assert site.yuenyan(*export, "--request", theirs).exit_code == 0


def test_an_approval_ends_and_a_refusal_says_why(
    two_person_site: Site, office: Office, database: Database
) -> None:
    site = two_person_site
    ask = ("flows", "--session", "k1", *PURPOSE, "--ask-approval")
    assert site.yuenyan(*ask).exit_code == 0
    assert json.loads(site.yuenyan(*ask, "--json").stdout) == {"approval": 2, "state": "waiting"}
    approve(office, 1)
    assert site.yuenyan("flows", "--session", "k1", *PURPOSE, "--approval", "1").exit_code == 0
    with office.database.write() as session:
        session.get_one(UnlockRequest, 1).expires_at = office.clock() - timedelta(seconds=1)
        unlocking.refuse(session, office, 2, people.get(session, "khun"), "ไม่มีหมาย")
    ended = site.yuenyan("flows", "--session", "k1", *PURPOSE, "--approval", "1")
    assert (ended.exit_code, "has ended" in ended.stderr) == (1, True)
    refused = site.yuenyan("flows", "--session", "k1", *PURPOSE, "--approval", "2")
    assert "refused by khun: ไม่มีหมาย" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("lookup", *PURPOSE),
        ("lookup", "--address", PUBLIC, *PURPOSE),
        ("lookup", "--at", AT, "--address", PUBLIC, "--mac", MAC, *PURPOSE),
        ("lookup", "--at", AT, "--mac", "not-a-mac", *PURPOSE),
        ("lookup", "--at", "18/11/2569", "--address", PUBLIC, *PURPOSE),
        ("lookup", "--at", "18/11/25 10:00", "--address", PUBLIC, *PURPOSE),
        ("lookup", "--user", "head", *PURPOSE),
        ("lookup", "--user", "head", *PERIOD, "--pseudonyms", *PURPOSE),
        ("flows", "--user", "head", *PURPOSE),
    ],
)
def test_a_question_that_says_too_little_or_too_much_is_refused(
    site: Site, arguments: tuple[str, ...]
) -> None:
    result = site.yuenyan(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_nobody_agrees_to_the_own_wish(office: Office, site: Site) -> None:
    with office.database.write() as session:
        head = people.get(session, "head")
        wish = unlocking.Wish(
            kind="mac", question={}, case="1", reason="x", asker="head", asker_id=head.id
        )
        own = unlocking.request(session, office, wish).id
        shell = unlocking.Wish(
            kind="mac", question={}, case="1", reason="x", asker="command-line", os_user="head"
        )
        at_console = unlocking.request(session, office, shell).id
        for number in (own, at_console):
            with pytest.raises(Refused, match="own wish"):
                unlocking.approve(session, office, number, head, "")


def test_a_date_alone_ends_a_period_with_its_last_moment_everywhere(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -600, 600)
    archive_flows(site, Flow())
    day = ("--from", "18/11/2569", "--to", "18/11/2569")
    flows = tree(site.yuenyan("flows", "--user", "somchai", *day, *PURPOSE, "--json"))
    assert len(flows["flows"]) == 1
    person = tree(site.yuenyan("lookup", "--user", "somchai", *day, *PURPOSE, "--json"))
    assert len(person["sessions"]) == 1
    for found in (flows, person):
        said = found["interpretation"]
        assert said["from"]["thai"].endswith("18 พฤศจิกายน พ.ศ. 2569 เวลา 00:00:00 น.")
        assert said["to"]["thai"].startswith("18 พฤศจิกายน พ.ศ. 2569 เวลา 23:59:59")
    moments = [_moment("18/11/2569", name, "Asia/Bangkok") for name in ("from", "to")]
    there = [one.astimezone(ZoneInfo("Asia/Bangkok")) for one in moments]
    assert [f"{one:%d %H:%M:%S}" for one in there] == ["18 00:00:00", "18 23:59:59"]
    period = read_period("18/11/2569", "18/11/2569 12:00", "Asia/Bangkok")
    assert f"{period.to_at:%H:%M}" == "05:00", "a time of day is taken as it is"
    again = read_period(to_rfc3339(moments[0]), to_rfc3339(moments[1]), "Asia/Bangkok")
    assert [again.from_at, again.to_at] == moments, "an approval asks the same question again"


@pytest.mark.parametrize(
    "question",
    [
        ("lookup", "--at", "28/11/2600 17:50", "--address", "10.0.0.5"),
        ("lookup", "--at", "2057-11-28T17:50:00+07:00", "--mac", MAC),
        ("lookup", "--user", "somchai", "--from", "28/11/2600", "--to", "28/11/2600"),
        (
            *("flows", "--json", "--address", "10.0.0.5"),
            *("--from", "2057-11-28T17:50:00+07:00", "--to", "2057-11-28T18:50:00+07:00"),
        ),
    ],
)
def test_nobody_is_named_for_a_time_that_has_not_come(
    database: Database, site: Site, question: tuple[str, ...]
) -> None:
    add_session(database, "open", "somchai", "10.0.0.5", -600, None)
    refused = site.yuenyan(*question, *PURPOSE)
    assert refused.exit_code == 2
    assert "has not come yet: that is the year 2057 (B.E. 2600)" in refused.stderr


def test_a_period_may_end_in_the_future(database: Database, site: Site) -> None:
    add_session(database, "open", "somchai", "10.0.0.5", -600, None)
    period = ("--from", "18/11/2569 17:00", "--to", "28/11/2600")
    found = tree(site.yuenyan("lookup", "--user", "somchai", *period, *PURPOSE, "--json"))
    assert len(found["sessions"]) == 1


def test_a_name_is_found_whichever_of_its_marks_was_typed_first(
    site: Site, office: Office, database: Database
) -> None:
    stored, typed = "คร\u0e39\u0e49", "คร\u0e49\u0e39"
    add_person(office, stored, "a long password")
    with office.database.read() as session:
        number = people.get(session, stored).id
    # As the equipment tells it is as it was typed at the device.
    add_session(database, "k1", typed, "10.1.2.3", -600, 0, number)
    archive_flows(site, Flow())
    for name in (stored, typed):
        person = tree(site.yuenyan("lookup", "--user", name, *PERIOD, *PURPOSE, "--json"))
        assert len(person["sessions"]) == 1
        flows = tree(site.yuenyan("flows", "--user", name, *PERIOD, *PURPOSE, "--json"))
        assert len(flows["flows"]) == 1
    add_session(database, "k2", stored, "10.1.2.4", -600, 0, number)
    person = tree(site.yuenyan("lookup", "--user", typed, *PERIOD, *PURPOSE, "--json"))
    assert len(person["sessions"]) == 2, "those of the account, however its name was sent"
