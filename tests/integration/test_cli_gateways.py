"""`yuenyan nas portal|snippet`: settings of a make, secrets that stay, configuration to copy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from db.models import AuditEvent
from identity.office import Office
from identity.services import nas
from identity.services.nas_portal import portal_settings
from tests.conftest import Site
from yuenyan.checkup.gateways import check_gateways

SECRET = 'a "shared" $ecret'


def add(site: Site, make: str, name: str = "hall") -> None:
    added = site.yuenyan(
        *("nas", "add", name, "10.1.0.7/32", "--vendor", make, "--secret-stdin"),
        stdin=SECRET + "\n",
    )
    assert added.exit_code == 0, added.stderr


def test_settings_are_stored_and_secrets_are_never_shown(site: Site, office: Office) -> None:
    add(site, "unifi")
    done = site.yuenyan(
        *("nas", "portal", "hall", "--set", "controller=https://10.0.0.2", "--set", "site_id=u"),
        *("--secret-stdin", "api_key", "--login-url", "https://10.0.0.2:8843/login"),
        stdin="key of the console\n",
    )
    assert (done.exit_code, done.stdout) == (0, "set hall\n")
    with office.database.read() as session:
        row = nas.get(session, "hall")
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "nas:portal_set")
        ).one()
    assert portal_settings(office, row) == {
        "controller": "https://10.0.0.2",
        "site_id": "u",
        "api_key": "key of the console",
    }
    assert row.login_url == "https://10.0.0.2:8843/login"
    assert "key of the console" not in str(noted.detail)
    shown = site.yuenyan("nas", "portal", "hall")
    listed = json.loads(site.yuenyan("nas", "portal", "hall", "--json").stdout)
    assert listed["settings"]["api_key"] == "set"
    assert listed["tested"] == "fixture"
    assert "key of the console" not in shown.stdout + json.dumps(listed)
    assert b"key of the console" not in (site.data_dir / "yuenyan.db").read_bytes()
    taken = site.yuenyan("nas", "portal", "hall", "--unset", "api_key", "--login-url", "")
    assert taken.exit_code == 0
    with office.database.read() as session:
        row = nas.get(session, "hall")
    assert "api_key" not in portal_settings(office, row) and row.login_url is None


def test_a_changed_controller_takes_the_secrets_along_and_says_which(
    site: Site, office: Office
) -> None:
    add(site, "unifi")
    first = ("--set", "controller=https://10.0.0.2", "--secret-stdin", "api_key")
    site.yuenyan("nas", "portal", "hall", *first, stdin="key of the console\n")
    moved = site.yuenyan("nas", "portal", "hall", "--set", "controller=https://10.0.0.3")
    assert moved.exit_code == 0
    assert "api_key; give them anew with --secret-stdin" in moved.stderr
    with office.database.read() as session:
        found = portal_settings(office, nas.get(session, "hall"))
    assert found == {"controller": "https://10.0.0.3"}


def test_a_controller_with_central_web_authentication_is_told_what_is_still_lacking(
    site: Site,
) -> None:
    add(site, "cisco")
    mode = site.yuenyan("nas", "portal", "hall", "--set", "mode=cwa")
    assert (mode.exit_code, mode.stdout) == (0, "set hall\n")
    assert "redirect_acl, ssids not set" in mode.stderr
    assert "public_url is not set: nobody is sent" in mode.stderr
    given = ("--set", "redirect_acl=CAUGHT", "--set", "ssids= Library ,School")
    assert "not set;" not in site.yuenyan("nas", "portal", "hall", *given).stderr
    listed = json.loads(site.yuenyan("nas", "portal", "hall", "--json").stdout)
    assert listed["settings"]["ssids"] == "Library,School"
    site.yuenyan("nas", "portal", "hall", "--set", "redirect_acl=")
    assert "redirect_acl not set" in site.yuenyan("nas", "snippet", "hall").stderr
    comma = ("--set", 'ssids="Hall, upper",School')
    assert site.yuenyan("nas", "portal", "hall", *comma).exit_code == 0
    assert 'ssids=…`: "Hall, upper",School.' in site.yuenyan("nas", "snippet", "hall").stdout
    open_quote = site.yuenyan("nas", "portal", "hall", "--set", 'ssids="Hall, upper')
    assert open_quote.exit_code == 2 and "double quotes" in open_quote.stderr
    long = site.yuenyan("nas", "portal", "hall", "--set", f"ssids={'n' * 33}")
    assert long.exit_code == 2 and "32 octets" in long.stderr


REFUSED = (
    (("--set", "api_key=x"), "--secret-stdin api_key"),
    (("--set", "nonsense=x"), "has no setting 'nonsense'"),
    (("--set", "mode=other"), "mode is one of: api, legacy, radius"),
    (("--set", "controller=ftp://10.0.0.2"), "https://10.0.0.2:8443"),
    (("--set", "controller=https://a@10.0.0.2"), "https://10.0.0.2:8443"),
    (("--set", "controller=http://169.254.169.254/"), "no gateway is at"),
    (("--set", "controller=http://127.0.0.1:8081"), "[portal] controller_networks"),
    (("--set", "tls_pin=abc"), "64 hex digits"),
    (("--set", "ap_macs=aa"), "3c:22:fb:01:02:03"),
    (("--set", "controller"), "KEY=VALUE"),
    (("--file", "tls_ca=/nowhere.pem"), "cannot be read"),
    (("--login-url", "javascript:alert(1)"), "starts with http:// or https://"),
    (("--login-url", "http://10.0.0.1/;x"), "login-url is an address"),
)


def test_what_cannot_be_a_setting_is_refused_with_advice(site: Site) -> None:
    add(site, "unifi")
    for arguments, advice in REFUSED:
        refused = site.yuenyan("nas", "portal", "hall", *arguments)
        assert (refused.exit_code, advice in refused.stderr) == (2, True), refused.stderr
    assert site.yuenyan("nas", "portal", "nowhere").exit_code == 1


def test_pages_for_the_equipment_are_written_and_the_secret_on_demand(
    site: Site, office: Office, tmp_path: Path
) -> None:
    add(site, "mikrotik")
    folder = tmp_path / "hall"
    folder.mkdir()
    arguments = ("nas", "snippet", "hall", "--out", str(folder), "--with-secret")
    done = site.yuenyan(*arguments)
    assert done.exit_code == 0
    assert "mikrotik: tested with fixtures" in done.stderr
    assert {path.name for path in folder.iterdir()} == {
        *("configuration.txt", "login.html", "alogin.html", "redirect.html")
    }
    text = (folder / "configuration.txt").read_text()
    assert r'secret="a \"shared\" \$ecret"' in text
    assert (folder / "configuration.txt").stat().st_mode & 0o077 == 0
    page = (folder / "login.html").read_text()
    assert "<script" not in page
    assert "/p/hall/?mac=$(mac-esc)&amp;ip=$(ip-esc)" in page and "$(if chap-id)" in page
    with office.database.read() as session:
        shown = select(AuditEvent).where(AuditEvent.action == "nas:secret_shown")
        assert session.scalars(shown).one().target == "hall"
    again = site.yuenyan(*arguments)
    assert (again.exit_code, "is there already" in again.stderr) == (2, True)


def test_doctor_names_gateways_that_hand_nobody_back_or_believe_too_much(
    site: Site, office: Office
) -> None:
    def said(public_url: str = "") -> str:
        portal = office.config.portal.model_copy(update={"public_url": public_url})
        config = office.config.model_copy(update={"portal": portal})
        with office.database.read() as session:
            rows = nas.list_nas(session)
        return " ".join(one.what for one in check_gateways(replace(office, config=config), rows))

    add(site, "coova")
    assert "hall hands nobody back: its sign-in address is not set" in said()
    site.yuenyan("nas", "portal", "hall", "--set", "login=pap")
    assert "hall hands nobody back: its sign-in address is not set" in said()
    assert "nothing proves what hall tells" in said() and "its own address" in said()
    site.yuenyan(
        *("nas", "portal", "hall", "--login-url", "http://10.1.0.1:3990"),
        *("--secret-stdin", "uamsecret"),
        stdin="secret of chilli\n",
    )
    assert said("https://login.school.example") == "1 can hand visitors back"
    site.yuenyan("nas", "set", "hall", "--vendor", "opnsense")
    arguments = ("--set", "allow_http=yes", "--set", "check_address=no")
    site.yuenyan("nas", "portal", "hall", *arguments)
    assert "hands nobody back: controller, api_key, api_secret not set" in said()
    assert "without TLS" in said() and "somebody else" in said()
    told = site.yuenyan("doctor").stdout
    assert "hall hands nobody back" in told and "yuenyan nas portal hall" in told
