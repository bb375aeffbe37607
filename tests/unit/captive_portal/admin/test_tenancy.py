"""Two schools in one system: nothing of one reaches the staff of the other (R54)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from common.errors import Refused
from db.models import (
    Account,
    AddressInterval,
    AuditEvent,
    AuthEvent,
    NasClient,
    NetworkSession,
    Organisation,
    Registration,
)
from identity.domain.levels import Level
from identity.office import Office
from identity.services import approval, nas, officers, people, registrations, roles, vouchers
from identity.services.reach import reach_of
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

SignIn = Callable[[str], Officer]
HERE, THERE = "ALPHA", "BRAVO"
STATIONS = {HERE: "3c22fb0a0a01", THERE: "3c22fb0b0b01"}
ADDRESS = "10.77.0.5"
"""Both schools use it inside, as schools do."""
SECRETS = {
    # What only one school's records hold; none of it may be on a page of the other.
    HERE: ("kru.alpha", "ครูอัลฟา", "pupil.alpha", "เด็กอัลฟา", "nas-alpha", "10.88.1.1",
           "3c:22:fb:0a:0a:01", "สมัครอัลฟา", "ค่ายอัลฟา", "sessionalpha"),
    THERE: ("kru.bravo", "ครูบราโว", "pupil.bravo", "เด็กบราโว", "nas-bravo", "10.88.2.1",
            "3c:22:fb:0b:0b:01", "สมัครบราโว", "ค่ายบราโว", "sessionbravo"),
}  # fmt: skip


def word_of(code: str) -> str:
    return {HERE: "alpha", THERE: "bravo"}[code]


@pytest.fixture
def schools(office: Office, app: Flask) -> dict[str, dict[str, int]]:
    """Two schools under an area office, each with everything; the numbers of what each has."""
    made: dict[str, dict[str, int]] = {}
    hashed = office.passwords.hash(seed.OFFICER_PASSWORD)
    with office.database.write() as session:
        roles.add_organisation(session, office, "AREA", "สำนักงานเขต", "test")
        for code in (HERE, THERE):
            roles.add_organisation(session, office, code, f"โรงเรียน {code}", "test", parent="AREA")
    for code in (HERE, THERE):
        with office.database.write() as session:
            made[code] = _furnish(session, office, code, hashed)
    return made


def _furnish(session: Session, office: Office, code: str, hashed: str) -> dict[str, int]:
    name, now = word_of(code), office.clock()
    thai = SECRETS[code][1].removeprefix("ครู")

    def add(username: str, full_name: str, *levels: Level) -> Account:
        new = people.NewUser(
            username=username, full_name=full_name, password_hash=hashed, role="staff",
            organisation=code, levels=levels, person_code=f"code-{name}",
        )  # fmt: skip
        return people.add_user(session, office, new, "test")

    officer = add(f"kru.{name}", f"ครู{thai}", Level.SCHOOL)
    for level in Level:
        if level is not Level.SCHOOL:
            add(f"{level.value}.{name}", f"เจ้าหน้าที่{thai}", level)
    pupil = add(f"pupil.{name}", f"เด็ก{thai}")
    device = nas.add_nas(
        session, office, f"nas-{name}", f"{SECRETS[code][5]}/32", "a very long secret", "test",
        organisation=code,
    )  # fmt: skip
    session.flush()
    key = f"session{name}".ljust(32, "0")
    session.add(
        NetworkSession(
            session_key=key, nas_client_id=device.id, nas_identity=name, acct_session_id=name,
            user_name=f"pupil.{name}", account_id=pupil.id, calling_station_id=STATIONS[code],
            started_at=now - timedelta(minutes=20), last_heard_at=now, session_seconds=60,
            stop_seen=0, input_octets=1, output_octets=1,
        )
    )  # fmt: skip
    session.add(
        AddressInterval(
            session_key=key, address=ADDRESS, source="radius",
            from_at=now - timedelta(minutes=20), to_at=now,
        )
    )  # fmt: skip
    login = AuthEvent(
        at=now, nas_client_id=device.id, user_name=f"pupil.{name}", account_id=pupil.id,
        method="pap", outcome="reject", reason="wrong_password",
        calling_station_id=STATIONS[code], trace=f"eap:identity=pupil.{name}",
    )  # fmt: skip
    session.add(login)
    applied = registrations.submit(
        session, office,
        registrations.Application(
            username=f"visitor.{name}", full_name=f"สมัคร{thai}", contact=f"c-{name}", purpose="ค่าย",
            password="seven green elephants", organisation_id=officer.organisation_id,
        ),
    )  # fmt: skip
    session.flush()
    batch, _codes = vouchers.create_batch(
        session, office, count=2, role="guest", minutes=60, devices=1, issuer=officer.username,
        name=f"ค่าย{thai}",
    )  # fmt: skip
    return {
        "officer": officer.id, "pupil": pupil.id, "nas": device.id, "login": login.id,
        "registration": applied.id, "batch": batch.id,
    }  # fmt: skip


def references(office: Office) -> dict[str, str]:
    with office.database.read() as session:
        rows = session.execute(
            select(Organisation.code, Registration.reference).join(
                Organisation, Organisation.id == Registration.organisation_id
            )
        )
        return {code: reference for code, reference in rows}


def all_paths(office: Office, made: dict[str, dict[str, int]]) -> Iterator[str]:
    """Every page that shows records, with the numbers of both schools and some of nobody."""
    yield from ("/", "/api/status", "/registrations/", "/people/", "/roles/", "/vouchers/")
    yield from ("/sessions/?show=all", "/logins/?span=all", "/nas/", "/audit/", "/people/new")
    yield from ("/lookup/", "/lookup/unlocks/", "/nas/new", "/vouchers/new")
    for code in (HERE, THERE):
        name = word_of(code)
        key = f"session{name}".ljust(32, "0")
        yield from (
            f"/people/?q={name}",
            f"/people/?org={code}",
            f"/sessions/?show=all&user={name}",
        )
        yield from (f"/sessions/?show=all&address={ADDRESS}", f"/logins/?span=all&user={name}")
        yield from (f"/sessions/?show=all&mac={STATIONS[code]}", f"/logins/?mac={STATIONS[code]}")
        yield from (f"/sessions/{key}/end", f"/nas/?q={name}", "/vouchers/?q=ค่าย")
        yield from (f"/audit/?target={name}", f"/registrations/{references(office)[code]}")
        numbers = made[code]
        yield f"/sessions/?show=all&nas={numbers['nas']}"
    for number in range(1, 32):
        yield f"/people/{number}"
    for number in range(1, 5):
        yield from (f"/logins/{number}", f"/nas/{number}")
        yield from (f"/vouchers/{number}", f"/vouchers/{number}/print")
        yield from (f"/lookup/unlocks/{number}", f"/api/unlocks/{number}")


def question(office: Office, **more: str) -> dict[str, str]:
    return {
        "kind": "address", "address": ADDRESS, "protocol": "", "case": "1/2569", "reason": "x",
        "at": (office.clock() - timedelta(minutes=5)).isoformat(), **more,
    }  # fmt: skip


def leaks(text: str, code: str) -> list[str]:
    """What of another school's is in a page, beside what the reader typed."""
    text = re.sub(r"/sessions/session\w+/end", "", text)
    plain = re.sub(r'<input id="(q|user|mac|target)"[^>]*>', "", text)
    return [secret for secret in SECRETS[code] if secret in plain]


@pytest.mark.parametrize("level", [level.value for level in Level if level is not Level.SCHOOL])
def test_no_page_shows_anything_of_the_other_school(
    office: Office,
    signed_in: SignIn,
    schools: dict[str, dict[str, int]],
    level: str,
) -> None:
    officer = signed_in(f"{level}.alpha")
    for path in all_paths(office, schools):
        response = officer.get(path)
        assert response.status_code in (200, 302, 403, 404), (path, response.status_code)
        assert not leaks(response.text, THERE), path


def test_a_school_officer_sees_the_own_school_and_no_trace_of_the_other(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    officer = signed_in("kru.alpha")
    seen = ""
    for path in all_paths(office, schools):
        response = officer.get(path)
        assert not leaks(response.text, THERE), path
        seen += response.text
    for secret in SECRETS[HERE]:
        if secret != "sessionalpha":
            assert secret in seen, secret


def test_the_area_office_sees_both(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    with office.database.write() as session:
        area = session.scalars(select(Organisation).where(Organisation.code == "AREA")).one()
        people.get(session, "prasan").organisation_id = area.id
        # As long as one organisation lies elsewhere, this is an office of some and not of all.
        assert not reach_of(session, people.get(session, "prasan")).is_whole
        roles.add_organisation(session, office, seed.SCHOOL, "โรงเรียน", "test", parent="AREA")
        session.flush()
        assert reach_of(session, people.get(session, "prasan")).is_whole
        assert not reach_of(session, people.get(session, "kru.alpha")).is_whole
    page = signed_in("prasan").get("/sessions/?show=all").text
    assert "pupil.alpha" in page and "pupil.bravo" in page


def test_a_look_up_of_an_address_both_schools_use_names_only_the_own(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    officer = signed_in("kru.alpha")
    hidden = officer.post("/lookup/", "/lookup/", **question(office)).text
    assert "Several accounts could have held" in hidden
    assert "1 further candidates belong to another organisation" in hidden
    assert not leaks(hidden, THERE)
    shown = officer.post("/lookup/unlocks/", "/lookup/", **question(office)).text
    assert "เด็กอัลฟา" in shown and not leaks(shown, THERE)
    ours, theirs = ({"kind": "mac", "mac": STATIONS[code]} for code in (HERE, THERE))
    found = officer.post("/lookup/unlocks/", "/lookup/?kind=mac", **question(office, **ours)).text
    assert "เด็กอัลฟา" in found
    none = officer.post("/lookup/unlocks/", "/lookup/?kind=mac", **question(office, **theirs)).text
    assert "เด็กบราโว" not in none and "pupil.bravo" not in none and "nas-bravo" not in none
    assert "sessionbravo" not in none


@pytest.mark.parametrize("kind", ["person", "flows"])
def test_a_person_or_session_of_the_other_school_is_nobody(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]], kind: str
) -> None:
    officer = signed_in("kru.alpha")
    purpose = {"case": "1", "reason": "x", "kind": kind}
    period = {"begins": "1/1/2569", "ends": "1/1/2580"}
    answers = {}
    for name in ("alpha", "bravo", "nobody"):
        fields = {"user": f"pupil.{name}", **period}
        if kind == "flows":
            fields = {"session": f"session{name}".ljust(32, "0")}
        answers[name] = officer.post(
            "/lookup/unlocks/", f"/lookup/?kind={kind}", **purpose, **fields
        )
    assert answers["alpha"].status_code == 200
    assert answers["bravo"].status_code == answers["nobody"].status_code == 422
    told = "There is nobody and no connection of that name"
    assert told in answers["bravo"].text and told in answers["nobody"].text
    if kind == "flows":
        by_address = officer.post(
            "/lookup/unlocks/", "/lookup/?kind=flows", **purpose, **period, address=ADDRESS
        )
        assert "an address may be anybody" in by_address.text


def test_no_post_touches_anything_of_the_other_school(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    theirs = schools[THERE]
    reference = references(office)[THERE]
    key = "sessionbravo".ljust(32, "0")
    admin, helper, school = (
        signed_in(name) for name in ("admin.alpha", "help-desk.alpha", "kru.alpha")
    )
    for officer, path, fields in (
        (admin, f"/people/{theirs['pupil']}/state", {"state": "suspended"}),
        (admin, f"/people/{theirs['pupil']}/password", {"password": "green elephant 99"}),
        (admin, f"/people/{theirs['pupil']}/recoverable", {"recoverable": "none"}),
        (admin, f"/people/{theirs['pupil']}/levels", {"level": "approver"}),
        (admin, f"/people/{theirs['officer']}/scope", {"role": "guest"}),
        (admin, f"/nas/{theirs['nas']}/policy", {"required": "0", "confirmed": "1"}),
        (admin, f"/nas/{theirs['nas']}/settings", {"vendor": "aruba"}),
        (helper, f"/sessions/{key}/end", {}),
        (school, f"/vouchers/{theirs['batch']}/revoke", {"sure": "yes"}),
    ):
        assert officer.post(path, "/", **fields).status_code == 404, path
    for act in ("approve", "reject"):
        told = school.post(
            f"/registrations/{reference}/{act}", "/", reason="x", role="guest", expiry="1"
        )
        assert told.status_code == 302
    with office.database.read() as session:
        pupil = session.get_one(Account, theirs["pupil"])
        assert pupil.state == "active" and not officers.levels_of(session, pupil.id)
        assert session.get_one(NasClient, theirs["nas"]).require_message_authenticator
        applied = session.get_one(Registration, theirs["registration"])
        assert applied.state == "pending"
        codes = vouchers.codes_of(session, office, theirs["batch"])
        assert {one.state for one in codes} == {"unused"}


def test_an_administrator_of_a_school_makes_nobody_elsewhere_and_no_one_who_sees_all(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    admin = signed_in("admin.alpha")
    page = admin.get("/people/new").text
    assert f'value="{HERE}"' in page and f'value="{THERE}"' not in page and '"AREA"' not in page
    base = {
        "username": "neu", "full_name": "ใหม่", "role": "staff", "password": "green elephant 7",
        "person_code": "", "class_name": "", "expires": "",
    }  # fmt: skip
    for organisation, level in ((THERE, ""), ("", ""), ("AREA", ""), (HERE, "admin")):
        refused = admin.post(
            "/people/new", "/people/new", **base, organisation=organisation, level=level
        )
        assert refused.status_code == 422, (organisation, level)
    made = admin.post("/people/new", "/people/new", **base, organisation=HERE, level="approver")
    assert made.status_code == 302
    assert admin.get("/roles/1").status_code == 403


def test_the_audit_trail_of_a_school_is_of_what_its_own_accounts_did(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    for name in ("kru.alpha", "kru.bravo"):
        signed_in(name).get("/people/")
    page = signed_in("auditor.alpha").get("/audit/").text
    assert "kru.alpha" in page and "kru.bravo" not in page
    with office.database.read() as session:
        actors = set(session.scalars(select(AuditEvent.actor)))
    assert "kru.bravo" in actors


def test_a_school_officer_without_a_school_sees_nothing(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    officer = signed_in("kru.alpha")
    with office.database.write() as session:
        people.get(session, "kru.alpha").organisation_id = None
    text = officer.get("/people/").text + officer.get("/sessions/?show=all").text
    assert not leaks(text, THERE) and "pupil.alpha" not in text


def test_an_organisation_is_not_put_under_itself(office: Office) -> None:
    with office.database.write() as session:
        roles.add_organisation(session, office, "A", "A", "test")
        roles.add_organisation(session, office, "B", "B", "test", parent="A")
    with office.database.write() as session, pytest.raises(Refused, match="lies under it"):
        roles.add_organisation(session, office, "A", "A", "test", parent="B")


def test_a_school_with_an_annex_sees_both_and_no_other_school(
    office: Office, schools: dict[str, dict[str, int]]
) -> None:
    with office.database.write() as session:
        roles.add_organisation(session, office, HERE, "โรงเรียน", "test", parent="")
        annex = roles.add_organisation(session, office, "ANNEX", "สาขา", "test", parent=HERE)
        session.flush()
        reach = reach_of(session, people.get(session, "admin.alpha"))
        assert not reach.is_whole and reach.covers(annex.id)
        bravo = people.get(session, "kru.bravo")
        assert not reach.covers(bravo.organisation_id)


def test_an_administrator_of_a_school_lets_nobody_approve_everywhere(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]]
) -> None:
    admin, number = signed_in("admin.alpha"), schools[HERE]["officer"]
    page = admin.get(f"/people/{number}").text
    assert 'value="own"' in page and 'value="everywhere"' not in page
    told = admin.follow(f"/people/{number}/scope", "/", role="guest", where="everywhere")
    assert "Only who sees every organisation" in told
    with office.database.read() as session:
        own = people.get(session, "kru.alpha")
        assert approval.scope_of(session, own).organisation_id == own.organisation_id
    assert "Chosen for" in admin.follow(f"/people/{number}/scope", "/", role="guest", where="own")


@pytest.mark.parametrize("prefix", ["10.88.2.0/24", "10.88.0.0/16", "10.88.2.128/25"])
def test_equipment_of_a_school_takes_no_address_of_the_equipment_of_another(
    office: Office, signed_in: SignIn, schools: dict[str, dict[str, int]], prefix: str
) -> None:
    with office.database.write() as session:
        nas.add_nas(
            session, office, "wide", "10.88.2.128/26", "a very long secret", "test",
            organisation=THERE,
        )  # fmt: skip
    admin = signed_in("admin.alpha")
    fields = {"name": "n", "secret": "a very long secret", "vendor": "generic", "login_url": ""}
    refused = admin.post("/nas/new", "/nas/new", **fields, organisation=HERE, prefix=prefix)
    assert refused.status_code == 422 and "overlap equipment of another" in refused.text
    free = admin.post("/nas/new", "/nas/new", **fields, organisation=HERE, prefix="10.88.1.0/24")
    assert free.status_code == 302
