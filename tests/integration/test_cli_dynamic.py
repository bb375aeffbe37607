"""`yuenyan nas add|set --coa-…` and `session disconnect|change`: what is refused, and why."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Site

SECRET = "a shared secret of some length\n"


def listed(site: Site) -> dict[str, object]:
    result = site.yuenyan("nas", "list", "--json")
    (row,) = json.loads(result.stdout)
    return {key: row[key] for key in ("coa_address", "coa_port")}


def test_where_a_nas_takes_requests_is_set_and_taken_back(site: Site) -> None:
    added = site.yuenyan(
        *("nas", "add", "gate", "10.1.0.7/32", "--coa-port", "1700", "--secret-stdin"),
        stdin=SECRET,
    )
    assert added.exit_code == 0, added
    assert listed(site) == {"coa_address": None, "coa_port": 1700}
    site.yuenyan("nas", "set", "gate", "--coa-address", "10.1.0.8")
    assert listed(site) == {"coa_address": "10.1.0.8", "coa_port": 1700}
    site.yuenyan("nas", "set", "gate", "--coa-port", "0")
    assert listed(site) == {"coa_address": "10.1.0.8", "coa_port": 0}
    site.yuenyan("nas", "set", "gate", "--coa-port", "profile", "--coa-address", "source")
    assert listed(site) == {"coa_address": None, "coa_port": None}
    site.yuenyan("nas", "radsec", "gate", "gate.school.example")
    site.yuenyan("nas", "set", "gate", "--coa-address", "radsec")
    assert listed(site) == {"coa_address": "radsec", "coa_port": None}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("nas", "set", "gate"), 2, "--coa-port or --coa-address"),
        (("nas", "set", "gate", "--coa-port", "many"), 2, "is a number, or `profile`"),
        (("nas", "set", "gate", "--coa-port", "65536"), 2, "1..65535"),
        (("nas", "set", "gate", "--coa-address", "here"), 2, "not an IP address"),
        (("nas", "set", "nobody", "--coa-port", "1"), 1, "there is no NAS"),
        (("nas", "set", "gate", "--coa-address", "radsec"), 2, "yuenyan nas radsec"),
        (("session", "disconnect"), 2, "--user NAME"),
        (("session", "disconnect", "k", "--user", "head"), 2, "--user NAME"),
        (("session", "disconnect", "k"), 1, "there is no session 'k'"),
        (("session", "disconnect", "--user", "head"), 1, "head has no open session"),
        (("session", "disconnect", "--user", "nobody"), 1, "there is no account"),
        (("session", "change", "k"), 2, "say what is to change"),
        (("session", "change", "k", "--session-seconds", "60"), 1, "there is no session"),
    ],
)
def test_what_cannot_be_done_is_said(
    site: Site, arguments: tuple[str, ...], code: int, text: str
) -> None:
    site.yuenyan("nas", "add", "gate", "10.1.0.7/32", "--secret-stdin", stdin=SECRET)
    refused = site.yuenyan(*arguments)
    assert refused.exit_code == code, refused
    assert text in refused.stderr


def test_the_quotas_and_hours_of_a_role_are_set_listed_and_lifted(site: Site) -> None:
    site.yuenyan(
        *("role", "set", "student", "--quota-mb-week", "500", "--quota-minutes-day", "60"),
        *("--hours", "mon-fri 07:30-17:00"),
    )
    roles = {row["name"]: row for row in json.loads(site.yuenyan("role", "list", "--json").stdout)}
    student = roles["student"]
    assert (student["quota_mb_week"], student["quota_minutes_day"]) == (500, 60)
    assert student["hours"] == "mon-fri 07:30-17:00"
    site.yuenyan("role", "set", "student", "--no-limit", "quota-mb-week", "--hours", "always")
    roles = {row["name"]: row for row in json.loads(site.yuenyan("role", "list", "--json").stdout)}
    assert (roles["student"]["quota_mb_week"], roles["student"]["hours"]) == (None, None)
    refused = site.yuenyan("role", "set", "student", "--quota-minutes-day", "1441")
    assert (refused.exit_code, "1..1440" in refused.stderr) == (2, True)
