"""Asking under pseudonyms, unlocking names, and what stands in the record of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from db.models import AuditEvent, UnlockRequest
from identity.domain.levels import Level
from identity.office import Office
from identity.services import audit, officers, people
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.archive.kinds import NAT
from traffic.archive.tables import TableArchive

ZONE = "Asia/Bangkok"
NAME = "พิมพ์ชนก น้ำผึ้งป่า"
SignIn = Callable[[str], Officer]


def question(office: Office) -> dict[str, str]:
    local = (office.clock() - timedelta(minutes=5)).astimezone(ZoneInfo(ZONE))
    return {
        "kind": "address",
        "address": "10.20.3.41",
        "port": "",
        "protocol": "",
        "at": f"{local:%d/%m}/{local.year + 543} {local:%H:%M:%S}",
        "tolerance_seconds": "30",
        "case": "12/2569",
        "reason": "หมายศาล",
    }


def events(office: Office, *actions: str) -> list[tuple[str, str, dict[str, Any]]]:
    with office.database.read() as session:
        rows = session.scalars(
            select(AuditEvent).where(AuditEvent.action.in_(actions)).order_by(AuditEvent.id)
        )
        return [(row.actor, row.action, json.loads(row.detail)) for row in rows]


def require_second_person(office: Office) -> None:
    """Switch it on for this office alone; its configuration is a copy from then on."""
    lookup = office.config.lookup.model_copy(update={"second_person": True})
    object.__setattr__(office, "config", office.config.model_copy(update={"lookup": lookup}))


def test_the_answer_is_pseudonymous_cites_its_evidence_and_says_its_limits(
    admin: Officer, office: Office
) -> None:
    seed.add_school_day(office)
    response = admin.post("/lookup/", "/lookup/", **question(office))
    assert response.status_code == 200
    text = response.text
    assert "One account held this address" in text
    assert NAME not in text and "pimchanok" not in text
    assert "บุคคล " in text and "hidden until it is unlocked" in text
    assert "network_session:" in text
    assert "It does not prove which person was using the device." in text
    assert "พ.ศ. 25" in text and " C.E., " in text and " UTC" in text
    assert "Confidentiality:" in text and "<b>ปกติ</b>" in text
    ((actor, _action, detail),) = events(office, "lookup:run")
    assert actor == "head"
    assert (detail["reason"], detail["names"], detail["candidates"]) == ("หมายศาล", False, 1)
    assert detail["address"] == "127.0.0.1"


def test_an_answer_without_anybody_does_not_say_that_there_is_no_other(
    admin: Officer, office: Office
) -> None:
    asked = {**question(office), "address": "198.51.100.7"}
    text = admin.post("/lookup/", "/lookup/", **asked).text
    assert "the records that are there show nobody" in text and "no second one" not in text
    thai = admin.post("/lookup/?lang=th", "/lookup/", **asked).text
    assert "ก็ไม่พบผู้ใดในข้อมูลที่มีอยู่" in thai and "ก็ไม่มีรายอื่น" not in thai


def test_an_inside_address_of_nobody_known_is_shown(admin: Officer, office: Office) -> None:
    at_ms = int((office.clock() - timedelta(minutes=5)).timestamp() * 1000)
    line = {
        "received_at": at_ms, "source": "10.0.0.1", "event": "create", "protocol": 6,
        "inside_address": "10.88.0.7", "inside_port": 40_000,
        "outside_address": "198.51.100.7", "outside_port": 50_000,
    }  # fmt: skip
    TableArchive(office.config.data_dir / "archive", "node").append(NAT, [line])
    asked = {**question(office), "address": "198.51.100.7", "port": "50000"}
    text = admin.post("/lookup/", "/lookup/", **asked).text
    assert "<code>10.88.0.7:40000</code>" in text and "nat:nat/" in text
    assert "no session is known for this address" in text


def test_unlocking_is_an_act_of_its_own_and_shows_the_names(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    asked = question(office)
    shown = admin.post("/lookup/unlocks/", "/lookup/", **{**asked, "reason": "ศาลขอชื่อ"})
    assert shown.status_code == 200
    assert NAME in shown.text and "<b>ลับ</b>" in shown.text
    (requested, revealed) = events(office, "lookup:unlock_requested", "lookup:revealed")
    assert requested[2]["reason"] == revealed[2]["reason"] == "ศาลขอชื่อ"
    assert (revealed[2]["names"], revealed[2]["candidates"]) == (True, 1)
    assert revealed[2]["approved_by"] == "head"
    assert events(office, "lookup:run") == []


def test_the_button_under_an_answer_unlocks_exactly_that_question(
    admin: Officer, office: Office
) -> None:
    seed.add_school_day(office)
    text = admin.post("/lookup/", "/lookup/", **question(office)).text
    form = text[text.index('action="/lookup/unlocks/"') :]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    del fields["csrf_token"]
    assert fields["at"].endswith("+00:00") and fields["tolerance_seconds"] == "30.0"
    shown = admin.post("/lookup/unlocks/", "/lookup/", **fields, reason="ศาลขอชื่อ")
    assert shown.status_code == 200 and NAME in shown.text


def test_with_a_second_person_names_wait_for_another_officer(
    office: Office, signed_in: SignIn
) -> None:
    require_second_person(office)
    coordinator, custodian, auditor = (signed_in(name) for name in ("prasan", "kepkhomun", "truat"))
    seed.add_school_day(office)
    asked = coordinator.post("/lookup/unlocks/", "/lookup/", **question(office))
    assert asked.status_code == 302
    path = asked.location
    assert NAME not in coordinator.get(path).text
    assert "Show the names" not in coordinator.get(path).text
    told = coordinator.follow(f"{path}/names", path)
    assert "waits for a second officer" in told and NAME not in told
    own = coordinator.follow(f"{path}/decide", path, decision="approve")
    assert "Nobody agrees to the own request" in own
    assert auditor.get(path).status_code == 403

    assert "agreed to" in custodian.follow(f"{path}/decide", path, decision="approve", note="ok")
    assert "Show the names" not in custodian.get(path).text
    theirs = custodian.post(f"{path}/names", path)
    assert theirs.status_code == 302 and NAME not in custodian.get(path).text
    again = custodian.follow(f"{path}/decide", path, decision="refuse")
    assert "decided this request already" in again
    shown = coordinator.post(f"{path}/names", path)
    assert shown.status_code == 200 and NAME in shown.text
    (*_before, (actor, _action, detail)) = events(office, "lookup:revealed")
    assert (actor, detail["approved_by"]) == ("prasan", "kepkhomun")

    with office.database.write() as session:
        session.get_one(UnlockRequest, 1).expires_at = office.clock() - timedelta(seconds=1)
    assert "approval has ended" in coordinator.follow(f"{path}/names", path)


def test_with_a_second_person_the_list_of_connections_is_no_way_around(
    office: Office, signed_in: SignIn
) -> None:
    custodian = signed_in("kepkhomun")
    seed.add_school_day(office)
    with office.database.read() as session:
        number = people.get(session, "thanyarat").id
    assert "10.20.3.42" in custodian.get(f"/people/{number}").text
    assert 'class="address">10.20.3.42' in custodian.get("/sessions/?show=all").text
    require_second_person(office)
    page = custodian.get("/sessions/?show=all&address=10.20.3.42").text
    assert "which a second officer unlocks" in page
    assert 'class="address">10.20.3.42' not in page
    assert "10.20.3.42" not in custodian.get(f"/people/{number}").text


def test_with_a_second_person_the_log_of_logins_is_no_way_around(
    office: Office, signed_in: SignIn
) -> None:
    custodian, helper = signed_in("kepkhomun"), signed_in("chuai")
    seed.add_school_day(office)
    with office.database.read() as session:
        number = people.get(session, "nattha").id
    before = custodian.get("/logins/?user=nattha").text
    path = max(re.findall(r'"(/logins/[0-9]+)"', before))
    assert "nattha" in before and "/logins/" in custodian.get(f"/people/{number}").text
    require_second_person(office)
    page = custodian.get("/logins/").text
    assert "Past logins name people" in page and "nattha" not in page
    assert "3c:22:fb" not in page and path not in page
    one, all_of_them = (custodian.get(f"/logins/{sought}").text for sought in ("?user=nobody", ""))
    assert one.count("<tr>") == all_of_them.count("<tr>") > 1
    assert custodian.get(path).location == "/logins/"
    person = custodian.get(f"/people/{number}").text
    assert path not in person and "Past logins name people" in person
    assert "nattha" in helper.get("/logins/?user=nattha").text


def test_a_refused_request_stays_closed(office: Office, signed_in: SignIn) -> None:
    require_second_person(office)
    coordinator, custodian = signed_in("prasan"), signed_in("kepkhomun")
    seed.add_school_day(office)
    path = coordinator.post("/lookup/unlocks/", "/lookup/", **question(office)).location
    custodian.follow(f"{path}/decide", path, decision="refuse", note="ไม่มีหมาย")
    assert "ไม่มีหมาย" in coordinator.get(path).text
    assert "was refused" in coordinator.follow(f"{path}/names", path)
    assert events(office, "lookup:revealed") == []


@pytest.mark.parametrize("kind", ["mac", "person", "flows"])
def test_every_kind_of_question_has_its_page(admin: Officer, office: Office, kind: str) -> None:
    seed.add_school_day(office)
    base = question(office)
    purpose = {"kind": kind, "case": base["case"], "reason": base["reason"]}
    page = f"/lookup/?kind={kind}"
    if kind == "mac":
        fields = {"mac": "a6:b4:c6:01:02:01", "at": base["at"]}
        hidden = admin.post("/lookup/", page, **purpose, **fields)
        assert hidden.status_code == 200
        assert "One account used this device" in hidden.text and NAME not in hidden.text
        assert "made this MAC address up" in hidden.text
    elif kind == "person":
        fields = {"user": "pimchanok", "begins": "1/1/2569", "ends": "1/1/2580"}
    else:
        fields = {"session": f"{1:032x}"}
    shown = admin.post("/lookup/unlocks/", page, **purpose, **fields)
    assert shown.status_code == 200, shown.text
    assert {"mac": NAME, "person": "10.20.3.41", "flows": "10.20.3.41"}[kind] in shown.text
    assert "<b>ลับ</b>" in shown.text
    assert "It does not prove which person" in shown.text
    assert len(events(office, "lookup:revealed", "flows:read")) == 1


def test_who_may_not_see_names_is_not_offered_them(office: Office, signed_in: SignIn) -> None:
    auditor = signed_in("truat")
    seed.add_school_day(office)
    answer = auditor.post("/lookup/", "/lookup/", **question(office)).text
    assert "One account held this address" in answer
    assert "Show the names" not in answer
    assert "kind=person" not in answer and "kind=flows" not in answer
    refused = auditor.post("/lookup/unlocks/", "/lookup/", **question(office))
    assert refused.status_code == 403
    assert events(office, "admin:denied")[0][0] == "truat"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"case": ""}, "Please fill this in."),
        ({"reason": " "}, "Please fill this in."),
        ({"address": "somewhere"}, "is not an IP address"),
        ({"at": "noon"}, "is not a time"),
        ({"at": "22/11/2569"}, "The time of day is missing"),
        ({"at": "22/11/25 10:00"}, "could be B.E. 2525 (1982 C.E.) or 2025 C.E. (B.E. 2568)"),
        ({"port": "70000"}, "A number from 0 to 65535."),
        ({"destination": "1.2.3.4:99999"}, "is not a port"),
    ],
)
@pytest.mark.parametrize("path", ["/lookup/", "/lookup/unlocks/"])
def test_a_question_that_makes_no_sense_is_neither_answered_nor_recorded(
    admin: Officer, office: Office, change: dict[str, str], sentence: str, path: str
) -> None:
    response = admin.post(path, "/lookup/", **{**question(office), **change})
    assert response.status_code == 422
    assert sentence in response.text
    assert events(office, "lookup:run", "lookup:revealed", "lookup:unlock_requested") == []


class Api:
    """A program at the API with an officer's session."""

    def __init__(self, officer: Officer) -> None:
        self._client = officer.client
        self._token = officer.get("/api/session").get_json()["csrf_token"]

    def post(self, path: str, tree: object, token: bool = True) -> Any:
        headers = {"X-CSRFToken": self._token} if token else {}
        return self._client.post(path, json=tree, headers=headers)


def asked_by_api(office: Office, **more: object) -> dict[str, object]:
    base = question(office)
    return {
        "address": base["address"], "at": base["at"], "tolerance_seconds": 30,
        "case": base["case"], "reason": base["reason"], **more,
    }  # fmt: skip


def test_the_api_asks_under_pseudonyms_and_unlocks(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    api = Api(admin)
    answer = api.post("/api/lookup", asked_by_api(office)).get_json()
    (one,) = answer["candidates"]
    assert (answer["outcome"], one["account"], one["full_name"]) == ("single", None, "")
    assert one["pseudonym"].startswith("บุคคล ")
    assert NAME not in json.dumps(answer, ensure_ascii=False)
    unlocked = api.post("/api/unlocks", asked_by_api(office))
    assert unlocked.status_code == 200
    assert unlocked.get_json()["answer"]["candidates"][0]["full_name"] == NAME
    flows = api.post(
        "/api/unlocks", {"kind": "flows", "session": f"{1:032x}", "case": "1", "reason": "x"}
    )
    assert flows.get_json()["answer"]["flows"] == []
    for bad, status in (
        ({}, 422),
        ([], 422),
        (asked_by_api(office, kind="everything"), 422),
        (asked_by_api(office, kind=["address"]), 422),
        (asked_by_api(office, kind={}), 422),
        (asked_by_api(office, port="80"), 422),
        (asked_by_api(office, port=[80]), 422),
        (asked_by_api(office, case=""), 422),
        (asked_by_api(office, address="10.0.0.1\0"), 422),
        ({"kind": "person", "user": "pimchanok", "case": "1", "reason": "x"}, 422),
        ({"kind": "flows", "session": "none", "case": "1", "reason": "x"}, 404),
    ):
        found = api.post("/api/lookup", bad)
        assert (found.status_code, "error" in found.get_json()) == (status, True), bad
    assert api.post("/api/lookup", asked_by_api(office), token=False).status_code == 400


def test_the_api_waits_for_the_second_person_too(office: Office, signed_in: SignIn) -> None:
    require_second_person(office)
    coordinator, custodian = signed_in("prasan"), signed_in("kepkhomun")
    seed.add_school_day(office)
    api = Api(coordinator)
    waiting = api.post("/api/unlocks", asked_by_api(office))
    assert (waiting.status_code, waiting.get_json()["state"]) == (202, "waiting")
    assert api.post("/api/unlocks/1/names", {}).status_code == 403
    custodian.follow("/lookup/unlocks/1/decide", "/lookup/unlocks/1", decision="approve")
    assert coordinator.get("/api/unlocks/1").get_json()["decided_by"] == "kepkhomun"
    shown = api.post("/api/unlocks/1/names", {}).get_json()
    assert shown["answer"]["candidates"][0]["full_name"] == NAME
    assert Api(custodian).post("/api/unlocks/1/names", {}).status_code == 403


def test_the_document_of_the_api_names_every_path_of_it(admin: Officer) -> None:
    described = admin.get("/api/openapi.json").get_json()
    rules = {
        rule.rule.replace("<int:request_id>", "{id}")
        for rule in admin.client.application.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule != "/api/openapi.json"
    }
    assert rules <= set(described["paths"])
    assert Level.COORDINATOR.value in json.dumps(described)


@pytest.mark.parametrize("made", ["level", "account", "password", "asker"])
def test_nobody_decides_for_whoever_made_them_an_officer(
    office: Office, signed_in: SignIn, made: str
) -> None:
    require_second_person(office)
    coordinator, custodian = signed_in("prasan"), signed_in("kepkhomun")
    path = coordinator.post("/lookup/unlocks/", "/lookup/", **question(office)).location
    with office.database.write() as session:
        if made == "level":
            officers.grant(session, office, "kepkhomun", Level.APPROVER, "prasan")
        elif made == "asker":
            audit.record(session, office.clock(), "kepkhomun", "account:added", "prasan")
        else:
            action = {"account": "account:added", "password": "account:password_changed"}[made]
            audit.record(session, office.clock(), "prasan", action, "kepkhomun")
    told = custodian.follow(f"{path}/decide", path, decision="approve")
    assert "You and the asker may be one person" in told
    assert "agreed to" in signed_in("head").follow(f"{path}/decide", path, decision="approve")


def test_a_wish_is_read_out_in_words_and_thai_time(office: Office, signed_in: SignIn) -> None:
    require_second_person(office)
    coordinator, custodian = signed_in("prasan"), signed_in("kepkhomun")
    asked = question(office) | {"at": "22/11/2569 14.30 น.", "protocol": "udp", "port": "53"}
    path = coordinator.post("/lookup/unlocks/", "/lookup/", **asked).location
    page = custodian.client.get(f"{path}?lang=th").text
    for label, value in (
        ("วันและเวลา", "22 พ.ย. 2569 14:30:00"), ("พอร์ต", "53"), ("โพรโทคอล", "UDP"),
    ):  # fmt: skip
        assert re.search(f"<i>{label}</i> {value}<", page), label
    assert "<i>at</i>" not in page and "+00:00" not in page and "tolerance_seconds" not in page
    page = custodian.client.get(f"{path}?lang=en").text
    assert "<i>Date and time</i> 22 Nov 2026 14:30:00<" in page
    assert "<i>Give or take, seconds</i> 30<" in page
