"""My data: what is kept, a copy, a request, who was shown it (PDPA s.30 and after)."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import AuditEvent, Disclosure, NasClient, RegisterEntry, Voucher
from identity.office import Office
from identity.services import registers, vouchers
from tests.conftest import ADMIN, add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor
from tests.unit.captive_portal.public.own import (
    PASSWORD,
    add_session,
    my,
    sign_in,
    sign_in_of,
)

ASK = {"do": "ask", "right": "correct", "scope": "My surname is wrong.", "ask_password": PASSWORD}
COPY = {"do": "copy", "copy_password": PASSWORD}


@pytest.fixture
def somchai(office: Office, nas: NasClient) -> int:
    assert nas.id == 1
    mine, theirs = add_person(office, "somchai", PASSWORD), add_person(office, "malee", PASSWORD)
    add_session(office, mine, "a" * 32, HERE)
    add_session(office, theirs, "c" * 32, "10.5.0.66")
    return mine


@pytest.fixture
def here(visitor: Visitor, somchai: int) -> str:
    return my("/me/data", sign_in(visitor))


def test_each_kind_is_named_with_how_much_and_how_long(visitor: Visitor, here: str) -> None:
    text = visitor.get(here).text
    assert "Connections: when, where, how much" in text and "1 entries" in text
    assert "120 days (Computer-Related Crime Act s.26)" in text
    assert "until 90 days after the account ends" in text
    assert "Nobody, as far as it may be told." in text


def test_the_copy_holds_ones_own_and_no_secret(visitor: Visitor, office: Office, here: str) -> None:
    answer = visitor.fill(here, "/me/data", **COPY, form="json")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert "no-store" in answer.headers["Cache-Control"]
    tree = json.loads(answer.data)
    assert tree["about"] == "somchai" and "ไม่" not in tree["about"]
    assert [row["session_key"] for row in tree["held"]["sessions"]] == ["a" * 32]
    assert [row["address"] for row in tree["held"]["addresses"]] == [HERE]
    for secret in ("malee", "10.5.0.66", "argon2", "password_hash"):
        assert secret not in answer.text
    with office.database.read() as session:
        event = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "subject:exported")
        ).one()
    assert (event.actor, event.target) == ("somchai", "somchai")


def test_as_tables_too(visitor: Visitor, here: str) -> None:
    answer = visitor.fill(here, "/me/data", **COPY, form="zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        table = archive.read("sessions.csv").decode("utf-8-sig")
    assert "a" * 32 in table and answer.mimetype == "application/zip"


@pytest.mark.parametrize("typed", ["", "wrong"])
@pytest.mark.parametrize("do", [COPY, ASK], ids=["copy", "ask"])
def test_copy_and_request_need_the_password_again(
    visitor: Visitor, office: Office, here: str, do: dict[str, str], typed: str
) -> None:
    secret = {f"{do['do']}_password": typed}
    answer = visitor.fill(here, "/me/data", **(do | secret))
    assert answer.status_code == 422 and f'id="{do["do"]}_password-error"' in answer.text
    with office.database.read() as session:
        assert session.scalars(select(RegisterEntry)).all() == []
        actions = session.scalars(select(AuditEvent.action)).all()
    assert "subject:exported" not in actions


def test_a_copy_may_be_had_three_times_a_day(visitor: Visitor, office: Office, here: str) -> None:
    codes = [visitor.fill(here, "/me/data", **COPY).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]


def test_a_request_gets_a_number_and_a_day_in_the_offices_register(
    visitor: Visitor, office: Office, here: str, somchai: int
) -> None:
    answer = visitor.fill(here, "/me/data", **ASK)
    assert answer.status_code == 303
    with office.database.read() as session:
        entry = session.scalars(select(RegisterEntry)).one()
        facts = registers.read_facts(entry)
    page = visitor.follow(answer).text
    assert f"Your request has number {entry.number}" in page and "You are answered by" in page
    assert entry.account_id == somchai and entry.entered_by == "somchai"
    assert entry.due_at is not None and entry.due_at - entry.received_at == timedelta(days=30)
    assert facts["right"] == "correct" and facts["scope"] == ASK["scope"]
    assert "proved the password again" in facts["identity_check"]
    assert HERE in facts["identity_check"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [({"right": ""}, "right"), ({"right": "complain"}, "right"), ({"scope": " "}, "scope")],
)
def test_a_request_says_what_and_about_what(
    visitor: Visitor, office: Office, here: str, changed: dict[str, str], field: str
) -> None:
    answer = visitor.fill(here, "/me/data", **(ASK | changed))
    assert answer.status_code == 422 and f'id="{field}-error"' in answer.text
    with office.database.read() as session:
        assert session.scalars(select(RegisterEntry)).all() == []


def test_five_requests_may_be_open_at_a_time(visitor: Visitor, here: str) -> None:
    codes = [visitor.fill(here, "/me/data", **ASK).status_code for _ in range(6)]
    assert codes == [303] * 5 + [429]


def test_a_request_that_was_not_entered_keeps_what_was_typed(visitor: Visitor, here: str) -> None:
    for _ in range(5):
        visitor.fill(here, "/me/data", **ASK)
    for stale, status in (({}, 429), ({"form_token": "of an earlier page"}, 400)):
        answer = visitor.fill(here, "/me/data", **(ASK | stale))
        assert answer.status_code == status
        assert f">{ASK['scope']}</textarea>" in answer.text
        assert 'value="correct" checked' in answer.text
        assert PASSWORD not in answer.text


def test_a_strangers_request_number_shows_nothing(
    visitor: Visitor, office: Office, here: str
) -> None:
    theirs = my("/me/data", sign_in(visitor, "malee"))
    visitor.fill(theirs, "/me/data", **(ASK | {"scope": "malees words"}))
    with office.database.read() as session:
        number = session.scalars(select(RegisterEntry.number)).one()
    text = visitor.get(f"{here}&asked={number}").text
    assert number not in text.replace(f"asked={number}", "") and "malees" not in text


def test_disclosures_are_told_but_not_while_an_order_keeps_them_secret(
    visitor: Visitor, office: Office, here: str, somchai: int
) -> None:
    now = office.clock()
    with office.database.write() as session:
        for recipient, secret_until in (
            ("Station A", None),
            ("Station B", now + timedelta(days=1)),
            ("Station C", now - timedelta(days=1)),
        ):
            session.add(
                Disclosure(
                    at=now,
                    account_id=somchai,
                    shown_by="officer-x",
                    recipient=recipient,
                    case_reference="case-7",
                    reason="why",
                    means="export",
                    secret_until=secret_until,
                )
            )
    text = visitor.get(here).text
    assert "Station A" in text and "Station C" in text and "Station B" not in text
    assert "officer-x" not in text, "whom it went to, not who typed it"


def test_a_voucher_guest_proves_it_with_the_code(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    with office.database.write() as session:
        _batch, codes = vouchers.create_batch(
            session, office, count=2, role="guest", minutes=60, devices=1, issuer=ADMIN
        )
    s = sign_in_of(visitor.fill("/voucher?lang=en", code=codes[0]).location)
    here = my("/me/data", s)
    for wrong in (codes[1], PASSWORD, ""):
        answer = visitor.fill(here, "/me/data", do="copy", copy_password=wrong)
        assert answer.status_code == 422
    answer = visitor.fill(here, "/me/data", do="copy", copy_password=codes[0].lower(), form="json")
    assert answer.status_code == 200
    assert json.loads(answer.data)["about"] == "voucher-1"
    assert codes[0] not in answer.text
    with office.database.read() as session:
        states = session.scalars(select(Voucher.state).order_by(Voucher.id)).all()
    assert states == ["active", "unused"], "proving uses no other code up"
