"""Setting devices up from the portal: pages, files, links and certificates."""

from __future__ import annotations

import base64
import html
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from captive_portal.public.join_device import System, device_of
from captive_portal.web.join_tokens import JoinToken, JoinTokens
from common import config as configuration
from common.config_onboarding import Onboarding
from db.models import Credential
from identity.office import Office
from identity.services import people
from tests.conftest import add_person, write_configuration
from tests.programs import require
from tests.unit.captive_portal.public.conftest import Visitor, make_app
from tests.unit.captive_portal.public.test_public_pages_weigh_little import BUDGET_OCTETS, Markup

PASSWORD = "password of theirs"
SHEETS = {
    "iOS": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148",
    "Android": "Mozilla/5.0 (Linux; Android 14; SM-A155F Build/UP1A; wv) AppleWebKit/537.36"
    " (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36",
    "LINE": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Mobile/15E148 Safari Line/14.8.0",
    "macOS": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
    " (KHTML, like Gecko)",
}
BROWSERS = {
    System.IOS: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    System.ANDROID: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Mobile Safari/537.36",
    System.WINDOWS: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like"
    " Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    System.MACOS: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
    " (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    System.CHROMEOS: "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like"
    " Gecko) Chrome/126.0.0.0 Safari/537.36",
    System.LINUX: "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
}
PERSONAL = {
    "ios": "application/x-apple-aspen-config",
    "macos": "application/x-apple-aspen-config",
    "eap-config": "application/eap-config",
    "chromeos": "application/x-onc",
    "wpa-supplicant": "text/plain; charset=utf-8",
    "network-manager": "application/x-sh",
    "android": "text/plain; charset=utf-8",
}
"""The files that hold the user name in plain sight, and their types."""


def setting_up(office: Office, **values: Any) -> Office:
    """`office` with a network to set up."""
    section = Onboarding(**{"ssids": ("School-1X",), "realm": "school.ac.th", **values})
    portal = office.config.portal.model_copy(update={"public_url": "https://wifi.school.ac.th"})
    update = {"onboarding": section, "portal": portal}
    return replace(office, config=office.config.model_copy(update=update))


def visitor_of(office: Office) -> Visitor:
    """A visitor of a portal that sets devices up, and gives students certificates."""
    add_person(office, "somchai", PASSWORD)
    giving = setting_up(office, certificate_roles=("student",), certificates=2)
    return Visitor(make_app(giving))


@pytest.fixture
def joining(office: Office) -> Visitor:
    """Such a visitor, for a test that changes something."""
    return visitor_of(office)


@pytest.fixture(scope="module")
def looking(_made_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Such a visitor that tests share who only look."""
    folder = tmp_path_factory.mktemp("joining")
    shutil.copytree(_made_site / "var", folder / "var")
    office = Office.open(configuration.load(write_configuration(folder)))
    yield visitor_of(office)
    office.database.dispose()


def open_page(visitor: Visitor, path: str, browser: str = BROWSERS[System.ANDROID]) -> str:
    answer = visitor.get(path, headers={"User-Agent": browser, "Host": "wifi.school.ac.th"})
    assert answer.status_code == 200, answer.text
    return answer.text


def sign_in(visitor: Visitor, name: str = "somchai", password: str = PASSWORD) -> str:
    """The status page of `name`, after a sign-in without cookies."""
    answer = visitor.fill("/?lang=en", username=name, password=password)
    assert answer.status_code == 303, answer.text
    return visitor.follow(answer).text


def link(text: str, part: str) -> str:
    """The address of the first link that holds `part`."""
    found = re.search(rf'href="([^"]*{re.escape(part)}[^"]*)"', text)
    assert found is not None, part
    return html.unescape(found[1])


def personal(visitor: Visitor) -> str:
    """The address of the page for somchai's device, as its status page has it."""
    return link(sign_in(visitor), "/join?")


def test_the_status_page_shows_the_way_and_a_site_without_it_does_not(
    joining: Visitor, visitor: Visitor
) -> None:
    assert "Never type the password again" in sign_in(joining)
    assert "Never type the password again" not in sign_in(visitor)
    assert visitor.get("/join").status_code == 404
    assert visitor.get("/join/file/ios").status_code == 404
    assert visitor.get("/join/certificates").status_code == 404


@pytest.mark.parametrize("language", ["th", "en"])
def test_everybody_sees_ca_and_name_without_a_sign_in(looking: Visitor, language: str) -> None:
    text = open_page(looking, f"/join?lang={language}")
    assert "radius.yuenyan.internal" in text
    assert re.search(r"<code>[0-9A-F]{2}(:[0-9A-F]{2}){31}</code>", text)
    assert "somchai" not in text
    assert 'href="/?lang=' in text


@pytest.mark.parametrize("language", ["th", "en"])
@pytest.mark.parametrize("system", list(System))
def test_each_systems_page_is_one_small_answer_and_shows_its_own_steps_first(
    looking: Visitor, system: System, language: str
) -> None:
    address = f"{personal(looking)}&lang={language}".replace("lang=en&", "")
    text = open_page(looking, address, BROWSERS[system])
    assert len(text.encode()) <= BUDGET_OCTETS
    markup = Markup(re.sub(r"<use [^>]*>|<rect [^>]*>", "", text))
    assert markup.open == [] and len(markup.ids) == len(set(markup.ids))
    assert f'<html lang="{language}">' in text
    assert len(re.findall(r'<ol class="steps" role="list">', text)) == len(System)
    first = text.partition('<ol class="steps" role="list">')[2].partition("</ol>")[0]
    kinds = {"android": "ca-der", "linux": "network-manager"}
    assert f"/join/file/{kinds.get(system, system)}" in first
    assert text.index("</ol>") < text.index("<details")
    for name in set(re.findall(r'href="#(\w+)"', first)):
        assert f'<symbol id="{name}"' in text


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_is_told_to_open_a_real_browser_and_offers_no_download_first(
    looking: Visitor, sheet: str
) -> None:
    text = open_page(looking, personal(looking), SHEETS[sheet])
    told = text.partition("<details")[0]
    assert "/join/file/" not in told
    assert "wifi.school.ac.th/join" in told and '<svg class="qr"' in told
    assert ("Safari" in told) == (sheet != "Android")


@pytest.mark.parametrize("system", list(System))
def test_a_browser_is_known_by_its_system(system: System) -> None:
    found = device_of(BROWSERS[system])
    assert (found.system, found.can_install) == (system, True)


@pytest.mark.parametrize("sheet", SHEETS)
def test_a_sheet_is_known_as_one(sheet: str) -> None:
    assert not device_of(SHEETS[sheet]).can_install


def test_an_unknown_browser_gets_a_page_all_the_same(looking: Visitor) -> None:
    for odd in ("", "x" * 5000, "\x7f<script>"):
        assert "<script>" not in open_page(looking, "/join", odd)


@pytest.mark.parametrize("kind", PERSONAL)
def test_a_file_has_its_type_its_name_and_the_users_name(looking: Visitor, kind: str) -> None:
    text = open_page(looking, personal(looking), BROWSERS[System.LINUX])
    if kind != "android":
        address = link(text, f"/join/file/{kind}")
    else:
        address = link(text, "/join/file/ios").replace("/ios", "/android")
    answer = looking.get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == PERSONAL[kind]
    place = "inline" if kind in ("ios", "macos") else "attachment"
    assert re.fullmatch(
        rf'{place}; filename="school-1x[\w.-]+"', answer.headers["Content-Disposition"]
    )
    assert b"somchai" in answer.data and PASSWORD.encode() not in answer.data
    public = looking.get(f"/join/file/{kind}")
    assert public.status_code == 200 and b"somchai" not in public.data


def test_a_link_works_in_another_browser_without_a_sign_in_and_signs_nobody_in(
    looking: Visitor,
) -> None:
    text = open_page(looking, personal(looking))
    token = re.search(r"/join/file/[^\"]*\bt=([\w.-]+)", text)
    assert token is not None
    elsewhere = Visitor(looking.app, address="198.51.100.9")
    other = open_page(elsewhere, f"/join?t={token[1]}&lang=en")
    assert "User name: somchai" in other
    assert "/join/certificates" not in other and "sign-out" not in other
    assert "You are not signed in" in open_page(elsewhere, f"/status?s={token[1]}&lang=en")


def test_a_link_ends_with_its_hour_with_a_forgery_and_with_its_account(
    joining: Visitor, office: Office
) -> None:
    text = open_page(joining, personal(joining))
    address = link(text, "/join/file/ios")
    assert joining.get(address).status_code == 200
    forged = re.sub(r"t=.", "t=Z", address)
    for odd in (forged, "/join?t=x", f"/join?t={'x' * 5000}"):
        answer = joining.get(odd)
        assert answer.status_code == 400 and "too old" in joining.get(f"{odd}&lang=en").text
    with office.database.write() as session:
        people.set_state(session, office, "somchai", "suspended", "test")
    assert joining.get(address).status_code == 400


def test_a_voucher_is_told_that_it_sets_nothing_up(joining: Visitor, office: Office) -> None:
    """A sign-in of an account without a password."""
    page = personal(joining)
    with office.database.write() as session:
        account = people.get(session, "somchai")
        session.delete(session.get_one(Credential, account.id))
    text = open_page(joining, page)
    assert "A voucher works on the sign-in page only" in text and "?t=" not in text
    assert "Never type the password again" not in open_page(
        joining, page.replace("/join?", "/status?")
    )
    assert joining.get(page.replace("/join?", "/join/certificates?")).status_code == 404


@pytest.mark.real
def test_the_signed_profile_is_verified_by_openssl_with_the_sites_ca(
    joining: Visitor, office: Office, tmp_path: Path
) -> None:
    path = tmp_path / "wifi.mobileconfig"
    path.write_bytes(joining.get("/join/file/ios").data)
    run = subprocess.run(
        [
            *(require("openssl", "openssl"), "smime", "-verify", "-inform", "der"),
            *("-purpose", "any", "-in", path, "-CAfile", office.config.ca_dir / "ca.pem"),
        ],
        capture_output=True,
        timeout=20,
    )
    assert run.returncode == 0, run.stderr
    assert b"<string>School-1X</string>" in run.stdout


def test_a_site_that_cannot_make_profiles_says_that_it_is_not_ready(
    joining: Visitor, office: Office
) -> None:
    office.config.eap_certificate.unlink()
    assert joining.get("/join").status_code == 503


def test_peap_alone_is_no_way_in_for_a_hash(office: Office) -> None:
    add_person(office, "somchai", PASSWORD)
    eap = office.config.eap.model_copy(update={"methods": ("peap",)})
    made = setting_up(office)
    peap = replace(made, config=made.config.model_copy(update={"eap": eap}))
    visitor = Visitor(make_app(peap))
    status = sign_in(visitor)
    assert "Never type the password again" not in status
    address = link(status, "/status?").replace("/status?", "/join?")
    text = open_page(visitor, address.replace("lang=th", "lang=en"))
    assert "cannot be used by devices yet" in text and "somchai" not in text


def certificates_page(visitor: Visitor) -> str:
    return link(open_page(visitor, personal(visitor)), "/join/certificates")


def test_a_certificate_is_made_and_revoked_from_the_holders_own_page_alone(
    joining: Visitor,
) -> None:
    page = certificates_page(joining)
    anybody = re.search(r'name="form_token" value="([^"]+)"', joining.get("/").text)
    mine = re.search(r'name="s" value="([^"]+)"', joining.get(page).text)
    assert anybody is not None and mine is not None
    fields = {"form_token": anybody[1], "s": mine[1], "key": "k" * 24, "serial": "1"}
    for path in ("/join/certificates", "/join/certificates/revoke"):
        assert joining.post(path, **fields).status_code == 400


def test_a_certificate_comes_with_a_password_that_is_shown_once(joining: Visitor) -> None:
    page = certificates_page(joining)
    made = joining.fill(page, action="/join/certificates")
    assert made.status_code == 200
    password = re.search(r'<p class="number">([a-z2-9]{12})</p>', made.text)
    assert password is not None
    onward = open_page(joining, link(made.text, "t="), BROWSERS[System.ANDROID])
    address = link(onward, "/join/file/eap-config")
    document = ElementTree.fromstring(joining.get(address).data)
    octets = base64.b64decode(document.findtext(".//ClientCertificate") or "")
    bundle = pkcs12.load_pkcs12(octets, password[1].encode())
    assert bundle.cert is not None
    assert document.findtext(".//EAPMethod/Type") == "13"
    assert password[1] not in onward and password[1] not in joining.get(page).text
    assert f"{bundle.cert.certificate.serial_number:x}"[-8:].upper() in joining.get(page).text


def test_the_same_form_makes_no_second_certificate(joining: Visitor) -> None:
    page = certificates_page(joining)
    opened = joining.get(page).text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', opened))
    assert joining.post("/join/certificates?lang=en", **fields).status_code == 200
    again = joining.post("/join/certificates?lang=en", **fields)
    assert again.status_code == 409 and "shown once" in again.text
    assert joining.get(page).text.count("/revoke") == 1


def test_certificates_are_counted_and_revoked_by_their_owner_alone(
    joining: Visitor, office: Office
) -> None:
    page = certificates_page(joining)
    for _ in range(2):
        assert joining.fill(page, action='action="/join/certificates?').status_code == 200
    assert "as many certificates as you may" in joining.get(page).text
    add_person(office, "malee", PASSWORD)
    serial = re.search(r'name="serial" value="(\w+)"', joining.get(page).text)
    assert serial is not None
    theirs = link(open_page(joining, link(sign_in(joining, "malee"), "/join?")), "/certificates")
    fields = dict(
        re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', joining.get(theirs).text)
    )
    assert (
        joining.post("/join/certificates/revoke", **{**fields, "serial": serial[1]}).status_code
        == 404
    )
    gone = joining.fill(page, action="/revoke")
    assert gone.status_code == 303
    assert "is revoked" in joining.follow(gone).text
    assert joining.get(page).text.count("/revoke") == 1


@pytest.mark.parametrize("path", ["/join/certificates", "/join/certificates/revoke"])
def test_a_form_of_another_site_changes_nothing(joining: Visitor, path: str) -> None:
    page = certificates_page(joining)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', joining.get(page).text))
    fields["form_token"] = "of another page"
    assert joining.post(path, **fields).status_code == 400
    assert joining.post(path, form_token="x", key="k" * 24).status_code == 404
    assert "/revoke" not in joining.get(page).text


def test_a_portal_that_cannot_read_the_cas_key_says_that_it_is_not_ready(
    joining: Visitor, office: Office
) -> None:
    page = certificates_page(joining)
    (office.config.ca_dir / "ca.key").write_text("locked away")
    assert joining.fill(page, action='action="/join/certificates?').status_code == 503
    assert "/revoke" not in joining.get(page).text


@pytest.mark.parametrize("key", ["", "short", "k" * 65])
def test_a_key_that_is_none_of_ours_makes_nothing(joining: Visitor, key: str) -> None:
    page = certificates_page(joining)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', joining.get(page).text))
    assert joining.post("/join/certificates", **{**fields, "key": key}).status_code == 400


def test_a_role_that_takes_none_finds_no_page(office: Office) -> None:
    add_person(office, "somchai", PASSWORD)
    visitor = Visitor(make_app(setting_up(office)))
    text = open_page(visitor, personal(visitor))
    assert "/join/certificates" not in text
    address = link(sign_in(visitor), "/join?").replace("/join?", "/join/certificates?")
    assert visitor.get(address).status_code == 404


@pytest.mark.parametrize("text", ["", "x", "W10.x.y", "x" * 600])
def test_a_token_that_is_none_reads_as_none(text: str) -> None:
    assert JoinTokens("a key of some length").read(text) is None


def test_a_token_reads_as_what_it_was_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = JoinTokens("a key of some length")
    for token in (JoinToken(7), JoinToken(7, "key of a file")):
        text = tokens.make(token)
        assert tokens.read(text) == token
        assert JoinTokens("another key").read(text) is None
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 3590)
    assert tokens.read(text) == token
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 3602)
    assert tokens.read(text) is None


def test_the_pages_without_a_network_in_the_air_speak_of_the_cable(
    office: Office, make_visitor: Callable[..., Visitor]
) -> None:
    section = Onboarding(wired=True)
    config = office.config.model_copy(update={"onboarding": section})
    visitor = Visitor(make_app(replace(office, config=config)))
    text = visitor.get("/join?lang=en").text
    assert "by cable" in text
    assert visitor.get("/join/file/ios").status_code == 404
    assert visitor.get("/join/file/windows").status_code == 200
