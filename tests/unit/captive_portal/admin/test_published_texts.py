"""Rules and notices published at a desk and at the console, and who has not accepted them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from captive_portal.web.drafts import draft_rules
from db.models import AuditEvent, Credential, PublishedText, TextAccepted
from identity.office import Office
from identity.services import people
from tests.conftest import Site, add_person
from tests.unit.captive_portal.admin.conftest import Officer

FIELDS = {
    "kind": "acceptable-use",
    "version": "2569-1",
    "text_th": "# ระเบียบ\n\nใช้เพื่อการเรียน",
    "text_en": "# Rules\n\nFor <b>learning</b>.",
    "summary_th": "ฉบับแรก",
    "summary_en": "The first one.",
}


def test_a_version_is_published_shown_and_not_accepted_by_anybody_yet(
    admin: Officer, office: Office
) -> None:
    somchai = add_person(office, "somchai")
    page = admin.follow("/texts/new", "/texts/new", **FIELDS)
    assert "2569-1" in page and "The first one." in page
    assert "Not yet accepted:" in page and f"/people/{somchai}" in page
    with office.database.read() as session:
        rows = session.scalars(select(PublishedText)).all()
        assert {row.language for row in rows} == {"th", "en"}
        english = next(row for row in rows if row.language == "en")
    assert english.published_by == "head"
    shown = admin.get(f"/texts/{english.id}").text
    assert "<h2>Rules</h2>" in shown and "&lt;b&gt;learning&lt;/b&gt;" in shown
    with office.database.write() as session:
        session.add(
            TextAccepted(
                account_id=somchai,
                kind="acceptable-use",
                version="2569-1",
                language="th",
                sha256=english.sha256,
                at=office.clock(),
                client_address="192.0.2.7",
            )
        )
    assert f'href="/people/{somchai}"' not in admin.get("/texts/").text
    with office.database.read() as session:
        read = session.scalars(
            select(AuditEvent.target).where(AuditEvent.action == "people:searched")
        ).all()
    assert "not accepted 2569-1" in read


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"text_en": " "}, "The text is missing in this language: en."),
        ({"version": "?"}, "Name the version like 2569-1."),
        ({"summary_th": "x" * 501}, "Say in fewer words what has changed."),
        ({"text_th": "x" * 40_001}, "The text is too long."),
    ],
)
def test_what_is_missing_is_said_and_what_was_written_stays(
    admin: Officer, office: Office, changed: dict[str, str], says: str
) -> None:
    answer = admin.post("/texts/new", "/texts/new", **(FIELDS | changed))
    assert answer.status_code == 422
    assert says in answer.text
    assert "text_th" in changed or "ใช้เพื่อการเรียน" in answer.text
    with office.database.read() as session:
        assert session.scalars(select(PublishedText)).all() == []


def test_the_same_version_again_is_refused_in_words(admin: Officer) -> None:
    admin.post("/texts/new", "/texts/new", **FIELDS)
    answer = admin.post("/texts/new", "/texts/new", **FIELDS)
    assert answer.status_code == 422 and "was published before" in answer.text


def test_the_form_begins_with_a_draft_and_later_with_what_is_in_force(admin: Officer) -> None:
    first_line = draft_rules("th").splitlines()[0]
    assert first_line in admin.get("/texts/new").text
    admin.post("/texts/new", "/texts/new", **FIELDS)
    page = admin.get("/texts/new").text
    assert "ใช้เพื่อการเรียน" in page and first_line not in page
    assert first_line not in admin.get("/texts/new?kind=privacy").text
    assert admin.get("/texts/new?kind=nonsense").status_code == 400


def test_drafts_are_there_in_both_languages() -> None:
    assert draft_rules("th") != draft_rules("en") and draft_rules("en").startswith("# ")
    assert draft_rules("de") == draft_rules("en")


def test_the_console_does_the_same(site: Site, tmp_path: Path) -> None:
    draft = site.yuenyan("notice", "draft", "--language", "en").stdout
    assert draft == draft_rules("en")
    files = {}
    for language in ("th", "en"):
        files[language] = tmp_path / f"{language}.txt"
        files[language].write_text(draft_rules(language), encoding="utf-8")
    assert site.yuenyan("notice", "pending").exit_code == 1
    given = ("--th", str(files["th"]), "--en", str(files["en"]))
    done = site.yuenyan("notice", "publish", "acceptable-use", "--version", "2569-1", *given)
    assert (done.exit_code, done.stdout) == (0, "acceptable-use 2569-1 is in force\n")
    again = site.yuenyan("notice", "publish", "acceptable-use", "--version", "2569-1", *given)
    assert again.exit_code == 1 and "published before" in again.stderr
    half = site.yuenyan("notice", "publish", "privacy", "--version", "1", "--th", str(files["th"]))
    assert half.exit_code == 2 and "missing in this language: en" in half.stderr
    assert "2569-1" in site.yuenyan("notice", "published").stdout
    assert '"username": "head"' in site.yuenyan("notice", "pending", "--json").stdout


def test_a_password_an_officer_sets_is_to_be_changed_and_their_own_is_not(
    admin: Officer, office: Office
) -> None:
    somchai = add_person(office, "somchai")
    with office.database.read() as session:
        head = people.get(session, "head").id
    admin.post(f"/people/{somchai}/password", password="a new password")
    assert "to be changed on the portal page first" in admin.get(f"/people/{somchai}").text
    admin.post(f"/people/{head}/password", password="a new password")
    with office.database.read() as session:
        assert session.get_one(Credential, somchai).must_change
        assert not session.get_one(Credential, head).must_change


def test_the_console_marks_a_password_on_request(site: Site, office: Office) -> None:
    added = site.yuenyan(
        "user", "add", "malee", "--password-stdin", "--must-change", stdin="first word here\n"
    )
    assert added.exit_code == 0, added.stderr
    shown = site.yuenyan("user", "show", "malee", "--json").stdout
    assert '"must_change_password": true' in shown
    site.yuenyan("user", "password", "malee", "--password-stdin", stdin="second word here\n")
    assert '"must_change_password": false' in site.yuenyan("user", "show", "malee", "--json").stdout
