"""The portal and our own gateway: signed redirects, and what sending somebody back says."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from captive_portal.gateway.redirects import Caught, write_redirect
from captive_portal.web.tokens import Signer
from db.models import NasClient
from identity.office import Office
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, LOGIN_URL, MAC, Visitor

KEY = "a key of thirty-two characters.."
PASSWORD = "password of theirs"


@pytest.fixture(autouse=True)
def attic(office: Office) -> NasClient:
    """Our own gateway, registered as `attic`."""
    with office.database.write() as session:
        nas = add_nas(
            session, office, "attic", "10.5.60.1/32", "a secret of its own", "test",
            vendor="yuenyan", login_url=LOGIN_URL,
        )  # fmt: skip
        nas.portal_settings_encrypted = seal_portal_settings(office, {"key": KEY})
    return nas


def redirect(key: str = KEY, **changes: str) -> str:
    values = {"mac": MAC, "ip": HERE, "nas": "attic", **changes}
    return "/p/attic/?" + write_redirect(Caught(**values), key.encode())


def test_a_signed_redirect_names_the_device_of_the_visit(visitor: Visitor, office: Office) -> None:
    location = visitor.get(redirect(url="http://example.com/")).location
    visit = Signer.open(office.config.keys_dir / "portal-session.key").read_visit(
        parse_qs(urlsplit(location).query)["visit"][0]
    )
    assert visit is not None
    assert (visit.nas, visit.mac, visit.url) == ("attic", MAC, "http://example.com/")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/p/attic/?res=notyet&mac={MAC}&ip={HERE}", id="unsigned"),
        pytest.param(redirect("k" * 32), id="another key"),
        pytest.param(redirect().replace(MAC, "020000000001"), id="another device"),
    ],
)
def test_a_forged_redirect_is_refused_and_says_what_to_do(visitor: Visitor, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 400
    assert "ปิดแล้วเปิด" in answer.text or "Wi-Fi" in answer.text


def test_the_form_takes_a_token_to_the_registered_address(visitor: Visitor, office: Office) -> None:
    add_person(office, "somchai", PASSWORD)
    login = visitor.get(redirect(url="http://evil.example/login")).location
    page = visitor.follow(visitor.fill(login, username="somchai", password=PASSWORD))
    assert f'action="{LOGIN_URL}"' in page.text
    assert 'name="password" value="yt-' in page.text


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("reject", "did not accept the sign-in"),
        ("E-LIMIT", "did not accept the sign-in"),
        ("timeout", "does not answer. Please try again in a minute"),
        ("gateway", "does not answer. Please try again in a minute"),
        ("busy", "does not answer. Please try again in a minute"),
    ],
)
def test_who_is_sent_back_reads_whether_it_was_refused_or_not_decided(
    visitor: Visitor, reason: str, said: str
) -> None:
    location = visitor.get(redirect(result="failed", reason=reason)).location
    assert said in visitor.get(location + "&lang=en").text.replace("&#39;", "'")


def test_who_has_signed_out_or_is_online_meets_the_page_for_that(visitor: Visitor) -> None:
    assert urlsplit(visitor.get(redirect(result="logoff")).location).path == "/"
    assert urlsplit(visitor.get(redirect(result="already")).location).path == "/status"
