"""A network device as a gateway: its make's settings, secrets that stay, what is to be copied."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from db.models import AuditEvent, NasClient
from identity.domain.levels import Level
from identity.office import Office
from identity.services import nas, people, roles
from identity.services.nas_portal import portal_settings
from tests.unit.captive_portal.admin import seed
from tests.unit.captive_portal.admin.conftest import Officer


@pytest.fixture
def console(office: Office) -> str:
    """The page of a UniFi console."""
    with office.database.write() as session:
        row = nas.add_nas(
            session, office, "console", "10.0.0.2/32", "a very long secret", "test", vendor="unifi"
        )
        session.flush()
        return f"/nas/{row.id}/gateway"


def settings(office: Office) -> dict[str, str]:
    with office.database.read() as session:
        return dict(portal_settings(office, nas.get(session, "console")))


def test_a_key_is_stored_and_never_shown_again(
    admin: Officer, office: Office, console: str
) -> None:
    given = {"setting-controller": "https://10.0.0.2", "setting-site_id": "u"}
    page = admin.follow(console, console, **given, **{"setting-api_key": "key of the console"})
    assert "Changed. The portal follows" in page
    assert 'value="https://10.0.0.2"' in page
    assert "key of the console" not in page
    field = re.search('<input id="setting-api_key"[^>]*>', page)
    assert field is not None and 'value=""' in field[0] and "set; empty leaves it" in field[0]
    admin.follow(console, console, **{"setting-site_id": "v", "setting-api_key": ""})
    assert settings(office)["api_key"] == "key of the console"
    assert settings(office)["site_id"] == "v"
    admin.follow(console, console, **{"none-api_key": "1"})
    assert "api_key" not in settings(office)
    with office.database.read() as session:
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "nas:portal_set")
        ).all()
    assert len(noted) == 3 and {one.actor for one in noted} == {"head"}
    assert "key of the console" not in str([one.detail for one in noted])


WRONG = (
    ({"setting-controller": "javascript:alert(1)"}, "controller is an address such as"),
    ({"setting-controller": "http://169.254.169.254/"}, "no gateway has such an address"),
    ({"setting-mode": "nonsense"}, "mode is one of these words: api, legacy, radius"),
    ({"setting-tls_ca": "no certificate"}, "tls_ca is the text of a certificate"),
    ({"setting-tls_pin": "12"}, "tls_pin is the SHA-256 fingerprint"),
    ({"setting-api_key": "x" * 501}, "api_key is one line of at most 500"),
    ({"login_url": "http://a@10.0.0.1/"}, "login-url is an address such as"),
    ({"login_url": "javascript:alert(1)"}, "starts with http:// or https://"),
)


def test_what_cannot_be_is_refused_in_words_and_nothing_is_changed(
    admin: Officer, office: Office, console: str
) -> None:
    for wrong, sentence in WRONG:
        page = admin.follow(console, console, **{"setting-site_id": "u", **wrong})
        assert 'class="flash error"' in page and sentence in page
        assert "Not done" not in page
    assert settings(office) == {}


def test_only_the_settings_of_the_chosen_mode_are_asked_for(admin: Officer, console: str) -> None:
    assert 'id="setting-password"' not in admin.get(console).text
    page = admin.follow(console, console, **{"setting-mode": "legacy"})
    assert 'id="setting-password"' in page and 'id="setting-api_key"' not in page


def test_the_sign_in_address_is_changed(admin: Officer, office: Office, console: str) -> None:
    admin.follow(console, console, login_url="https://10.0.0.2:8843/x")
    with office.database.read() as session:
        assert nas.get(session, "console").login_url == "https://10.0.0.2:8843/x"


def test_pages_for_the_equipment_are_saved_and_never_shown_as_pages_of_ours(
    admin: Officer, office: Office, console: str
) -> None:
    with office.database.write() as session:
        session.scalars(select(NasClient)).one().vendor = "mikrotik"
    page = admin.get(console).text
    assert f'href="{console}/login.html"' in page
    assert "/ip hotspot profile set" in page and "a very long secret" not in page
    file = admin.get(f"{console}/login.html")
    assert file.headers["Content-Disposition"] == 'attachment; filename="login.html"'
    assert file.mimetype == "application/octet-stream"
    assert "$(if chap-id)" in file.text
    assert admin.get(f"{console}/../../etc").status_code == 404


def test_thai_officers_read_it_in_thai(admin: Officer, console: str) -> None:
    page = admin.client.get(console, headers={"Accept-Language": "th"}).text
    assert "ค่าที่ต้องตั้งในอุปกรณ์" in page and "ที่อยู่ของคอนโทรลเลอร์" in page


def test_a_new_controller_gets_no_key_of_the_old_one(
    admin: Officer, office: Office, console: str
) -> None:
    given = {"setting-controller": "https://10.0.0.2", "setting-api_key": "key of the console"}
    admin.follow(console, console, **given)
    page = admin.follow(console, console, **{"setting-controller": "https://10.0.0.3"})
    assert "was taken away: api_key. Enter it anew." in page
    assert settings(office) == {"controller": "https://10.0.0.3"}
    again = {"setting-controller": "https://10.0.0.2", "setting-api_key": "key of the console"}
    assert "taken away" not in admin.follow(console, console, **again)
    assert settings(office)["api_key"] == "key of the console"


def test_a_schools_officer_turns_this_server_on_no_other_machine(
    office: Office, signed_in: Callable[[str], Officer], console: str
) -> None:
    with office.database.write() as session:
        school = roles.add_organisation(session, office, "ALPHA", "โรงเรียนอัลฟา", "test")
        session.flush()
        nas.get(session, "console").organisation_id = school.id
        new = people.NewUser(
            username="admin.alpha",
            full_name="ผู้ดูแลอัลฟา",
            password_hash=office.passwords.hash(seed.OFFICER_PASSWORD),
            role="staff",
            organisation="ALPHA",
            levels=(Level.ADMIN,),
        )
        people.add_user(session, office, new, "test")
    officer = signed_in("admin.alpha")
    for url, sentence in (
        ("http://127.0.0.1:8081", "is an address of this server"),
        ("https://evil.example", "An officer of one school enters the controller"),
        ("https://10.0.0.9", "An officer of one school enters the controller"),
    ):
        assert sentence in officer.follow(console, console, **{"setting-controller": url})
    page = officer.follow(console, console, **{"setting-allow_http": "yes"})
    assert "for the area office to allow" in page
    assert settings(office) == {}
    officer.follow(console, console, **{"setting-controller": "https://10.0.0.2"})
    assert settings(office) == {"controller": "https://10.0.0.2"}


def test_a_router_with_opennds_takes_no_short_key_and_no_level_of_nowhere(
    admin: Officer, office: Office
) -> None:
    with office.database.write() as session:
        row = nas.add_nas(
            session, office, "gate", "10.0.0.3/32", "a very long secret", "test", vendor="opennds"
        )
        session.flush()
        page = f"/nas/{row.id}/gateway"
    assert "faskey has at least 32 characters." in admin.follow(
        page, page, **{"setting-faskey": "12345"}
    )
    assert "level is one of these words: 1, 2, 3, 4" in admin.follow(
        page, page, **{"setting-level": "9"}
    )
    shown = admin.get(page).text
    assert '<select id="setting-level"' in shown and "yuenyan-opennds.conf" in shown
