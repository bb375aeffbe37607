"""A role that the configuration names and nobody has made is told of, with those that are."""

from __future__ import annotations

import json

import pytest

from common.config import load
from tests.conftest import Site
from yuenyan.checkup.finding import Finding
from yuenyan.checkup.onboarding import check_onboarding
from yuenyan.checkup.roles import check_roles
from yuenyan.commands.doctor import CHECKS


def written(site: Site, section: str, line: str) -> Site:
    text = site.config_file.read_text(encoding="utf-8")
    head = f"[{section}]\n"
    text = text.replace(head, head + line + "\n") if head in text else f"{text}\n{head}{line}\n"
    site.config_file.write_text(text, encoding="utf-8")
    return site


def told(site: Site) -> list[Finding]:
    return [*check_roles(load(site.config_file)), *check_onboarding(load(site.config_file))]


def test_the_roles_that_init_makes_are_no_objection(site: Site) -> None:
    assert check_roles in CHECKS
    assert list(check_roles(site.config)) == []


@pytest.mark.parametrize("key", ["registration_role", "own_device_role"])
def test_a_role_of_the_portal_that_nobody_made_is_told_with_the_known_ones(
    site: Site, key: str
) -> None:
    warned = told(written(site, "portal", f'{key} = "visitor"'))[0]
    assert (warned.level, warned.check) == ("warn", f"portal.{key}")
    assert "no role visitor" in warned.what and "guest, staff" in warned.todo


def test_onboarding_check_warns_of_roles_for_certificates_that_nobody_made(site: Site) -> None:
    written(site, "onboarding", 'ssids = ["School"]\ncertificate_roles = ["staff", "teachers"]')
    result = site.yuenyan("onboarding", "check", "--json")
    warned = [one for one in json.loads(result.stdout) if "there is no role" in one["what"]]
    assert [one["level"] for one in warned] == ["warn"]
    assert "teachers" in warned[0]["what"] and "guest" in warned[0]["todo"]


def test_nothing_is_said_of_roles_without_a_database(site: Site) -> None:
    written(site, "portal", 'registration_role = "visitor"')
    (site.data_dir / "yuenyan.db").unlink()
    assert not any("no role" in finding.what for finding in told(site))
