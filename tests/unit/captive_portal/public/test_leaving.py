"""Signing out on the page behind our own gateway or openNDS ends the device's session as well."""

from __future__ import annotations

import base64

import pytest
from sqlalchemy import select

from captive_portal.gateway.redirects import Caught, write_redirect
from db.models import CoaRequest
from identity.office import Office
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from tests.conftest import add_person
from tests.unit.captive_portal.public.conftest import HERE, LOGIN_URL, MAC, Visitor
from tests.unit.captive_portal.public.own import PASSWORD, add_session

KEY = "a key of thirty-two characters.."
MINE = "a" * 32


def arrive(visitor: Visitor, office: Office, vendor: str) -> str:
    """Sign in from a gateway of this make; the address of the status page."""
    with office.database.write() as session:
        nas = add_nas(
            session, office, "attic", "10.5.60.1/32", "a secret of its own", "test",
            vendor=vendor, login_url=LOGIN_URL,
        )  # fmt: skip
        settings = {"faskey": KEY} if vendor == "opennds" else {"key": KEY}
        nas.portal_settings_encrypted = seal_portal_settings(office, settings)
    told = f"hid={'0' * 64}, clientip={HERE}, clientmac={MAC}, gatewayaddress=10.5.50.1"
    query = {
        "yuenyan": write_redirect(Caught(mac=MAC, ip=HERE, nas="attic"), KEY.encode()),
        "opennds": f"fas={base64.b64encode(told.encode()).decode()}",
    }.get(vendor, f"mac={MAC}&ip={HERE}")
    login = visitor.get(f"/p/attic/?{query}").location + "&lang=en"
    answer = visitor.fill(login, username="somchai", password=PASSWORD)
    return answer.location.replace("/connect", "/status")


def ended(office: Office) -> list[str]:
    with office.database.read() as session:
        return list(session.scalars(select(CoaRequest.session_key)))


@pytest.fixture
def somchai(office: Office) -> int:
    return add_person(office, "somchai", PASSWORD)


@pytest.mark.parametrize("vendor", ["yuenyan", "opennds"])
def test_the_reported_session_of_this_device_is_ended(
    visitor: Visitor, office: Office, somchai: int, vendor: str
) -> None:
    status = arrive(visitor, office, vendor)
    add_session(office, somchai, MINE, HERE)
    add_session(office, somchai, "b" * 32, "10.5.0.66", calling_station_id="3c22fb0a0b0c")
    assert "takes this device off the network, too" in visitor.get(status).text
    assert "signed_out=1" in visitor.fill(status, action="/sign-out").location
    assert ended(office) == [MINE]


@pytest.mark.parametrize(("vendor", "path"), [("yuenyan", "logout"), ("opennds", "opennds_deny/")])
def test_while_none_is_reported_the_gateways_own_page_is_linked(
    visitor: Visitor, office: Office, somchai: int, vendor: str, path: str
) -> None:
    status = arrive(visitor, office, vendor)
    assert f'href="http://10.5.50.1/{path}"' in visitor.get(status).text
    visitor.fill(status, action="/sign-out")
    assert ended(office) == []


def test_somebody_elses_session_at_this_address_is_left_alone(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    status = arrive(visitor, office, "yuenyan")
    add_session(office, add_person(office, "malee", PASSWORD), MINE, HERE)
    visitor.fill(status, action="/sign-out")
    assert ended(office) == []


def test_other_makes_keep_what_the_page_said(
    visitor: Visitor, office: Office, somchai: int
) -> None:
    status = arrive(visitor, office, "generic")
    add_session(office, somchai, MINE, HERE)
    text = visitor.get(status).text
    assert "Signing out closes this page only. The network" in text and "/logout" not in text
    visitor.fill(status, action="/sign-out")
    assert ended(office) == []
