"""`yuenyan user|device|org|role`: what they do, say and exit with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from identity.domain.access import Granted
from identity.office import Office
from identity.services import login
from tests.conftest import ADMIN, Site, run_command

_HEAD = "username,password,full_name,role,org,person_code,class_name,expires_at\n"


def _show(site: Site, name: str) -> dict[str, Any]:
    result = site.yuenyan("user", "show", name, "--json")
    assert result.exit_code == 0, result.stderr
    shown: dict[str, Any] = json.loads(result.stdout)
    return shown


def _add(site: Site, name: str, *options: str, password: str = "long enough") -> None:
    result = site.yuenyan("user", "add", name, "--password-stdin", *options, stdin=password + "\n")
    assert (result.exit_code, result.stdout) == (0, f"added {name}\n"), result.stderr


def test_a_person_is_added_shown_disabled_and_enabled(site_on: Site) -> None:
    assert site_on.yuenyan("org", "add", "1001", "โรงเรียนบ้านหนองบัว").exit_code == 0
    _add(
        site_on,
        "somchai",
        *("--role", "staff", "--org", "1001", "--full-name", "สมชาย ใจดี"),
        *("--expires-at", "2570-03-31", "--admin-level", "approver"),
    )
    shown = _show(site_on, "somchai")
    assert shown == {
        "username": "somchai",
        "kind": "person",
        "state": "active",
        "origin": None,
        "full_name": "สมชาย ใจดี",
        "role": "staff",
        "org": "1001",
        "person_code": None,
        "class_name": None,
        "sponsor": None,
        "owner": None,
        "admin_level": "approver",
        "levels": ["approver"],
        "expires_at": "2027-03-31T17:00:00+00:00",
        "created_at": shown["created_at"],
        "proofing": {"method": "operator", "by": "command-line", "at": shown["created_at"]},
        "has_password": True,
        "must_change_password": False,
        "recoverable": {"kept": "none", "wanted": "none"},
    }
    readable = site_on.yuenyan("user", "show", "somchai").stdout
    assert "สมชาย ใจดี" in readable
    assert "argon2" not in readable + json.dumps(shown)

    assert site_on.yuenyan("user", "disable", "Somchai").exit_code == 0
    assert _show(site_on, "somchai")["state"] == "suspended"
    assert site_on.yuenyan("user", "enable", "somchai").exit_code == 0
    assert _show(site_on, "somchai")["state"] == "active"


def test_what_is_kept_of_a_password_is_shown_in_words(site: Site) -> None:
    def shown() -> str:
        lines = site.yuenyan("user", "show", "somchai").stdout.splitlines()
        (line,) = (line for line in lines if line.startswith("recoverable"))
        return line.removeprefix("recoverable").strip()

    _add(site, "somchai")
    assert shown() == "none"
    site.yuenyan("user", "recoverable", "somchai", "nt-hash")
    assert shown() == "none (wanted: nt-hash)"


def test_a_changed_password_is_the_one_that_counts(site: Site, office: Office) -> None:
    _add(site, "somchai", password="the old one")
    changed = site.yuenyan("user", "password", "somchai", "--password-stdin", stdin="the new one\n")
    assert changed.exit_code == 0
    assert isinstance(login.check_password(office, "somchai", "the new one"), Granted)
    assert not isinstance(login.check_password(office, "somchai", "the old one"), Granted)


def test_a_short_password_is_taken_with_a_warning_but_not_for_administrators(site: Site) -> None:
    short = site.yuenyan("user", "add", "pupil", "--password-stdin", stdin="1234\n")
    assert short.exit_code == 0
    assert "fewer than 8 characters" in short.stderr
    admin = site.yuenyan(
        *("user", "add", "boss", "--password-stdin", "--admin-level", "admin"), stdin="1234\n"
    )
    assert admin.exit_code == 2
    assert "at least 8 characters" in admin.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("user", "show", "nobody"), 1, "there is no account 'nobody'"),
        (("user", "disable", "nobody"), 1, "there is no account 'nobody'"),
        (("user", "add", "x"), 2, "--password-stdin"),
        (("user", "add", "x", "--password-stdin"), 2, "on standard input"),
        (("user", "add", "x", "--recoverable", "md4"), 2, "md4"),
        (("user", "import", "none.csv"), 2, "none.csv"),
        (("user", "add", "x", "--nonsense"), 2, "--nonsense"),
        (("nonsense",), 2, "nonsense"),
        (("device", "add", "xyz", "--owner", ADMIN), 2, "not a MAC address"),
        (("device", "add", "3c:22:fb:01:02:03", "--owner", "nobody"), 1, "no account 'nobody'"),
        (("role", "set", "staff", "--vlan", "5000"), 2, "--vlan must be 1..4094"),
        (("role", "set", "staff", "--vlan", "5", "--no-limit", "vlan"), 2, "not both"),
        (("user", "list", "--org", "none"), 1, "there is no organisation 'none'"),
        (("user", "list", "--role", "none"), 1, "there is no role 'none'"),
        (("user", "expiry", ADMIN, "soon"), 2, "is not a time"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_the_right_exit_code(
    site: Site, arguments: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    result = site.yuenyan(*arguments)
    assert result.exit_code == exit_code
    assert sentence in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_a_name_that_is_taken_is_refused(site: Site) -> None:
    result = site.yuenyan("user", "add", "HEAD", "--password-stdin", stdin="long enough\n")
    assert result.exit_code == 1
    assert "already an account 'head'" in result.stderr


def test_a_roster_is_tried_imported_and_updated(site_on: Site, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(
        _HEAD.strip()
        + ",ศาสนา\nu1,pass1,หนึ่ง,student,,c1,m1,,พุทธ\nu2,pass2,สอง,nobody,,c2,m1,,พุทธ\n",
        encoding="tis-620",
    )
    tried = site_on.yuenyan("user", "import", str(roster), "--dry-run")
    assert (tried.exit_code, tried.stdout) == (1, "would import 1; bad 1\n")
    assert site_on.yuenyan("user", "show", "u1").exit_code == 1

    done = site_on.yuenyan("user", "import", str(roster))
    assert (done.exit_code, done.stdout) == (1, "added 1, updated 0, bad 1\n")
    assert "row 3: u2: there is no role 'nobody'" in done.stderr
    assert "column 'ศาสนา' is not kept (2 filled cells dropped)" in done.stderr
    assert "1 password has fewer than 8 characters" in done.stderr
    assert "พุทธ" not in done.stdout + done.stderr
    assert _show(site_on, "u1")["proofing"]["method"] == "roster"

    roster.write_text(_HEAD + "u1,,ใหม่,,,,m2,\n", encoding="utf-8-sig")
    again = json.loads(site_on.yuenyan("user", "import", str(roster), "--json").stdout)
    assert again["bad"] == [
        {"row": 2, "username": "u1", "reason": "already exists; --update changes it"}
    ]
    updated = site_on.yuenyan("user", "import", str(roster), "--update", "--json")
    assert updated.exit_code == 0
    assert json.loads(updated.stdout) == {
        "dry_run": False,
        "encoding": "utf-8",
        "good": 1,
        "added": 0,
        "updated": 1,
        "short_passwords": 0,
        "dropped_columns": {},
        "bad": [],
    }
    assert (_show(site_on, "u1")["full_name"], _show(site_on, "u1")["class_name"]) == ("ใหม่", "m2")


def test_an_account_that_is_over_needs_more_time_before_it_is_enabled(site: Site) -> None:
    _add(site, "somchai", "--expires-at", "2020-01-01")
    refused = site.yuenyan("user", "enable", "somchai")
    assert refused.exit_code == 1
    assert "set a later expiry first" in refused.stderr
    assert "never" in site.yuenyan("user", "expiry", "somchai", "never").stdout
    assert site.yuenyan("user", "enable", "somchai").exit_code == 0


def test_accounts_are_listed_by_role_state_and_school(site: Site) -> None:
    site.yuenyan("org", "add", "1001", "School")
    _add(site, "somchai", "--org", "1001")
    _add(site, "somsri", "--role", "staff")
    site.yuenyan("user", "disable", "somsri")

    def names(*options: str) -> list[str]:
        listed = json.loads(site.yuenyan("user", "list", "--json", *options).stdout)
        return [account["username"] for account in listed]

    assert names() == ["head", "somchai", "somsri"]
    assert names("--org", "1001") == ["somchai"]
    assert names("--role", "staff") == ["head", "somsri"]
    assert names("--state", "suspended") == ["somsri"]
    table = site.yuenyan("user", "list").stdout.splitlines()
    assert table[0].split() == ["user", "name", "kind", "state", "role", "org", "admin", "expires"]
    assert len(table) == 4


def test_a_device_has_an_owner_and_is_found_by_any_spelling(site: Site) -> None:
    added = site.yuenyan("device", "add", "3C-22-FB-01-02-03", "--owner", ADMIN)
    assert (added.exit_code, added.stdout) == (0, "added 3c:22:fb:01:02:03\n")
    assert _show(site, "3c22.fb01.0203")["owner"] == ADMIN
    assert json.loads(site.yuenyan("device", "list", "--json").stdout) == [
        {
            "mac": "3c:22:fb:01:02:03",
            "state": "active",
            "role": "device",
            "owner": ADMIN,
            "expires_at": None,
        }
    ]
    assert "3c:22:fb:01:02:03" in site.yuenyan("device", "list").stdout
    assert site.yuenyan("user", "disable", "3c:22:fb:01:02:03").exit_code == 0


def test_a_role_keeps_what_is_not_given_and_loses_what_is_taken_away(site: Site) -> None:
    assert (
        site.yuenyan("role", "set", "staff", "--vlan", "20", "--down-kbps", "5000").exit_code == 0
    )
    assert site.yuenyan("role", "set", "staff", "--no-limit", "simultaneous").exit_code == 0

    def roles() -> dict[str, dict[str, Any]]:
        listed = json.loads(site.yuenyan("role", "list", "--json").stdout)
        return {role["name"]: role for role in listed}

    staff = roles()["staff"]
    assert (staff["vlan"], staff["down_kbps"], staff["simultaneous"]) == (20, 5000, None)
    made = site.yuenyan("role", "set", "club", "--session-seconds", "3600")
    assert made.stdout == "made role club\n"
    assert site.yuenyan("role", "set", "club").stdout == "changed club\n"
    assert roles()["club"]["session_seconds"] == 3600
    assert "club" in site.yuenyan("role", "list").stdout


@pytest.mark.parametrize("name", ["", "two words", "student,", "role=staff", "x" * 61, "a\tb"])
def test_what_is_no_name_makes_no_role(site: Site, name: str) -> None:
    refused = site.yuenyan("role", "set", name)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "is no role name" in refused.stderr
    assert len(json.loads(site.yuenyan("role", "list", "--json").stdout)) == 4


@pytest.mark.parametrize("name", ["ผู้ปกครอง", "class-4_2", "Élèves"])
def test_a_role_has_a_name_of_letters_of_any_language(site: Site, name: str) -> None:
    assert site.yuenyan("role", "set", name).stdout == f"made role {name}\n"


def test_organisations_are_listed_with_their_people(site: Site) -> None:
    site.yuenyan("org", "add", "1001", "Old name")
    site.yuenyan("org", "add", "1001", "New name")
    _add(site, "somchai", "--org", "1001")
    assert json.loads(site.yuenyan("org", "list", "--json").stdout) == [
        {"code": "1001", "name": "New name", "parent": None, "people": 1}
    ]
    assert "New name" in site.yuenyan("org", "list").stdout
    assert site.yuenyan("org", "add", " ", "x").exit_code == 2


def test_without_init_every_command_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "yuenyan.toml"
    config.write_text(f'[site]\ndata_dir = "{tmp_path / "var"}"\n', encoding="utf-8")
    result = run_command("--config", str(config), "user", "list")
    assert result.exit_code == 2
    assert "run 'yuenyan init'" in result.stderr


def test_a_wrong_configuration_is_one_sentence(tmp_path: Path) -> None:
    config = tmp_path / "yuenyan.toml"
    config.write_text("[radius]\nport = 1\n", encoding="utf-8")
    result = run_command("--config", str(config), "user", "list")
    assert result.exit_code == 2
    assert result.stderr.startswith("yuenyan: radius.port: unknown key")
    assert result.stderr.count("\n") == 1


def test_a_database_that_does_not_answer_is_exit_code_3(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YUENYAN_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    result = site.yuenyan("user", "list")
    assert result.exit_code == 3
    assert "database is unavailable" in result.stderr


def test_what_is_kept_of_a_password_is_chosen_and_never_shown(site_on: Site) -> None:
    def kept(name: str) -> dict[str, str]:
        shown = site_on.yuenyan("user", "show", name, "--json")
        assert "elephants" not in shown.stdout
        found: dict[str, str] = json.loads(shown.stdout)["recoverable"]
        return found

    options = ("--password-stdin", "--recoverable", "password")
    added = site_on.yuenyan("user", "add", "keeper", *options, stdin="seven elephants\n")
    assert added.exit_code == 0
    assert "keys/vault.key" in added.stderr
    assert kept("keeper") == {"kept": "password", "wanted": "password"}
    less = site_on.yuenyan("user", "recoverable", "keeper", "nt-hash")
    assert less.stdout == "keeper keeps nt-hash, wanted nt-hash\n"
    more = site_on.yuenyan("user", "recoverable", "keeper", "password")
    assert more.stdout == "keeper keeps nt-hash, wanted password\n"
    site_on.yuenyan("user", "password", "keeper", "--password-stdin", stdin="eight elephants\n")
    assert kept("keeper") == {"kept": "password", "wanted": "password"}
    site_on.yuenyan("user", "recoverable", "keeper", "role")
    assert kept("keeper") == {"kept": "none", "wanted": "none"}

    role = site_on.yuenyan("role", "set", "student", "--recoverable", "nt-hash")
    assert (role.exit_code, "keys/vault.key" in role.stderr) == (0, True)
    site_on.yuenyan("user", "add", "pupil", "--password-stdin", stdin="seven elephants\n")
    assert kept("pupil") == {"kept": "nt-hash", "wanted": "nt-hash"}
    assert kept("keeper") == {"kept": "none", "wanted": "nt-hash"}
    site_on.yuenyan("role", "set", "student", "--recoverable", "none")
    assert kept("pupil") == {"kept": "none", "wanted": "none"}
