"""Levels of officers: at the console, after the migration, and what `doctor` says of them."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from common.config import Config, Lookup
from common.errors import Refused
from db.engine import OPERATOR, Database
from db.migrate import migration_config
from identity.domain.levels import FIRST_OFFICER, Level, in_order
from identity.office import Office
from identity.services import audit, officers, people, roles
from tests.conftest import ADMIN, Site, add_person
from yuenyan.checkup.duties import check_duties
from yuenyan.commands.console import operator


def test_levels_are_granted_listed_and_revoked_on_record(site: Site, office: Office) -> None:
    add_person(office, "somsri")
    assert site.yuenyan("officer", "grant", "somsri", "custodian").stdout == "somsri is custodian\n"
    assert site.yuenyan("officer", "grant", "Somsri", "HELP_DESK").exit_code == 0
    listed = json.loads(site.yuenyan("officer", "list", "--json").stdout)
    held = [(one["username"], one["level"], one["granted_by"]) for one in listed]
    assert held == [
        *((ADMIN, level.value, "command-line") for level in FIRST_OFFICER),
        ("somsri", "custodian", "command-line"),
        ("somsri", "help-desk", "command-line"),
    ]
    shown = json.loads(site.yuenyan("user", "show", "somsri", "--json").stdout)
    assert shown["levels"] == ["custodian", "help-desk"]
    assert "somsri" in site.yuenyan("officer", "list").stdout
    assert site.yuenyan("officer", "revoke", "somsri", "custodian").exit_code == 0
    again = site.yuenyan("officer", "revoke", "somsri", "custodian")
    assert (again.exit_code, "is not custodian" in again.stderr) == (1, True)
    with office.database.read() as session:
        rows = session.execute(
            text("SELECT action FROM audit_event WHERE action LIKE 'officer:%' AND target='somsri'")
        )
        assert [row[0] for row in rows] == [*["officer:granted"] * 2, "officer:revoked"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("grant", "nobody", "admin"), 1, "no account"),
        (("grant", ADMIN, "emperor"), 2, "custodian"),
        (("revoke", ADMIN, "admin"), 1, "only administrator"),
        (("grant", ADMIN, "school"), 1, "no organisation"),
    ],
)
def test_what_makes_no_sense_is_refused(
    site: Site, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = site.yuenyan("officer", *arguments)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr


def test_a_school_officer_needs_a_school_and_a_device_is_no_officer(office: Office) -> None:
    add_person(office, "kru")
    with office.database.write() as session:
        school = roles.add_organisation(session, office, "1001", "โรงเรียน", "test")
        session.flush()
        people.get(session, "kru").organisation_id = school.id
        officers.grant(session, office, "kru", Level.SCHOOL, "test")
        account = people.get(session, "kru")
        account.kind = "guest"
        with pytest.raises(Refused, match="only people"):
            officers.give(session, office, account, Level.AUDITOR, "test")
        session.rollback()


def test_doctor_names_who_administers_and_reads_and_who_can_unlock(
    site: Site, office: Office
) -> None:
    def told(config: Config) -> str:
        with office.database.read() as session:
            return "\n".join(f"{one.level} {one.what}" for one in check_duties(config, session))

    strict = site.config.model_copy(update={"lookup": Lookup(second_person=True)})
    assert f"{ADMIN}: administrator, and reads identified logs too" in told(site.config)
    assert "fewer than two officers can approve" in told(strict)
    add_person(office, "somsri")
    with office.database.write() as session:
        for level in (Level.CUSTODIAN, Level.COORDINATOR):
            officers.grant(session, office, "somsri", level, "test")
    assert "fewer than two" not in told(strict)
    with office.database.write() as session:
        for level in (Level.CUSTODIAN, Level.COORDINATOR):
            officers.revoke(session, office, ADMIN, level, "test")
    assert "no administrator reads identified logs" in told(site.config)
    with office.database.write() as session:
        for level in (Level.CUSTODIAN, Level.COORDINATOR):
            officers.revoke(session, office, "somsri", level, "test")
    assert "nobody in the admin portal can see the names" in told(site.config)


def test_doctor_says_when_nobody_sees_all_and_when_one_person_made_the_others(
    site: Site, office: Office
) -> None:
    config = site.config.model_copy(update={"lookup": Lookup(second_person=True)})

    def told() -> str:
        with office.database.read() as session:
            return "\n".join(f"{one.level} {one.what}" for one in check_duties(config, session))

    add_person(office, "somsri")
    with office.database.write() as session:
        officers.grant(session, office, "somsri", Level.CUSTODIAN, ADMIN)
    assert f"warn nobody can agree to what {ADMIN} asks" in told()
    assert "sees every organisation" not in told()
    with office.database.write() as session:
        officers.revoke(session, office, "somsri", Level.CUSTODIAN, "test")
        officers.grant(session, office, "somsri", Level.CUSTODIAN, "test")
        for code in ("AREA", "1001"):
            roles.add_organisation(session, office, code, code, "test")
        session.flush()
        area = roles.get_organisation(session, "AREA").id
        for name in (ADMIN, "somsri"):
            people.get(session, name).organisation_id = area
    assert "nobody can agree" not in told()
    assert "error no active admin or custodian or coordinator sees every" in told()
    with office.database.write() as session:
        roles.add_organisation(session, office, "1001", "1001", "test", parent="AREA")
    assert "sees every organisation" not in told()


def _upgrade(database: Database, revision: str) -> None:
    configured = migration_config(database.url)
    with database.engine.connect() as connection:
        configured.attributes["connection"] = connection
        command.upgrade(configured, revision)
        connection.commit()


def test_an_administrator_of_before_keeps_everything_that_worked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    database = Database(url)
    _upgrade(database, "0012")
    with database.write() as session:
        session.execute(text("INSERT INTO role (id, name, for_guests) VALUES (1, 'staff', 0)"))
        session.execute(
            text(
                "INSERT INTO person (id, full_name, proofing_method, proofed_by, proofed_at,"
                " created_at) VALUES (1, 'x', 'operator', 'x', 1, 1)"
            )
        )
        for number, level in enumerate(("'admin'", "'approver'", "'auditor'", "NULL"), 1):
            session.execute(
                text(
                    "INSERT INTO account (id, username, kind, state, person_id, role_id,"
                    f" admin_level, created_at) VALUES ({number}, 'a{number}', 'person', 'active',"
                    f" 1, 1, {level}, 5)"
                )
            )
    _upgrade(database, "head")
    with database.read() as session:
        found = {number: officers.levels_of(session, number) for number in range(1, 5)}
    database.dispose()
    assert found == {1: FIRST_OFFICER, 2: (Level.APPROVER,), 3: (Level.AUDITOR,), 4: ()}


def test_the_operator_is_who_the_kernel_says() -> None:
    who = operator()
    assert who.runs_as == pwd.getpwuid(os.getuid()).pw_name
    assert who.name == (who.sudo_user or who.logged_in or who.runs_as)


@pytest.mark.parametrize(
    ("login", "uid", "said", "name"),
    [
        pytest.param(f"{2**32 - 1}", 0, "nobody", "nobody", id="root of a container, by sudo"),
        pytest.param("0", 0, "nobody", "nobody", id="root logged in, then sudo"),
        pytest.param("0", 0, "no-such-account", "root", id="somebody unknown is nobody"),
        pytest.param("0", 0, "root", "root", id="root by sudo is root"),
        pytest.param("1", 0, "nobody", "daemon", id="the kernel knows better"),
        pytest.param("0", 1, "nobody", "root", id="who is not root has not come by sudo"),
    ],
)
def test_root_is_who_sudo_says_where_the_kernel_knows_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, login: str, uid: int, said: str, name: str
) -> None:
    (tmp_path / "loginuid").write_text(login)
    monkeypatch.setattr("yuenyan.commands.console._LOGIN", str(tmp_path / "loginuid"))
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setenv("SUDO_USER", said)
    assert pwd.getpwuid(1).pw_name == "daemon"
    who = operator()
    assert who.name == name
    assert who.noted.get("sudo_user") == (name if name == said != "root" else None)


@pytest.mark.parametrize("said", [None, ""])
def test_nobody_is_looked_up_where_sudo_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str | None
) -> None:
    """A name that no file holds is asked of every source of names, which are loaded for it."""
    (tmp_path / "loginuid").write_text(f"{2**32 - 1}")
    monkeypatch.setattr("yuenyan.commands.console._LOGIN", str(tmp_path / "loginuid"))
    monkeypatch.setattr(os, "getuid", lambda: 0)
    monkeypatch.delenv("SUDO_USER", raising=False)
    if said is not None:
        monkeypatch.setenv("SUDO_USER", said)
    asked: list[str] = []
    monkeypatch.setattr(pwd, "getpwnam", asked.append)
    assert operator().sudo_user is None
    assert asked == []


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (("token", "create", ADMIN, "--name", "w", "--level", "admin"), "token:created"),
        (("officer", "grant", "somsri", "approver"), "officer:granted"),
        (("user", "disable", "somsri"), "account:suspended"),
    ],
)
def test_what_is_done_at_the_console_names_who_has_the_shell(
    site: Site,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    action: str,
) -> None:
    add_person(office, "somsri")
    (tmp_path / "loginuid").write_text("1")
    monkeypatch.setattr("yuenyan.commands.console._LOGIN", str(tmp_path / "loginuid"))
    assert site.yuenyan(*arguments).exit_code == 0
    with office.database.read() as session:
        actor, detail = session.execute(
            text("SELECT actor, detail FROM audit_event WHERE action = :action ORDER BY id DESC"),
            {"action": action},
        ).fetchmany(1)[0]
    assert actor == "command-line"
    told = json.loads(detail)
    assert (told["os_user"], told["login_user"]) == (pwd.getpwuid(os.getuid()).pw_name, "daemon")


def test_what_is_done_on_a_page_says_nothing_of_the_machines_accounts(office: Office) -> None:
    database = Database(office.database.url, {OPERATOR: {"os_user": "yuenyan"}})
    with database.write() as session:
        audit.record(session, office.clock(), ADMIN, "page:done", "x")
        audit.record(session, office.clock(), audit.CONSOLE, "console:done", "x", os_user="own")
    database.dispose()
    with office.database.read() as session:
        told = session.execute(
            text("SELECT action, detail FROM audit_event WHERE target = 'x' ORDER BY id")
        ).all()
    assert [(action, json.loads(detail)) for action, detail in told] == [
        ("page:done", {}),
        ("console:done", {"os_user": "own"}),
    ]


def test_levels_are_in_one_order_and_strangers_are_left_out() -> None:
    assert in_order(["executive", "admin", "emperor"]) == (Level.ADMIN, Level.EXECUTIVE)


@pytest.mark.parametrize(
    ("arguments", "action", "target"),
    [
        (("session", "list", "--user", "somsri", "--json"), "sessions:searched", "somsri"),
        (("login", "list", "--json"), "logins:searched", "*"),
        (("login", "why", "somsri"), "login:read", "somsri"),
        (("user", "list"), "people:searched", "*"),
        (("user", "show", "somsri"), "person:read", "somsri"),
    ],
)
def test_what_is_read_of_people_at_the_console_is_on_record(
    site: Site, office: Office, arguments: tuple[str, ...], action: str, target: str
) -> None:
    add_person(office, "somsri")
    site.yuenyan(*arguments)
    with office.database.read() as session:
        (event,) = session.execute(
            text("SELECT actor, target, detail FROM audit_event WHERE action = :action"),
            {"action": action},
        )
    assert event[:2] == ("command-line", target)
    assert json.loads(event[2])["os_user"]
