"""`yuenyan directory` and what `doctor` says of directories, against a real slapd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from common import config as configuration
from identity.domain.access import Vouched
from identity.office import Office
from identity.services import directory_login
from tests.conftest import Site
from tests.slapd import BASE, PASSWORD, TEACHERS, Slapd, dn_of, section

pytestmark = pytest.mark.real


def _with(site: Site, text: str) -> Site:
    path = site.config_file
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    return site


def _findings(site: Site) -> list[tuple[str, str, str]]:
    """(level, what, what to do) of the directories."""
    told = json.loads(site.yuenyan("doctor", "--json").stdout)
    return [
        (one["level"], one["what"], one["todo"])
        for one in told["findings"]
        if one["check"].startswith("directory")
    ]


def _test(site: Site, user: str, *more: str, stdin: str = "") -> tuple[int, dict[str, Any]]:
    result = site.yuenyan(
        "directory", "test", "school", "--user", user, "--json", *more, stdin=stdin
    )
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}


def test_the_entry_the_groups_and_the_role_of_a_person_are_shown(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path))
    code, told = _test(site, "Somchai", "--password-stdin", stdin=PASSWORD + "\n")
    assert code == 0
    assert (told["dn"], told["full_name"]) == (dn_of("somchai"), "สมชาย ใจดี")
    assert (told["groups"], told["role"]) == ([TEACHERS], "staff")
    assert (told["password"], told["gets_in"]) == ("proven", True)
    code, told = _test(site, "somchai", "--password-stdin", stdin="wrong\n")
    assert (code, told["password"], told["gets_in"]) == (1, "wrong", False)
    assert told["why"] == "the directory did not accept the password"
    code, told = _test(site, "nida")
    assert (code, told["role"]) == (1, None)
    assert told["why"] == "in none of [directory.school.groups], and no default_role"
    slapd.lock("wipa")
    code, told = _test(site, "wipa")
    assert (code, told["held_back"]) == (1, "disabled")
    assert told["why"] == "the account is disabled in the directory"
    assert _test(site, "nobody")[0] == 1
    assert "several entries" in site.yuenyan("directory", "test", "school", "--user", "twin").stderr
    plain = site.yuenyan("directory", "test", "school", "--user", "somchai").stdout
    assert "สมชาย ใจดี" in plain and TEACHERS in plain
    slapd.stop()
    away = site.yuenyan("directory", "test", "school", "--user", "somchai")
    assert away.exit_code == 3
    assert "could not be asked" in away.stderr and away.stderr.endswith("; see: yuenyan doctor\n")
    assert site.yuenyan("directory", "test", "elsewhere", "--user", "somchai").exit_code == 1


def test_nobody_gets_in_by_a_role_that_is_not_here(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path).replace('"staff"', '"emperor"'))
    code, told = _test(site, "somchai", "--password-stdin", stdin=PASSWORD + "\n")
    assert (code, told["role"], told["password"], told["gets_in"]) == (
        1,
        "emperor",
        "proven",
        False,
    )
    assert told["why"] == "there is no role emperor here; add it: yuenyan role set emperor"
    assert site.yuenyan("role", "set", "emperor").exit_code == 0
    code, told = _test(site, "somchai", "--password-stdin", stdin=PASSWORD + "\n")
    assert (code, told["gets_in"], told["why"]) == (0, True, None)


def test_a_refused_service_account_is_told_as_a_directory_that_could_not_be_asked(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path))
    (tmp_path / "reader.password").write_text("not the one")
    refused = site.yuenyan("directory", "test", "school", "--user", "somchai")
    assert refused.exit_code == 3
    assert "the directory school could not be asked: the bind as " in refused.stderr
    assert "unavailable" not in refused.stderr
    (tmp_path / "reader.password").unlink()
    missing = site.yuenyan("directory", "test", "school", "--user", "somchai").stderr
    assert "correct bind_password_file" in missing and "init" not in missing
    assert refused.stderr.endswith("; see: yuenyan doctor\n")


def test_the_list_shows_what_is_configured(site: Site, slapd: Slapd, tmp_path: Path) -> None:
    assert json.loads(site.yuenyan("directory", "list", "--json").stdout) == []
    _with(site, section(slapd, tmp_path))
    (row,) = json.loads(site.yuenyan("directory", "list", "--json").stdout)
    assert row == {
        "name": "school",
        "url": [slapd.tls_url],
        "base_dn": BASE,
        "groups": 2,
        "default_role": None,
        "accounts": 0,
    }
    assert slapd.tls_url in site.yuenyan("directory", "list").stdout


def test_doctor_finds_nothing_wrong_with_a_good_directory(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path))
    ((level, what, _todo),) = _findings(site)
    assert level == "ok" and what.startswith(f"{slapd.tls_url} answers, base found, ")


@pytest.mark.parametrize(
    ("change", "level", "what", "todo"),
    [
        pytest.param({"reads and": "x"}, "error", "invalidCredentials", "bind_dn", id="password"),
        pytest.param({f'"{BASE}"': '"dc=else"'}, "error", "the base", "base_dn", id="base"),
        pytest.param({'"staff"': '"emperor"'}, "error", "no role emperor", "role set", id="role"),
        pytest.param({"cn=pupils": "cn=nobody"}, "warn", "not there", "its name", id="group"),
        pytest.param({'ca = "': '# "'}, "error", "certificate", "set ca", id="ca"),
        pytest.param({'ca = "': 'ca = "/x'}, "error", "cannot read", "correct it", id="no ca"),
    ],
)
def test_doctor_says_what_is_wrong_and_what_to_do(
    site: Site,
    slapd: Slapd,
    tmp_path: Path,
    change: dict[str, str],
    level: str,
    what: str,
    todo: str,
) -> None:
    text = section(slapd, tmp_path)
    for old, new in change.items():
        if old == "reads and":
            (tmp_path / "reader.password").write_text(new)
            continue
        assert old in text
        text = text.replace(old, new)
    _with(site, text)
    assert any(
        found[0] == level and what in found[1] and todo in found[2] for found in _findings(site)
    ), _findings(site)


def test_doctor_names_a_server_that_does_not_answer(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path, url=f'["{slapd.tls_url}", "ldaps://127.0.0.1:1"]'))
    levels = {what.split()[0].rstrip(":"): level for level, what, _ in _findings(site)}
    assert levels == {slapd.tls_url: "ok", "ldaps://127.0.0.1:1": "error"}


def _log_in(site: Site, *names: str) -> None:
    """Prove these people at the directory, which makes their accounts."""
    office = Office.open(configuration.load(site.config_file))
    try:
        for name in names:
            proven = directory_login.prove(office, None, name, PASSWORD.encode())
            assert isinstance(proven, Vouched), proven
    finally:
        office.database.dispose()
        office.directories.close()


def test_an_entry_of_another_account_is_not_linked(
    site: Site, slapd: Slapd, tmp_path: Path
) -> None:
    _with(site, section(slapd, tmp_path))
    _log_in(site, "somchai", "wipa")
    assert site.yuenyan("directory", "relink", "somchai").exit_code == 0
    for name, uid in (("somchai", "somchai.old"), ("wipa", "somchai")):
        slapd.modify(f"dn: {dn_of(name)}\nchangetype: modrdn\nnewrdn: uid={uid}\ndeleteoldrdn: 1\n")
    told = site.yuenyan("directory", "relink", "somchai")
    assert told.exit_code == 1
    assert "belongs to the account wipa" in told.stderr
    assert "yuenyan user disable wipa" in told.stderr
    slapd.stop()
    assert site.yuenyan("directory", "relink", "somchai").exit_code == 3


def test_an_account_is_linked_anew_by_name(site: Site, slapd: Slapd, tmp_path: Path) -> None:
    _with(site, section(slapd, tmp_path))
    assert site.yuenyan("directory", "relink", "nobody").exit_code == 1
    assert "not from a directory" in site.yuenyan("directory", "relink", "head").stderr
