"""Why was this login refused? The page, the command, and the pages of the log."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from captive_portal.admin import login_words
from captive_portal.admin.language import speaking
from captive_portal.admin.login_story import Story, tell
from captive_portal.admin.paging import PAGE_SIZE
from common.clock import utc_now
from db.models import AuthEvent
from identity.domain.access import Method, Reason
from identity.office import Office
from identity.services.login_log import LoginView
from tests.conftest import Site
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer

THAI = re.compile("[\u0e00-\u0e7f]")


def story(language: str = "en", **changes: object) -> Story:
    facts: dict[str, object] = {
        "login_id": 1,
        "at": utc_now(),
        "user_name": "alice",
        "method": "pap",
        "outcome": "reject",
        "reason": "wrong_password",
        "station": "3c22fb010203",
        "ssid": "school",
        "nas_client_id": 7,
        "nas": "gate",
        "trace": (),
        "account_id": 3,
        "account": "alice",
        "full_name": "Alice L.",
        "role": "student",
        "account_state": "active",
        **changes,
    }
    with speaking(language, "Asia/Bangkok"):
        return tell(LoginView(**facts))  # type: ignore[arg-type]


def texts(told: Story) -> list[str]:
    return [step.text for step in told.steps]


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("language", ["th", "en"])
def test_every_refusal_is_told_with_what_to_do(reason: Reason, language: str) -> None:
    told = story(language, reason=reason.value)
    assert bool(told.advice) is (reason is not Reason.OK)
    for text in (told.headline, *told.advice, *texts(told)):
        assert bool(THAI.search(text)) is (language == "th"), text


@pytest.mark.parametrize("language", ["th", "en"])
def test_a_role_that_is_not_there_has_advice_of_its_own(language: str) -> None:
    trace = ("directory:role_missing=emperor",)
    told = story(language, reason="directory_no_role", trace=trace)
    assert "yuenyan role set emperor" in told.advice[0]
    assert bool(THAI.search(told.advice[0])) is (language == "th")
    assert told.advice != story(language, reason="directory_no_role").advice


@pytest.mark.parametrize("method", list(Method))
def test_every_method_has_words_in_both_languages(method: Method) -> None:
    thai, english = (texts(story(language, method=method.value))[1] for language in ("th", "en"))
    told = thai.removeprefix("ชื่อที่ใช้คือ alice ด้วยวิธี ")
    assert told not in (thai, method.value)
    assert THAI.search(told)
    assert not THAI.search(english)


def test_a_plain_login_is_told_from_its_facts() -> None:
    assert texts(story()) == [
        "The access point gate (school) asked for the device 3c:22:fb:01:02:03",
        "The name was alice, the method: password (PAP)",
        "The name belongs to the account alice of Alice L., role student",
        "The password was wrong",
    ]


def test_the_state_of_the_account_today_is_told_when_it_is_closed() -> None:
    assert "The account is now: suspended" in texts(story(account_state="suspended"))


def test_a_trace_is_told_step_by_step() -> None:
    lines = (
        "eap:identity=anonymous@school",
        "eap:nak=25,13",
        "eap:method=ttls",
        "tls:version=TLSv1.3",
        "tls:certificate=certificate_has_expired",
        "inner:nak=6",
        "inner:pap=alice",
        "policy:suspended",
        "throttle:account_device",
        "quota:day",
        "something:new=1 %(value)s",
    )
    assert texts(story(trace=lines, reason="suspended"))[1:12] == [
        "The device announced itself as anonymous@school",
        "The device declined and asked for: PEAP, EAP-TLS",
        "Device and server agreed on the method EAP-TTLS",
        "The tunnel uses TLSv1.3",
        "The server did not accept the certificate of the device: certificate_has_expired: "
        "It has expired",
        "Inside the tunnel the device declined and asked for: EAP-GTC",
        "Inside the tunnel alice logged in by PAP",
        "The account is suspended; an admin can enable it",
        "This device tried this account with a wrong password too often",
        "The quota of the day is used up",
        "something:new=1 %(value)s",
    ]


@pytest.mark.parametrize("language", ["en", "th"])
def test_what_teap_traces_has_words(language: str) -> None:
    lines = (
        "teap:user",
        "teap:machine",
        "teap:user_missing",
        "teap:machine_missing",
        "teap:cryptobinding",
        "teap:peer_refused=2001",
        "teap:unknown_tlv=7",
        "inner:password=somchai",
    )
    told = texts(story(language, trace=lines))[1 : 1 + len(lines)]
    assert not set(told) & set(lines)
    assert len(set(told)) == len(lines)
    assert all("ก" <= text[0] <= "๛" for text in told) is (language == "th")
    assert told[-1].endswith("Basic-Password-Auth")


@pytest.mark.parametrize("alert", sorted(login_words.ALERTS))
def test_an_alert_is_told_and_its_cure_comes_first(alert: str) -> None:
    told = story(trace=(f"tls:alert={alert}",), reason="tls_failed")
    assert f"{alert}: {login_words.ALERTS[alert]}" in texts(told)[1]
    assert told.advice


def test_a_device_that_distrusts_the_server_needs_the_profile() -> None:
    told = story(trace=("tls:alert=unknown_ca",), reason="tls_failed")
    assert told.advice[0].startswith("Install the Wi-Fi profile")


def test_a_login_is_explained_on_its_page(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    rows = admin.get("/logins/?reason=tls_failed").text
    link = re.search(r'href="(/logins/\d+)"', rows)
    assert link is not None
    page = admin.get(link[1]).text
    assert "Why was this login refused?" in page
    assert "does not trust the certificate of our server" in page
    assert "Install the Wi-Fi profile" in page
    assert "tls:alert=unknown_ca" in page
    assert "ทำไมเข้าสู่ระบบไม่ผ่าน" in admin.get(f"{link[1]}?lang=th").text
    assert admin.get("/logins/999999").status_code == 404


def test_the_page_tells_when_the_account_got_in_later(admin: Officer, office: Office) -> None:
    seed.add_school_day(office)
    with office.database.write() as session:
        failed = session.scalars(
            select(AuthEvent).where(AuthEvent.reason == "simultaneous_limit")
        ).one()
        session.add(
            AuthEvent(
                at=failed.at + timedelta(minutes=1), nas_client_id=failed.nas_client_id,
                user_name="kittipong", account_id=failed.account_id, method="pap",
                outcome="accept", reason="ok",
            )
        )  # fmt: skip
        number = failed.id
    assert "The account got in at" in admin.get(f"/logins/{number}").text


def test_what_failed_before_anybody_looked_misses_no_account() -> None:
    nobody: dict[str, Any] = {"account_id": None, "account": None, "full_name": ""}
    lost = story(reason="tls_failed", trace=("eap:identity=anonymous",), **nobody)
    assert texts(lost)[1:] == [
        "The device announced itself as anonymous",
        "Device and server could not agree on an encrypted tunnel (TLS)",
    ]
    assert "No account was found for this name" in texts(story(reason="unknown_account", **nobody))


def test_an_approver_may_not_read_why(signed_in: object, office: Office) -> None:
    seed.add_school_day(office)
    approver = signed_in("kruya")  # type: ignore[operator]
    assert approver.get("/logins/1").status_code == 403


def _many(office: Office, count: int) -> None:
    """Refusals, five of them in each moment."""
    now = office.clock()
    with office.database.write() as session:
        for number in range(count):
            session.add(
                AuthEvent(
                    at=now - timedelta(seconds=number // 5), user_name=f"user{number:04}",
                    method="pap", outcome="reject", reason="unknown_account",
                )
            )  # fmt: skip


def _names(page: str) -> list[str]:
    return re.findall(r'class="outside">(user\d{4})<', page)


def test_the_log_is_paged_without_loss_both_ways(admin: Officer, office: Office) -> None:
    count = 2 * PAGE_SIZE + 7
    _many(office, count)
    seen: list[list[str]] = []
    path = "/logins/?reason=unknown_account"
    while path:
        page = admin.get(path).text
        seen.append(_names(page))
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found[1].replace("&amp;", "&") if found else ""
        last = page
    assert [len(names) for names in seen] == [PAGE_SIZE, PAGE_SIZE, 7]
    assert len({name for names in seen for name in names}) == count
    for expected in reversed(seen[:-1]):
        back = re.search(r'href="([^"]+)" rel="prev"', last)
        assert back is not None
        assert "reason=unknown_account" in back[1]
        last = admin.get(back[1].replace("&amp;", "&")).text
        assert _names(last) == expected
    assert 'rel="prev"' not in last


@pytest.mark.parametrize("place", ["x", "1-", "-1", "9" * 30 + "-1", "1-" + "9" * 30, "1-1"])
def test_a_place_that_is_none_is_no_fault(admin: Officer, place: str) -> None:
    assert admin.get(f"/logins/?older_than={place}").status_code == 200
    assert admin.get(f"/logins/?newer_than={place}").status_code == 200


def test_the_command_lists_and_explains(site: Site, office: Office) -> None:
    seed.add_officers(office)
    seed.add_school_day(office)
    listed = json.loads(
        site.yuenyan("login", "list", "--user", "Kittipong", "--refused", "--json").stdout
    )
    assert {row["reason"] for row in listed} == {"wrong_password", "simultaneous_limit"}
    by_mac = json.loads(
        site.yuenyan("login", "list", "--user", "A6-B4-C6-01-02-99", "--json").stdout
    )
    assert [row["reason"] for row in by_mac] == ["tls_failed"]
    table = site.yuenyan("login", "list", "--refused", "--language", "en").stdout
    assert "The password was wrong" in table
    assert "รหัสผ่านไม่ถูกต้อง" in site.yuenyan("login", "list").stdout

    english = site.yuenyan("login", "why", "nattha", "--language", "en").stdout
    assert "The account is suspended" in english
    assert "1. Ask who suspended the account" in english
    thai = site.yuenyan("login", "why", "anonymous@school").stdout
    assert "อุปกรณ์ไม่เชื่อถือใบรับรองของเซิร์ฟเวอร์" in thai
    assert "[tls:alert=unknown_ca]" in thai
    told = json.loads(site.yuenyan("login", "why", "nattha", "--json").stdout)
    assert told["reason"] == "suspended"
    assert told["advice"]
    assert told["let_in_later"] is None


def test_a_name_that_never_tried_is_refused_with_a_hint(site: Site) -> None:
    result = site.yuenyan("login", "why", "nobody")
    assert result.exit_code == 1
    assert "yuenyan nas list" in result.stderr


def test_a_device_that_was_shown_the_portal_was_not_refused(
    admin: Officer, office: Office, site: Site
) -> None:
    with office.database.write() as session:
        session.add(
            AuthEvent(
                at=utc_now(),
                user_name="3c22fb0102aa",
                method="mac",
                outcome="reject",
                reason="sent_to_portal",
                calling_station_id="3c22fb0102aa",
                trace="central:sent_to_portal",
            )
        )
    shown = admin.get("/logins/?lang=th").text
    assert '<span class="badge portal">ส่งไปหน้าเข้าสู่ระบบ</span>' in shown
    listed = site.yuenyan("login", "list", "--language", "en").stdout
    assert "sent to the portal" in listed and "refused" not in listed
    told = story(reason="sent_to_portal", trace=("central:sent_to_portal",))
    assert "central:sent_to_portal" not in [step.code for step in told.steps]
