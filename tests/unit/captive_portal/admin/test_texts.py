"""Every text has its Thai, and every refusal a service can give is said in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from wtforms import FloatField, IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, Length

import captive_portal.admin
from captive_portal.admin import session_words, words
from captive_portal.admin.forms import Form, offer
from captive_portal.admin.language import speaking
from common.errors import NetAccessError
from identity.domain.access import Method, Reason
from identity.domain.granting import Basis
from identity.domain.sessions import CloseCause
from identity.domain.shared_secret import Signing, Strength
from identity.office import Office
from identity.services import nas, people, roles, vouchers
from tests.unit.captive_portal.admin.conftest import Officer
from traffic.lookup.attribution import Outcome
from traffic.lookup.coverage import GAP_REASONS
from traffic.lookup.sentences import LEFT_OUT
from traffic.lookup.service import CUT, EARLY, LATER, NO_DESTINATIONS, NO_PORT, UNPROVEN
from traffic.lookup.stations import MADE_UP

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
ACTION = re.compile(r"[a-z_]+:[a-z_]+")
FOLDER = Path(captive_portal.admin.__file__).parent


def test_every_text_is_translated_with_the_same_placeholders() -> None:
    catalogue = Catalog(locale="th")
    for path in sorted((FOLDER / "translations/th/LC_MESSAGES").glob("*.po")):
        with path.open("rb") as stream:
            for message in read_po(stream, locale="th"):
                catalogue.add(message.id, message.string)
    keywords = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
    methods = [("**.py", "python"), ("**.html", "jinja2")]
    for _file, _line, text, _comments, _context in extract_from_dir(
        FOLDER, methods, keywords=keywords
    ):
        singular = text[0] if isinstance(text, tuple) else text
        found = catalogue.get(singular)
        assert found is not None, f"no Thai for {text!r}"
        thai = found.string[0] if isinstance(found.string, tuple) else found.string
        assert isinstance(thai, str) and thai, f"no Thai for {text!r}"
        assert set(PLACEHOLDER.findall(singular)) == set(PLACEHOLDER.findall(thai)), text


def recorded_actions() -> set[str]:
    """Every `subject:verb` that stands in a module which writes audit events."""
    found = {f"account:{state}" for state in ("active", "suspended")}  # made in people.set_state
    for package in ("identity", "traffic", "captive_portal", "radius_server", "yuenyan"):
        for path in (FOLDER.parents[1] / package).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
            imported = {
                one.name for node in nodes if isinstance(node, ast.ImportFrom) for one in node.names
            }
            if imported & {"audit", "note_reading", "record_reading", "AuditEvent"}:
                found |= {
                    node.value
                    for node in nodes
                    if isinstance(node, ast.Constant)
                    and isinstance(node.value, str)
                    and ACTION.fullmatch(node.value)
                }
    return found


def test_every_audit_action_of_the_source_has_words_and_no_other() -> None:
    assert set(words.ACTIONS) == recorded_actions()


def test_every_code_that_is_stored_has_words() -> None:
    assert set(words.REASONS) == set(Reason)
    assert set(words.METHODS) == set(Method)
    assert set(words.SIGNINGS) == set(Signing)
    assert set(words.STRENGTHS) == set(Strength)
    assert set(words.LOOKUP_OUTCOMES) == set(words.STATION_OUTCOMES) == set(Outcome)
    assert set(words.LOOKUP_WARNINGS) == {
        CUT,
        EARLY,
        LATER,
        LEFT_OUT,
        MADE_UP,
        NO_DESTINATIONS,
        NO_PORT,
        UNPROVEN,
    }
    assert set(words.GAP_REASONS) == GAP_REASONS
    causes = {value for key, value in vars(CloseCause).items() if key.isupper()}
    assert set(session_words.CLOSE_CAUSES) == causes
    assert set(session_words.KNOWN_BY) == set(Basis)


def _user(session: Session, office: Office, name: str, role: str = "student") -> None:
    new = people.NewUser(username=name, password_hash="x", role=role)
    people.add_user(session, office, new, "test")


REFUSALS: list[Callable[[Session, Office], object]] = [
    lambda session, office: _user(session, office, "head"),
    lambda session, office: _user(session, office, "aabbccddeeff"),
    lambda session, office: _user(session, office, "ABCDE-FGH23"),
    lambda session, office: _user(session, office, ""),
    lambda session, office: _user(session, office, "x" * 300),
    lambda session, office: _user(session, office, "a b"),
    lambda session, office: _user(session, office, "new", role="emperor"),
    lambda session, office: office.passwords.check_strength("x"),
    lambda session, office: office.passwords.check_strength("x" * 129),
    lambda session, office: office.passwords.check_strength("new\nline ist"),
    lambda session, office: roles.get_organisation(session, "NOWHERE"),
    lambda session, office: people.get(session, "nobody"),
    lambda session, office: roles.set_role(session, office, "two words", {}, "test"),
    lambda session, office: nas.add_nas(session, office, "", "10.0.0.0/8", "s", "test"),
    lambda session, office: nas.add_nas(session, office, "a", "10.0.0.1/8", "s", "test"),
    lambda session, office: nas.add_nas(session, office, "a", "10.0.0.0/8", "", "test"),
    lambda session, office: nas.add_nas(
        session, office, "a", "10.0.0.0/8", "s", "test", login_url="ftp://x"
    ),
    lambda session, office: vouchers.create_batch(
        session, office, count=0, role="guest", minutes=1, devices=1, issuer="head"
    ),
]


@pytest.mark.parametrize("refused", REFUSALS)
def test_a_refusal_is_said_in_the_language_of_the_officer(
    app: Flask, office: Office, refused: Callable[[Session, Office], object]
) -> None:
    with pytest.raises(NetAccessError) as caught, office.database.write() as session:
        refused(session, office)
    with app.test_request_context("/?lang=th"):
        thai = words.explain(caught.value)
    assert not thai.startswith("ทำไม่สำเร็จ"), thai
    assert any("\u0e00" <= symbol <= "\u0e7f" for symbol in thai)


def test_a_refusal_nobody_foresaw_is_passed_on(app: Flask) -> None:
    with app.test_request_context("/?lang=th"):
        assert words.explain(NetAccessError("50 % odd")) == "ทำไม่สำเร็จ: 50 % odd"


def test_thai_comes_first_and_a_link_switches(app: Flask) -> None:
    client = app.test_client()
    page = client.get("/sign-in").text
    assert '<html lang="th">' in page
    assert "ชื่อผู้ใช้" in page
    english = client.get("/sign-in?lang=en").text
    assert '<html lang="en">' in english
    assert '<html lang="en">' in client.get("/sign-in").text


def test_a_day_that_is_none_is_refused_in_thai_on_the_audit_trail(admin: Officer) -> None:
    page = admin.client.get("/audit/?from=sometime&lang=th").text
    assert "ไม่ใช่เวลา" in page and "is not a time" not in page


class Anything(Form):
    """Each kind of field whose messages are the library's own."""

    count = IntegerField()
    seconds = FloatField()
    choice = SelectField(choices=offer([("a", "a")]))
    needed = StringField(validators=[DataRequired(), Length(max=1)])


@pytest.mark.parametrize("language", ["th", "en"])
def test_no_form_says_what_the_library_says_by_itself(language: str) -> None:
    sent = MultiDict({"count": "x", "seconds": "x", "choice": "b", "needed": ""})
    with speaking(language, "Asia/Bangkok"):
        form = Anything(sent)
        assert not form.validate()
        told = [str(text) for errors in form.errors.values() for text in errors]
        assert len(told) == 4
        form = Anything(MultiDict({"choice": "a", "needed": "xx"}))
        assert not form.validate()
        told += [str(text) for text in form.errors["needed"]]
    for text in told:
        assert "valid" not in text and bool(re.search("[ก-๙]", text)) == (language == "th"), text


def test_every_form_of_the_portal_has_those_words() -> None:
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "wtforms":
                names = {one.name for one in node.names}
                assert path.name == "forms.py" or "Form" not in names, path.name
