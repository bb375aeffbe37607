"""Where a controller may be, and which secrets a new place does without."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from captive_portal.vendors.places import check_controller, secrets_to_give_anew
from captive_portal.vendors.registry import vendor_called
from common.errors import NetAccessError, Refused, UsageError

UNIFI = vendor_called("unifi")
BEFORE = {"controller": "https://10.0.0.2:8443", "api_key": "k", "password": "p"}


@pytest.mark.parametrize(
    "changes",
    [
        {"controller": "https://evil.example"},
        {"controller": ""},
        {"tls_pin": "ab" * 32},
        {"tls_ca": "PEM"},
        {"allow_http": "yes"},
    ],
)
def test_a_new_place_gets_no_secret_of_the_old_one(changes: Mapping[str, str]) -> None:
    assert secrets_to_give_anew(UNIFI, BEFORE, changes) == ("api_key", "password")
    given = {**changes, "api_key": "new"}
    assert secrets_to_give_anew(UNIFI, BEFORE, given) == ("password",)


@pytest.mark.parametrize(
    "changes", [{}, {"site_id": "u"}, {"controller": BEFORE["controller"]}, {"allow_http": "no"}]
)
def test_secrets_stay_while_the_place_stays(changes: Mapping[str, str]) -> None:
    assert secrets_to_give_anew(UNIFI, BEFORE, changes) == ()


def check(url: str, is_whole: bool, *networks: str, **more: str) -> None:
    changes = {"controller": url, **more}
    check_controller(UNIFI, {}, changes, prefix="10.0.0.0/30", networks=networks, is_whole=is_whole)


@pytest.mark.parametrize(
    ("url", "networks", "error"),
    [
        ("https://10.0.0.2:8443", (), None),
        ("https://10.9.0.2", ("10.9.0.0/24",), None),
        ("https://10.9.0.2", (), Refused),
        ("https://evil.example", (), Refused),
        ("https://evil.example", ("0.0.0.0/0",), Refused),
        ("http://127.0.0.1:8081", ("127.0.0.0/8",), UsageError),
        ("https://[::ffff:127.0.0.1]", (), UsageError),
        ("https://localhost", (), UsageError),
    ],
)
def test_an_officer_of_one_school_registers_the_own_device_or_a_network_for_controllers(
    url: str, networks: tuple[str, ...], error: type[NetAccessError] | None
) -> None:
    if error is None:
        check(url, False, *networks)
        return
    with pytest.raises(error):
        check(url, False, *networks)


def test_the_area_office_registers_any_but_this_server_by_accident() -> None:
    check("https://controller.example", True)
    check("http://10.9.0.2", True, allow_http="yes")
    check("http://127.0.0.1:8043", True, "127.0.0.1/32", allow_http="yes")
    with pytest.raises(UsageError, match="controller_networks"):
        check("http://127.0.0.1:8043", True)


def test_no_tls_is_for_the_area_office_to_allow() -> None:
    with pytest.raises(Refused, match="allow_http"):
        check("http://10.0.0.2", False, allow_http="yes")
