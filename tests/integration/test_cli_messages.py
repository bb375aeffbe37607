"""`yuenyan message`, `yuenyan role registration`, and what doctor says about them."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from common.clock import utc_now
from db.models import Message
from identity.office import Office
from identity.services import hosts
from identity.services.messages import PURPOSE
from tests.conftest import ADMIN, Site


def add_message(office: Office, state: str, error: str | None = None) -> int:
    now = utc_now()
    with office.database.write() as session:
        message = Message(
            channel="mail",
            recipient="visitor@home.example",
            about="registration ABCD2345",
            content_encrypted=office.vault.encrypt(b'{"subject": "s", "body": "654321"}', PURPOSE),
            state=state,
            created_at=now,
            next_try_at=now,
            expires_at=now + timedelta(hours=1),
            attempts=1,
            last_error=error,
        )
        session.add(message)
        session.flush()
        return message.id


def test_messages_are_listed_and_tried_again(site: Site, office: Office) -> None:
    failed = add_message(office, "failed", "550 no such user")
    sent = add_message(office, "sent")
    listed = json.loads(site.yuenyan("message", "list", "--json").stdout)
    assert [(row["id"], row["state"]) for row in listed] == [(sent, "sent"), (failed, "failed")]
    shown = site.yuenyan("message", "list", "--state", "failed").stdout
    assert "550 no such user" in shown and "654321" not in shown
    assert "registration ABCD-2345" in shown
    for typed, count in (("ABCD-2345", 2), ("abcd2345", 2), ("visitor@", 2), ("ABCD-2346", 0)):
        about = json.loads(site.yuenyan("message", "list", "--json", "--about", typed).stdout)
        assert len(about) == count, typed
    assert "654321" not in json.dumps(listed)
    assert site.yuenyan("message", "retry", str(failed)).exit_code == 0
    assert site.yuenyan("message", "retry", str(sent)).exit_code == 1
    assert site.yuenyan("message", "retry", "4711").exit_code == 1
    assert json.loads(site.yuenyan("message", "list", "--json").stdout)[1]["state"] == "waiting"


def doctor(site: Site, check: str) -> list[str]:
    found = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
    return [f"{one['level']} {one['what']}" for one in found if one["check"] == check]


def test_doctor_tells_of_messages_that_failed_and_of_ways_that_cannot_work(
    site: Site, office: Office
) -> None:
    assert doctor(site, "messages") == ["ok none failed, none waits for long"]
    add_message(office, "failed", "550 no such user")
    assert any("1 of the last day did not arrive" in one for one in doctor(site, "messages"))
    made = site.yuenyan(
        "role", "registration", "guest", "--way", "mail-code", "--answerable", ADMIN
    )
    assert made.exit_code == 0 and "set [mail] host" in made.stderr
    assert any("no server takes it" in one for one in doctor(site, "registration"))


def test_a_role_is_opened_from_the_command_line(site: Site) -> None:
    refused = site.yuenyan("role", "registration", "guest", "--way", "sms-code")
    assert refused.exit_code == 1 and "--answerable" in refused.stderr
    assert site.yuenyan("role", "registration", "--way", "roster").exit_code == 2
    assert site.yuenyan("role", "registration", "emperor", "--way", "roster").exit_code == 1
    done = site.yuenyan(
        "role", "registration", "guest", "--way", "sponsor", "--answerable", ADMIN, "--minutes", "5"
    )
    assert done.exit_code == 0
    assert site.yuenyan("role", "registration", "staff", "--may-sponsor").exit_code == 0
    listed = {
        row["role"]: row
        for row in json.loads(site.yuenyan("role", "registration", "--json").stdout)
    }
    assert listed["guest"] == {
        "role": "guest",
        "way": "sponsor",
        "approval": False,
        "minutes": 5,
        "answerable": ADMIN,
        "may_sponsor": False,
    }
    assert listed["staff"]["may_sponsor"] and listed["staff"]["way"] == "closed"
    assert "sponsor" in site.yuenyan("role", "registration", "guest").stdout


def test_a_host_gets_a_mailbox_from_the_command_line(site: Site, office: Office) -> None:
    assert site.yuenyan("user", "contact", ADMIN, "Head@School.example").exit_code == 0
    with office.database.write() as session:
        host = hosts.find_host(session, office, "head@school.example")
        assert host is not None and host.username == ADMIN
        assert hosts.mailbox_of(host) == "Head@school.example"
    assert site.yuenyan("user", "contact", ADMIN, "a@b.example, c@d.example").exit_code == 2
    assert site.yuenyan("user", "contact", "nobody", "a@b.example").exit_code == 1
    assert site.yuenyan("user", "contact", ADMIN, "").exit_code == 0
    with office.database.write() as session:
        assert hosts.find_host(session, office, "head@school.example") is None


def test_a_roster_without_passwords_waits_for_its_people(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        "username,full_name,role,person_code,class_name,birth_date,contact\n"
        "s1001,มานี ใจดี,student,1001,ม.2/1,31/12/2552,\n"
        "s1002,ปิติ,student,1002,ม.2/1,yesterday,\n",
        encoding="utf-8",
    )
    result = site.yuenyan("user", "import", str(path))
    assert "1 added" in result.stdout or "added 1" in result.stdout, result.stdout
    assert "is no birth date" in result.stdout + result.stderr
    shown = json.loads(site.yuenyan("user", "show", "s1001", "--json").stdout)
    assert shown["has_password"] is False
    for file in site.data_dir.glob("yuenyan.db*"):
        assert b"2009-12-31" not in file.read_bytes()
