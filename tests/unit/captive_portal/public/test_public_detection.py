"""RFC 8908 and the probes of phones and computers, before and after login."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from captive_portal.public.detection import CAPTIVE_JSON, ONLINE_ANSWERS
from common.errors import BackendUnavailable
from db.engine import Database
from db.models import NetworkSession
from identity.office import Office
from identity.services import people
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, Visitor, open_session

ASK = {"Accept": CAPTIVE_JSON}
API = "/captive-portal/api"

# (Host, path, body when online), spec of the vendors' probes.
PROBES = [
    ("captive.apple.com", "/hotspot-detect.html", "Success"),
    ("www.apple.com", "/library/test/success.html", "Success"),
    ("connectivitycheck.gstatic.com", "/generate_204", ""),
    ("www.google.com", "/gen_204", ""),
    ("connect.rom.miui.com", "/generate_204", ""),
    ("edge.microsoft.com", "/captiveportal/generate_204", ""),
    ("www.msftconnecttest.com", "/connecttest.txt", "Microsoft Connect Test"),
    ("www.msftncsi.com", "/ncsi.txt", "Microsoft NCSI"),
    ("detectportal.firefox.com", "/canonical.html", "support.mozilla.org/kb/captive-portal"),
    ("detectportal.firefox.com", "/success.txt?ipv4", "success"),
    ("spectrum.s3.amazonaws.com", "/kindle-wifi/wifistub.html", "81ce4465-7167-4dcb"),
    ("nmcheck.gnome.org", "/check_network_status.txt", "NetworkManager is online"),
    ("network-test.debian.org", "/nm", "NetworkManager is online"),
    ("fedoraproject.org", "/static/hotspot.txt", "OK"),
]


@pytest.fixture
def portal(make_visitor: Callable[..., Visitor]) -> Visitor:
    return make_visitor(public_url="https://login.school.example/")


@pytest.mark.parametrize(("host", "path", "body"), PROBES, ids=[host for host, _, _ in PROBES])
def test_a_probe_meets_the_portal_before_and_the_truth_after_login(
    portal: Visitor, office: Office, host: str, path: str, body: str
) -> None:
    before = portal.get(path, headers={"Host": host})
    assert (before.status_code, before.location) == (302, "https://login.school.example/")
    assert before.headers["Cache-Control"] == "no-store"
    open_session(office, None)
    after = portal.get(path, headers={"Host": host})
    assert after.status_code == (200 if body else 204)
    assert body in after.text
    assert Visitor(portal.app, "192.0.2.99").get(path).status_code == 302


def test_the_table_above_is_whole() -> None:
    assert {path.partition("?")[0] for _, path, _ in PROBES} == set(ONLINE_ANSWERS)


@pytest.mark.parametrize("host", ["neverssl.com", "www.msftconnecttest.com"])
def test_any_page_of_a_strangers_name_leads_to_the_portal(portal: Visitor, host: str) -> None:
    answer = portal.get("/redirect?u=https://evil.example", headers={"Host": host})
    assert (answer.status_code, answer.location) == (302, "https://login.school.example/")


@pytest.mark.parametrize("host", ["login.school.example", "192.0.2.1:8080", "[2001:db8::1]:8080"])
def test_our_own_name_and_addresses_are_served(portal: Visitor, host: str) -> None:
    assert portal.get("/", headers={"Host": host}).status_code == 200


def test_without_a_public_url_the_portal_is_where_it_was_asked(visitor: Visitor) -> None:
    answer = visitor.get("/generate_204", headers={"Host": "connectivitycheck.gstatic.com"})
    assert answer.location == "/"
    assert visitor.get("/", headers={"Host": "anything.example"}).status_code == 200


def test_the_api_says_captive_until_a_session_is_open(portal: Visitor, office: Office) -> None:
    before = portal.get(API, headers=ASK)
    assert before.content_type == CAPTIVE_JSON
    assert "no-store" in before.headers["Cache-Control"]
    assert before.headers["Vary"] == "Accept"
    assert before.json == {"captive": True, "user-portal-url": "https://login.school.example/"}
    session = open_session(office, None)
    after = portal.get(API, headers=ASK)
    assert after.json is not None and after.json["captive"] is False
    assert "seconds-remaining" not in after.json
    assert Visitor(portal.app, "192.0.2.99").get(API, headers=ASK).json == before.json
    with office.database.write() as writing:
        row = writing.get(NetworkSession, session.session_key)
        assert row is not None
        row.stop_seen, row.stop_at = 1, office.clock()
    assert portal.get(API, headers=ASK).json == before.json


def test_the_seconds_left_are_those_of_role_and_account(visitor: Visitor, office: Office) -> None:
    account_id = add_person(office, "somchai")
    open_session(office, account_id, minutes_ago=10)
    with office.database.write() as session:
        account = people.get(session, "somchai")
        account.role.session_seconds = 3600
    answer = visitor.get(API, headers=ASK).json
    assert answer is not None and 2990 <= answer["seconds-remaining"] <= 3000
    with office.database.write() as session:
        people.get(session, "somchai").expires_at = office.clock() + timedelta(seconds=100)
    answer = visitor.get(API, headers=ASK).json
    assert answer is not None and 90 <= answer["seconds-remaining"] <= 100


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        (CAPTIVE_JSON, True),
        ("application/json", True),
        ("*/*", True),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_a_browser_is_sent_to_the_page_instead(portal: Visitor, accept: str, is_json: bool) -> None:
    answer = portal.get(API, headers={"Accept": accept} if accept else {})
    assert answer.headers["Vary"] == "Accept"
    assert (answer.content_type == CAPTIVE_JSON) is is_json
    if not is_json:
        assert answer.location == "https://login.school.example/"


def test_an_ipv6_device_is_known_by_its_prefix(visitor: Visitor, office: Office) -> None:
    open_session(office, None, address="2001:db8:5:7::/64")
    phone = Visitor(visitor.app, "2001:db8:5:7:1234::9")
    neighbour = Visitor(visitor.app, "2001:db8:5:8::9")
    answer = phone.get(API, headers=ASK).json
    assert answer is not None and answer["captive"] is False
    assert neighbour.get("/generate_204").status_code == 302


def test_a_page_without_sign_in_tells_no_name(visitor: Visitor, office: Office) -> None:
    open_session(office, add_person(office, "somchai"))
    text = visitor.get("/status?lang=en").text
    assert "This device is online" in text and "somchai" not in text


def test_a_forwarded_address_counts_from_the_configured_proxy_only(
    make_visitor: Callable[..., Visitor], office: Office
) -> None:
    open_session(office, None, address="192.0.2.50")
    headers = {**ASK, "X-Forwarded-For": "192.0.2.50"}
    for proxies, captive in (((), True), ((f"{HERE}/32",), False)):
        answer = make_visitor(trusted_proxies=proxies).get(API, headers=headers).json
        assert answer is not None and answer["captive"] is captive


def test_healthz_and_a_database_that_is_gone(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert visitor.get("/healthz").text == "ok\n"

    def gone(_database: Database) -> None:
        raise BackendUnavailable("database")

    monkeypatch.setattr(Database, "require_schema", gone)
    answer = visitor.get("/healthz?lang=en")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert "Please try again in a minute" in answer.text
