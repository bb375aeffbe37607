"""`yuenyan nas|voucher|session|doctor|init`: what they do, say and exit with."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.clock import utc_now
from db.models import NasClient, NetworkSession, UnknownNas
from identity.domain.access import Granted
from identity.domain.admission import find_code
from identity.office import Office
from identity.services import login, nas
from tests.conftest import ADMIN, ADMIN_PASSWORD, Site, add_person, free_port, run_command
from yuenyan.checkup.machine import clock_state
from yuenyan.checkup.ports import find_holder


def _json(site: Site, *arguments: str) -> Any:
    result = site.yuenyan(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def _add_nas(site: Site, name: str = "ap1", prefix: str = "10.1.0.0/24") -> None:
    result = site.yuenyan("nas", "add", name, prefix, "--secret-stdin", stdin="a" * 20 + "\n")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_nas_is_added_listed_and_its_secret_never_shown(site_on: Site) -> None:
    secret = "a long enough secret"
    added = site_on.yuenyan(
        *("nas", "add", "ap1", "10.1.0.7/32", "--secret-stdin", "--vendor", "mikrotik"),
        "--allow-missing-message-authenticator",
        stdin=secret + "\n",
    )
    assert (added.exit_code, added.stdout) == (0, "added ap1 10.1.0.7/32\n")
    (listed,) = _json(site_on, "nas", "list")
    assert listed["prefix"] == "10.1.0.7/32"
    assert listed["vendor"] == "mikrotik"
    assert listed["require_message_authenticator"] is False
    assert secret not in json.dumps(listed) + site_on.yuenyan("nas", "list").stdout
    assert secret.encode() not in (site_on.data_dir / "yuenyan.db").read_bytes()


def test_a_secret_can_be_replaced(site: Site, office: Office) -> None:
    _add_nas(site)
    changed = site.yuenyan("nas", "secret", "ap1", "--secret-stdin", stdin="short\n")
    assert changed.exit_code == 0
    assert "fewer than 16 octets" in changed.stderr
    with office.database.read() as session:
        assert nas.secret_of(office, nas.get(session, "ap1")) == b"short"


def test_a_nas_that_was_heard_is_kept_disabled_and_can_come_back(
    site: Site, office: Office
) -> None:
    _add_nas(site, "fresh", "10.2.0.0/24")
    assert site.yuenyan("nas", "remove", "fresh").stdout == "removed fresh\n"
    _add_nas(site)
    with office.database.write() as session:
        nas.get(session, "ap1").last_seen_at = utc_now()
    assert "disabled ap1" in site.yuenyan("nas", "remove", "ap1").stdout
    (listed,) = _json(site, "nas", "list")
    assert (listed["name"], listed["enabled"]) == ("ap1", False)
    assert site.yuenyan("nas", "enable", "ap1").exit_code == 0
    assert _json(site, "nas", "list")[0]["enabled"] is True


@pytest.mark.parametrize(
    ("arguments", "stdin", "exit_code", "sentence"),
    [
        (("nas", "add", "x", "10.1.0.7/24", "--secret-stdin"), "s\n", 2, "not a network prefix"),
        (("nas", "add", "x", "10.1.0.0/24"), "", 2, "--secret-stdin"),
        (("nas", "add", "x", "10.1.0.0/24", "--secret-stdin"), "", 2, "shared secret"),
        (("nas", "remove", "x"), "", 1, "there is no NAS 'x'"),
        (("voucher", "create", "--count", "0"), "", 2, "must be 1..2000"),
        (("voucher", "create"), "", 2, "--count"),
        (("voucher", "create", "--count", "1", "--role", "no"), "", 1, "no role 'no'"),
        (("voucher", "create", "--count", "1", "--issuer", "no"), "", 1, "no account 'no'"),
        (("voucher", "revoke", "7"), "", 1, "there is no sheet 7"),
        (("session", "list", "--user", "nobody"), "", 1, "no account 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_the_right_exit_code(
    site: Site, arguments: tuple[str, ...], stdin: str, exit_code: int, sentence: str
) -> None:
    result = site.yuenyan(*arguments, stdin=stdin)
    assert result.exit_code == exit_code
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_unregistered_senders_are_listed(site: Site, office: Office) -> None:
    seen = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    with office.database.write() as session:
        session.add(
            UnknownNas(address="10.9.9.9", first_seen_at=seen, last_seen_at=seen, datagrams=3)
        )
    assert _json(site, "nas", "list", "--unknown") == [
        {
            "address": "10.9.9.9",
            "first_seen_at": "2026-11-22T10:00:00+07:00",
            "last_seen_at": "2026-11-22T10:00:00+07:00",
            "datagrams": 3,
        }
    ]
    assert "10.9.9.9" in site.yuenyan("nas", "list", "--unknown").stdout


def test_vouchers_are_issued_used_counted_and_revoked(site: Site, office: Office) -> None:
    made = _json(site, "voucher", "create", "--count", "3", "--minutes", "60", "--devices", "2")
    assert (made["role"], made["issuer"], made["minutes"]) == ("guest", ADMIN, 60)
    assert len(set(made["codes"])) == 3
    code = find_code(made["codes"][0])
    assert code is not None
    assert isinstance(login.check_voucher(office, code, None), Granted)
    (sheet,) = _json(site, "voucher", "list")
    assert (sheet["unused"], sheet["active"], sheet["revoked"]) == (2, 1, 0)
    assert site.yuenyan("voucher", "revoke", str(made["batch"])).stdout == "revoked 3 codes\n"
    assert not isinstance(login.check_voucher(office, code, None), Granted)
    assert "guest" in site.yuenyan("voucher", "list").stdout


def test_vouchers_are_printed_one_a_line(site: Site) -> None:
    lines = site.yuenyan("voucher", "create", "--count", "5").stdout.split()
    assert len({find_code(line) for line in lines} - {None}) == 5


def test_sessions_are_listed_for_people_and_for_scripts(site: Site, office: Office) -> None:
    _add_nas(site)
    number = add_person(office, "somchai")
    start = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    with office.database.write() as session:
        client = session.get_one(NasClient, nas.get(session, "ap1").id)
        for key, stop in (("open", 0), ("over", 1)):
            session.add(
                NetworkSession(
                    session_key=key,
                    nas_client_id=client.id,
                    nas_identity="ap1",
                    acct_session_id=key,
                    user_name="somchai",
                    account_id=number,
                    calling_station_id="3c22fb010203",
                    started_at=start,
                    last_heard_at=start + timedelta(seconds=60),
                    session_seconds=60,
                    stop_seen=stop,
                    stop_at=start + timedelta(seconds=60) if stop else None,
                    input_octets=10,
                    output_octets=20,
                )
            )
    (active,) = _json(site, "session", "list", "--active", "--user", "somchai")
    assert active == {
        "session_id": "open",
        "account": "somchai",
        "full_name": "somchai",
        "user_name": "somchai",
        "mac": "3c:22:fb:01:02:03",
        "nas": "ap1",
        "called_station_id": None,
        "addresses": [],
        "from": "2026-11-22T10:00:00+07:00",
        "to": None,
        "active": True,
        "last_heard_at": "2026-11-22T10:01:00+07:00",
        "session_seconds": 60,
        "input_octets": 10,
        "output_octets": 20,
        "terminate_cause": None,
        "close_cause": None,
        "known_by": "accounting",
    }
    assert len(_json(site, "session", "list")) == 2
    assert _json(site, "session", "list", "--user", ADMIN) == []
    headings, *rows = site.yuenyan("session", "list").stdout.splitlines()
    assert headings.split()[-1] == "session"
    assert {row.split()[-1] for row in rows} == {"open", "over"}
    assert all("3c:22:fb:01:02:03" in row for row in rows)


def test_init_may_be_repeated(site: Site) -> None:
    before = (site.data_dir / "keys" / "vault.key").read_bytes()
    again = site.yuenyan("init", "--admin", ADMIN, "--admin-password-stdin", stdin="other one\n")
    assert (again.exit_code, again.stdout) == (0, f"ready: {site.data_dir}\n")
    assert (site.data_dir / "keys" / "vault.key").read_bytes() == before


def test_init_needs_name_and_password_together(site: Site) -> None:
    assert site.yuenyan("init", "--admin", "x").exit_code == 2
    assert site.yuenyan("init", "--admin-password-stdin").exit_code == 2


def _findings(site: Site) -> dict[str, dict[str, str]]:
    result = site.yuenyan("doctor", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == (1 if found["error"] else 0)
    return {finding["check"]: finding for finding in found["findings"]}


def test_doctor_finds_nothing_wrong_with_a_new_site(site_on: Site) -> None:
    result = site_on.yuenyan("doctor")
    assert result.exit_code == 0, result.stdout
    assert result.stdout.splitlines()[-1].startswith("0 errors")
    assert "no NAS is registered" in result.stdout


def test_doctor_says_what_is_wrong_and_what_to_do(site: Site, office: Office) -> None:
    (site.data_dir / "keys" / "seal.key").chmod(0o644)
    (site.data_dir / "ca" / "server.pem").write_text("no certificate")
    site.yuenyan("user", "disable", ADMIN)
    _add_nas(site)
    findings = _findings(site)
    assert findings["key seal.key"]["level"] == "error"
    assert "chmod 600" in findings["key seal.key"]["what"]
    assert findings["certificate server.pem"]["level"] == "error"
    assert findings["administrators"]["level"] == "error"
    assert findings["equipment"] == {
        "level": "ok",
        "check": "equipment",
        "what": "1 registered",
        "todo": "",
    }


def test_doctor_notices_a_key_of_another_site(site: Site) -> None:
    _add_nas(site)
    (site.data_dir / "keys" / "vault.key").write_text("0" * 64)
    finding = _findings(site)["equipment"]
    assert finding["level"] == "error"
    assert "does not belong to this database" in finding["what"]


def test_doctor_names_who_holds_a_port(site: Site) -> None:
    port = free_port()
    text = site.config_file.read_text().replace(
        '[portal]\nlisten = "127.0.0.1:0"', f'[portal]\nlisten = "127.0.0.1:{port}"'
    )
    site.config_file.write_text(text)
    assert _findings(site)[f"portal.listen 127.0.0.1:{port}"]["what"] == "free"
    with socket.create_server(("127.0.0.1", port)):
        held = _findings(site)[f"portal.listen 127.0.0.1:{port}"]
        holder = find_holder(port, "tcp")
    assert held["what"].startswith("in use by")
    assert holder is not None


def test_doctor_before_init_changes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "yuenyan.toml"
    config.write_text(f'[site]\ndata_dir = "{tmp_path / "var"}"\n', encoding="utf-8")
    result = run_command("--config", str(config), "doctor")
    assert result.exit_code == 1
    assert "run: yuenyan init" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == [config.name]


def test_doctor_warns_of_the_first_password_lying_about(site: Site) -> None:
    (site.data_dir / "first-admin.txt").write_text(f"password: {ADMIN_PASSWORD}\n")
    result = site.yuenyan("doctor")
    assert "still holds the first password" in result.stdout
    assert ADMIN_PASSWORD not in result.stdout


def test_the_kernel_tells_the_state_of_the_clock() -> None:
    state = clock_state()
    assert state is not None
    assert 0 <= state[1] < 3600
