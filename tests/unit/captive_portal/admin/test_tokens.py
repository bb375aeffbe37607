"""Programs at the API: what a token opens, what it does not, and what stands in the record."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from captive_portal.admin.bearer import UNKNOWN, USES
from captive_portal.admin.permissions import BY_TOKEN
from db.models import ApiToken
from identity.domain.levels import Level
from identity.office import Office
from identity.services import api_tokens, officers, people
from identity.services.api_tokens import Wanted
from tests.conftest import Site
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer
from tests.unit.captive_portal.admin.test_lookups import (
    NAME,
    asked_by_api,
    events,
    require_second_person,
)

_TEXT = re.compile(r"yuenyan_[0-9a-f]{72}")


class Program:
    """Something that has a token and no cookie."""

    def __init__(self, app: Flask, text: str) -> None:
        self.client = app.test_client(use_cookies=False)
        self.headers = {"Authorization": f"Bearer {text}"}

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers=self.headers)

    def post(self, path: str, tree: object) -> TestResponse:
        return self.client.post(path, json=tree, headers=self.headers)


def token(office: Office, owner: str, *levels: Level, names: bool = False, **more: Any) -> str:
    wanted = Wanted(name="test", levels=levels, days=1, names=names, **more)
    with office.database.write() as session:
        account = people.get(session, owner)
        return api_tokens.create(session, office, account, wanted, owner)[1]


def test_a_program_looks_up_with_a_token_and_no_form_token(app: Flask, office: Office) -> None:
    seed.add_school_day(office)
    program = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    found = program.post("/api/lookup", asked_by_api(office))
    assert (found.status_code, found.get_json()["outcome"]) == (200, "single")
    assert NAME not in found.text and found.get_json()["candidates"][0]["pseudonym"]
    ((actor, _action, detail),) = events(office, "lookup:run")
    assert (actor, detail["token"], detail["reason"]) == ("kepkhomun", 1, "หมายศาล")
    assert program.get("/api/status").status_code == 200
    who = program.get("/api/session").get_json()
    assert who == {
        "username": "kepkhomun", "levels": ["custodian"], "token": "test", "names": False,
    }  # fmt: skip
    assert "Set-Cookie" not in found.headers
    ((_actor, _action, used),) = events(office, "token:used")
    assert (used["token"], used["address"]) == (1, "127.0.0.1")


def test_case_and_reason_are_asked_of_a_program_too(app: Flask, office: Office) -> None:
    program = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    for missing in ("case", "reason"):
        found = program.post("/api/lookup", asked_by_api(office, **{missing: ""}))
        assert (found.status_code, "error" in found.get_json()) == (422, True)


def test_a_missing_field_is_named_as_a_program_sends_it(app: Flask, office: Office) -> None:
    program = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    for field in ("case", "reason", "at", "address"):
        tree = asked_by_api(office)
        del tree[field]
        found = program.post("/api/lookup", tree)
        assert found.status_code == 422
        assert found.get_json()["error"].startswith(f"{field} is missing"), field


def test_without_a_token_the_api_says_what_to_send(app: Flask) -> None:
    stranger = app.test_client(use_cookies=False)
    for found in (stranger.get("/api/status"), stranger.post("/api/lookup", json={})):
        assert found.status_code == 401
        assert found.headers["WWW-Authenticate"].startswith("Bearer")
        assert "Authorization: Bearer" in found.get_json()["error"]
    assert stranger.get("/people/").status_code == 302


def test_errors_of_the_api_are_english_json_in_every_language(app: Flask) -> None:
    stranger = app.test_client(use_cookies=False)
    thai = {"Accept-Language": "th"}
    found = stranger.get("/api/lookup", headers=thai)
    assert (found.status_code, found.get_json()["error"]) == (405, "send a POST")
    assert found.headers["Allow"]
    found = stranger.get("/api/nowhere", headers=thai)
    assert found.status_code == 404 and "openapi.json" in found.get_json()["error"]
    assert not stranger.get("/nowhere", headers=thai).is_json


def test_a_cookie_at_the_api_still_needs_its_form_token(admin: Officer) -> None:
    found = admin.client.post("/api/lookup", json={})
    assert found.status_code == 400 and "X-CSRFToken" in found.get_json()["error"]


def test_names_need_a_token_that_was_made_for_them(app: Flask, office: Office) -> None:
    seed.add_school_day(office)
    plain = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    refused = plain.post("/api/unlocks", asked_by_api(office))
    assert refused.status_code == 403 and "error" in refused.get_json()
    (denied,) = events(office, "admin:denied")
    assert (denied[0], denied[2]["token"]) == ("kepkhomun", 1)
    named = Program(app, token(office, "prasan", Level.COORDINATOR, names=True))
    shown = named.post("/api/unlocks", asked_by_api(office)).get_json()
    assert shown["answer"]["candidates"][0]["full_name"] == NAME
    (asked, revealed) = events(office, "lookup:unlock_requested", "lookup:revealed")
    assert asked[2]["token"] == revealed[2]["token"] == 2


def test_the_second_person_is_a_person(
    app: Flask, office: Office, signed_in: Callable[[str], Officer]
) -> None:
    require_second_person(office)
    seed.add_school_day(office)
    asker = Program(app, token(office, "prasan", Level.COORDINATOR, names=True))
    waiting = asker.post("/api/unlocks", asked_by_api(office))
    assert (waiting.status_code, waiting.get_json()["state"]) == (202, "waiting")
    assert asker.post("/api/unlocks/1/names", {}).status_code == 403
    second = Program(app, token(office, "kepkhomun", Level.CUSTODIAN, names=True))
    for path in ("/lookup/unlocks/1/decide", "/api/../lookup/unlocks/1/decide"):
        agreed = second.client.post(path, data={"decision": "approve"}, headers=second.headers)
        assert agreed.status_code in (403, 404)
    assert second.get("/api/unlocks/1").status_code == 404
    signed_in("kepkhomun").follow(
        "/lookup/unlocks/1/decide", "/lookup/unlocks/1", decision="approve"
    )
    assert asker.get("/api/unlocks/1").get_json()["state"] == "approved"
    shown = asker.post("/api/unlocks/1/names", {}).get_json()
    assert shown["answer"]["candidates"][0]["full_name"] == NAME


@pytest.mark.parametrize("maker", [("kepkhomun", None), ("command-line", "kepkhomun")])
def test_who_made_somebody_a_token_does_not_decide_their_wish(
    app: Flask,
    office: Office,
    signed_in: Callable[[str], Officer],
    maker: tuple[str, str | None],
) -> None:
    require_second_person(office)
    seed.add_school_day(office)
    wanted = Wanted(name="test", levels=[Level.COORDINATOR], days=1, names=True)
    with office.database.write() as session:
        owner = people.get(session, "prasan")
        text = api_tokens.create(session, office, owner, wanted, *maker)[1]
    Program(app, text).post("/api/unlocks", asked_by_api(office))
    told = signed_in("kepkhomun").follow(
        "/lookup/unlocks/1/decide", "/lookup/unlocks/1", decision="approve"
    )
    assert "You and the asker may be one person" in told


def test_a_token_opens_the_api_and_no_page(app: Flask, office: Office) -> None:
    program = Program(app, token(office, "head", Level.ADMIN, Level.CUSTODIAN))
    for path in ("/", "/people/", "/audit/", "/tokens/", "/sign-in", "/nowhere"):
        found = program.get(path)
        assert found.status_code == 403 and found.is_json, path
    made = program.client.post("/tokens/new", data={"name": "x"}, headers=program.headers)
    assert made.status_code == 403
    assert program.get("/api/nowhere").status_code == 404
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if rule.rule.startswith("/api/") and not hasattr(view, "is_public"):
            assert getattr(view, "required_permission", None) in BY_TOKEN, rule.rule


def test_a_token_and_a_cookie_together_are_refused(app: Flask, office: Office) -> None:
    text = token(office, "kepkhomun", Level.CUSTODIAN)
    officer = Officer(app)
    officer.sign_in("phoo", seed.OFFICER_PASSWORD)
    headers = {"Authorization": f"Bearer {text}"}
    both = officer.client.post("/api/lookup", json=asked_by_api(office), headers=headers)
    assert (both.status_code, both.get_json()["error"]) == (
        400, "send a token or a cookie, not both",
    )  # fmt: skip
    wrong = officer.client.get("/api/status", headers={"Authorization": "Bearer nonsense"})
    assert wrong.status_code == 400
    assert events(office, "lookup:run") == []


def test_what_is_no_token_gets_one_sentence_whatever_is_wrong(app: Flask, office: Office) -> None:
    good = token(office, "kepkhomun", Level.CUSTODIAN)
    with office.database.write() as session:
        api_tokens.revoke(session, office, 1, "head")
    unknown = "yuenyan_" + "0" * 64 + "bd3c2ecd"
    answers = {
        Program(app, text).get("/api/status").text
        for text in (good, good[:-1], "", unknown, "ก", "a" * 5000)
    }
    assert len(answers) == 1 and "token list" in answers.pop()
    found = Program(app, good).get("/api/status")
    assert (found.status_code, found.headers["WWW-Authenticate"]) == (
        401, 'Bearer realm="yuenyan"',
    )  # fmt: skip
    told = [detail["refusal"] for _actor, _action, detail in events(office, "token:refused")]
    assert sorted(set(told)) == ["malformed", "revoked"] or "unknown" in told
    assert len(told) == len(set(told)), "each kind is told once a quarter of an hour"


def test_a_token_is_no_better_than_its_owner_at_that_moment(app: Flask, office: Office) -> None:
    program = Program(app, token(office, "truat", Level.AUDITOR))
    assert program.post("/api/lookup", asked_by_api(office)).status_code == 200
    assert program.post("/api/unlocks", asked_by_api(office)).status_code == 403
    with office.database.write() as session:
        officers.revoke(session, office, "truat", Level.AUDITOR, "head")
        officers.grant(session, office, "truat", Level.CUSTODIAN, "head")
    assert program.post("/api/lookup", asked_by_api(office)).status_code == 401


def test_a_program_that_runs_wild_waits_and_so_does_who_tries_tokens(
    app: Flask, office: Office
) -> None:
    program = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    for _ in range(USES.rate.amount):
        assert program.get("/api/session").status_code == 200
    stopped = program.get("/api/session")
    assert stopped.status_code == 429 and int(stopped.headers["Retry-After"]) > 0
    stranger = Program(app, "nonsense")
    for _ in range(UNKNOWN.rate.amount):
        assert stranger.get("/api/session").status_code == 401
    assert stranger.get("/api/session").status_code == 429
    unknown = Program(app, "yuenyan_" + "0" * 72)
    assert unknown.get("/api/session").status_code == 429


def test_who_tries_tokens_shuts_out_no_good_one_from_the_same_address(
    app: Flask, office: Office
) -> None:
    good = Program(app, token(office, "kepkhomun", Level.CUSTODIAN))
    stranger = Program(app, "nonsense")
    answers = [stranger.get("/api/session").status_code for _ in range(UNKNOWN.rate.amount + 1)]
    assert answers[-1] == 429
    assert good.get("/api/session").status_code == 200


def test_an_officer_makes_a_token_sees_it_once_and_revokes_it(
    app: Flask, office: Office, signed_in: Callable[[str], Officer]
) -> None:
    officer = signed_in("kepkhomun")
    fields = {
        "name": "จอแสดงสถานะ", "level": "custodian", "organisation": "", "days": "30",
        "password": seed.OFFICER_PASSWORD,
    }  # fmt: skip
    wrong = officer.post("/tokens/new", "/tokens/new", **fields | {"password": "guess"})
    assert wrong.status_code == 422 and "The password is not right." in wrong.text
    wrong = officer.post("/tokens/new", "/tokens/new", **fields | {"level": "admin"})
    assert wrong.status_code == 422
    wrong = officer.post("/tokens/new", "/tokens/new", **fields | {"days": "366"})
    assert "A number from 1 to 365." in wrong.text
    made = officer.post("/tokens/new", "/tokens/new", **fields)
    text = _TEXT.findall(made.text)[0]
    assert made.headers["Cache-Control"] == "no-store"
    assert Program(app, text).get("/api/status").status_code == 200
    listed = officer.get("/tokens/").text
    assert "จอแสดงสถานะ" in listed and text not in listed and "127.0.0.1" in listed
    again = officer.post("/tokens/new", "/tokens/new", **fields)
    assert "You have a token called จอแสดงสถานะ" in again.text
    assert "is revoked" in officer.follow("/tokens/1/revoke", "/tokens/new")
    assert Program(app, text).get("/api/status").status_code == 401
    assert "over already" in officer.follow("/tokens/1/revoke", "/tokens/new")
    assert "โทเคนสำหรับโปรแกรม" in officer.get("/tokens/?lang=th").text


def test_an_administrator_revokes_anybodys_token_and_others_only_their_own(
    office: Office, signed_in: Callable[[str], Officer]
) -> None:
    token(office, "kepkhomun", Level.CUSTODIAN)
    assert signed_in("prasan").post("/tokens/1/revoke", "/tokens/new").status_code == 404
    assert "kepkhomun" not in signed_in("prasan").get("/tokens/").text
    admin = signed_in("rabop")
    assert "kepkhomun" in admin.get("/tokens/").text
    assert "is revoked" in admin.follow("/tokens/1/revoke", "/tokens/")


def test_the_console_makes_lists_and_revokes_tokens(site: Site, app: Flask, office: Office) -> None:
    made = site.yuenyan(
        "token", "create", "kepkhomun", "--name", "cron", "--level", "custodian", "--days", "7"
    )
    assert made.exit_code == 0 and "token 1 of kepkhomun" in made.stderr
    text = made.stdout.strip()
    assert _TEXT.fullmatch(text) and text not in made.stderr
    assert Program(app, text).get("/api/status").status_code == 200
    listed = site.yuenyan("token", "list", "--json").stdout
    assert '"cron"' in listed and text not in listed
    assert site.yuenyan("token", "revoke", "1").exit_code == 0
    again = site.yuenyan("token", "revoke", "1")
    assert (again.exit_code, "already" in again.stderr) == (1, True)
    assert site.yuenyan("token", "revoke", "9").exit_code == 1
    refused = site.yuenyan("token", "create", "kepkhomun", "--name", "a", "--level", "admin")
    assert (refused.exit_code, "is not admin" in refused.stderr) == (1, True)
    with office.database.read() as session:
        assert len(session.scalars(select(ApiToken)).all()) == 1


@pytest.mark.parametrize("scheme", ["Basic aGVhZDp4", "Negotiate x", "bearer", "BEARER x"])
def test_other_schemes_are_a_proxys_business_and_an_empty_token_is_none(
    app: Flask, scheme: str
) -> None:
    found = app.test_client().get("/api/status", headers={"Authorization": scheme})
    assert found.status_code == 401
    sent_none = found.get_json()["error"].startswith("send a token")
    assert sent_none != scheme.lower().startswith("bearer")
