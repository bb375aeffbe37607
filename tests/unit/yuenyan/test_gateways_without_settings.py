"""What is said of equipment for which nobody has set how visitors are handed back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from db.models import NasClient
from identity.domain.vendors import GATEWAYS, VENDORS
from identity.office import Office
from identity.services.nas import add_nas
from tests.conftest import Site, run_command
from yuenyan.checkup.finding import Finding
from yuenyan.checkup.gateways import check_gateways


def told(office: Office, *makes: str) -> list[Finding]:
    portal = office.config.portal.model_copy(update={"public_url": "https://login.example"})
    office = replace(office, config=office.config.model_copy(update={"portal": portal}))
    with office.database.write() as session:
        for number, make in enumerate(makes):
            prefix = f"10.5.50.{number}/32"
            add_nas(session, office, f"{make}-{number}", prefix, "a secret", "test", vendor=make)
    with office.database.read() as session:
        return list(check_gateways(office, session.scalars(select(NasClient)).all()))


@pytest.mark.parametrize(
    ("make", "lacking"),
    [
        ("chillispot", "its sign-in address is not set"),
        ("coova", "its sign-in address is not set"),
        ("opennds", "faskey, its sign-in address not set"),
        ("opnsense", "controller, api_key, api_secret not set"),
        ("pfsense", "its sign-in address is not set"),
        ("yuenyan", "key, its sign-in address not set"),
    ],
)
def test_a_gateway_by_its_make_is_named_with_what_it_lacks(
    office: Office, make: str, lacking: str
) -> None:
    found = told(office, make)
    assert f"{make}-0 hands nobody back: {lacking}" in [one.what for one in found]
    assert not any("can hand" in one.what for one in found)


def test_what_may_be_an_access_point_alone_is_a_hint_and_no_warning(office: Office) -> None:
    (found,) = told(office, "unifi", "hostapd", "generic", *["aruba"] * 6)
    assert found.level == "ok"
    assert found.what.startswith("7 taken for plain access points")
    assert "unifi-0, aruba-3" in found.what and "…" in found.what
    assert "yuenyan nas portal unifi-0" in found.what


def test_switches_and_other_equipment_are_not_spoken_of(office: Office) -> None:
    assert told(office, "generic", "hostapd", "huawei") == []


def test_who_adds_a_gateway_is_told_what_it_lacks(site: Site) -> None:
    def add(name: str, octet: int, *more: str) -> str:
        prefix = f"10.1.0.{octet}/32"
        done = site.yuenyan("nas", "add", name, prefix, "--secret-stdin", *more, stdin="s" * 20)
        assert (done.exit_code, done.stdout) == (0, f"added {name} {prefix}\n"), done.stderr
        return done.stderr

    router = add("gate", 1, "--vendor", "opennds")
    assert "faskey, its sign-in address not set; see: yuenyan nas portal gate" in router
    assert "yuenyan nas snippet gate" in router
    url = ("--login-url", "http://10.1.0.2:3990/")
    assert "no visitors" not in add("chilli", 2, "--vendor", "coova", *url)
    assert "nas portal" not in add("ap", 3, "--vendor", "unifi")


def test_the_help_lists_the_makes() -> None:
    words = " ".join(run_command("nas", "add", "--help").stdout.split())
    assert ", ".join(VENDORS) in words
    assert set(VENDORS) >= GATEWAYS
