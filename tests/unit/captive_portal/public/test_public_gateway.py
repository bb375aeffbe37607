"""Coming from a gateway and being handed back to it with a one-time token."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import select

from captive_portal.web.tokens import Signer, Visit
from db.models import NasClient, PortalToken
from identity.office import Office
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, LOGIN_URL, MAC, Visitor, open_session

PASSWORD = "password of theirs"
MIKROTIK = (
    "/p/hall/?mac=3C:22:FB:01:02:03&ip=10.5.50.20&link-orig=http%3A%2F%2Fexample.com%2F"
    "&link-login-only=http%3A%2F%2Fevil.example%2Flogin&lang=en"
)


@pytest.fixture(autouse=True)
def _somchai(office: Office, nas: NasClient) -> int:
    return add_person(office, "somchai", PASSWORD)


def visit_of(office: Office, location: str) -> Visit | None:
    signer = Signer.open(office.config.keys_dir / "portal-session.key")
    return signer.read_visit(parse_qs(urlsplit(location).query)["visit"][0])


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("mac=3C:22:FB:01:02:03&ip=10.5.50.20&link-orig={url}", id="mikrotik"),
        pytest.param("res=notyet&mac=3C-22-FB-01-02-03&ip=10.5.50.20&userurl={url}", id="coova"),
        pytest.param("client_mac=3c22fb010203&client_ip=10.5.50.20&url={url}", id="generic"),
    ],
)
def test_vendors_spellings_become_one_visit(visitor: Visitor, office: Office, query: str) -> None:
    url = "http://example.com/a?b=c"
    answer = visitor.get("/p/hall/?" + query.format(url=quote(url, safe="")))
    assert visit_of(office, answer.location) == Visit(
        nas="hall", mac=MAC, ip="10.5.50.20", url=url, seen_from=HERE
    )


def test_the_token_goes_to_the_registered_address_only(visitor: Visitor, office: Office) -> None:
    login = visitor.get(MIKROTIK).location
    answer = visitor.fill(login, username="somchai", password=PASSWORD)
    assert answer.location.startswith("/connect?")
    page = visitor.follow(answer)
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
    with office.database.read() as session:
        token = session.scalars(select(PortalToken)).one()
    assert f'action="{LOGIN_URL}"' in page.text and "evil" not in page.text
    assert (form["username"], form["password"]) == ("somchai", token.token)
    assert PASSWORD not in page.text
    assert (token.client_mac, token.nas_client_id) == (MAC, 1)
    assert "<noscript>" in page.text and "<button>" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self' http://10.5.50.1;" in policy
    nonce = re.search(r'<script nonce="([\w-]+)">', page.text)
    assert nonce is not None and f"script-src 'nonce-{nonce[1]}'" in policy
    after = visitor.get(html.unescape(form["dst"]))
    assert "The network has taken your sign-in" in after.text
    assert 'href="http://example.com/"' in after.text
    assert "s=" not in urlsplit(html.unescape(form["dst"])).query.replace("visit=", "")


def test_a_gateway_without_a_login_address_ends_at_the_status_page(
    visitor: Visitor, office: Office
) -> None:
    with office.database.write() as session:
        session.scalars(select(NasClient)).one().login_url = None
    answer = visitor.fill(visitor.get(MIKROTIK).location, username="somchai", password=PASSWORD)
    assert answer.location.startswith("/status?")
    connect = visitor.get(answer.location.replace("/status", "/connect"))
    assert connect.location.startswith("/status?")


@pytest.mark.parametrize("name", ["unknown", "HALL", "../hall"])
def test_an_unknown_gateway_is_refused(visitor: Visitor, name: str) -> None:
    assert visitor.get(f"/p/{name}/").status_code == 404


def test_a_disabled_gateway_is_refused(visitor: Visitor, office: Office) -> None:
    with office.database.write() as session:
        session.scalars(select(NasClient)).one().enabled = False
    assert visitor.get("/p/hall/").status_code == 404


def test_a_forged_visit_is_refused_and_not_carried_on(visitor: Visitor) -> None:
    answer = visitor.get("/?lang=en&visit=forged")
    assert answer.status_code == 400
    assert "Switch Wi-Fi off and on again" in answer.text
    assert "forged" not in answer.text


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ("res=success", "/status"),
        ("res=already", "/status"),
        ("res=failed&reply=no", "/?"),
        ("error=invalid", "/?"),
    ],
)
def test_what_the_gateway_says_of_the_last_try(visitor: Visitor, query: str, page: str) -> None:
    answer = visitor.get(f"/p/hall/?{query}&lang=en")
    assert answer.location.startswith(page)
    refused = "did not accept the sign-in" in visitor.follow(answer).text
    assert refused is (page == "/?")


def test_tokens_are_not_minted_without_end(visitor: Visitor) -> None:
    answer = visitor.fill(visitor.get(MIKROTIK).location, username="somchai", password=PASSWORD)
    codes = [visitor.follow(answer).status_code for _ in range(21)]
    assert codes == [200] * 20 + [429]


def test_connecting_needs_a_sign_in(visitor: Visitor) -> None:
    assert visitor.get("/connect").location == "/"


def test_the_status_page_offers_to_connect_until_the_session_is_seen(
    visitor: Visitor, office: Office, _somchai: int
) -> None:
    answer = visitor.fill(visitor.get(MIKROTIK).location, username="somchai", password=PASSWORD)
    status = answer.location.replace("/connect", "/status")
    assert "Connect this device" in visitor.get(status).text
    open_session(office, _somchai)
    page = visitor.get(status).text
    assert "Connect this device" not in page
    assert "This device is online" in page and "3c:22:fb:01:02:03" in page and "7 MB" in page


def test_the_gateway_returns_to_the_public_address(
    make_visitor: Callable[..., Visitor],
) -> None:
    visitor = make_visitor(public_url="https://login.school.example")
    page = visitor.get(MIKROTIK, base_url="https://login.school.example")
    opened = visitor.app.test_client(use_cookies=False).get(
        page.location, base_url="https://login.school.example"
    )
    assert opened.status_code == 200
