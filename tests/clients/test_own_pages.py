"""What somebody does on their own pages, at real equipment: FreeRADIUS is told, radclient asks.

The portal runs in this process, on the database of the running server.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from identity.office import Office
from tests.clients.radclient import Nas
from tests.clients.test_freeradius_coa import FreeRadius, nas, peer
from tests.integration.radius_site import LiveSite
from tests.unit.captive_portal.public.conftest import Visitor, make_app
from tests.unit.captive_portal.public.own import my, sign_in

__all__ = ["nas", "peer"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

PASSWORD = "seven green elephants"
NEW = "eight blue elephants"


@pytest.fixture
def visitor(live: LiveSite) -> Iterator[Visitor]:
    office = Office.open(live.site.config)
    yield Visitor(make_app(office))
    office.database.dispose()


def _start(nas: Nas, name: str, session_id: str, station: str, address: str) -> None:
    started = nas.account(
        "Start",
        session_id,
        User_Name=name,
        NAS_Identifier="fr",
        Calling_Station_Id=station,
        Framed_IP_Address=address,
    )
    assert started.code == "Accounting-Response", started.output


def test_signing_out_elsewhere_ends_it_on_the_equipment_and_says_so(
    live: LiveSite, nas: Nas, peer: FreeRadius, visitor: Visitor
) -> None:
    live.add_person("own-out", PASSWORD)
    live.add_person("own-other", PASSWORD)
    _start(nas, "own-out", "own-1", "3C-22-FB-00-01-01", "10.20.1.1")
    _start(nas, "own-other", "own-2", "3C-22-FB-00-01-02", "10.20.1.2")
    here = my("/me/sessions", sign_in(visitor, "own-out", PASSWORD))
    assert "10.20.1.2" not in visitor.get(here).text
    answer = visitor.fill(here, "/me/sessions")
    text = visitor.follow(answer).text
    assert "None at this moment." in text and "Signed out." in text
    (asked,) = peer.requests("own-1")
    assert asked["User-Name"] == "own-out"
    assert peer.requests("own-2") == []


def test_what_the_equipment_does_not_know_is_told_in_words(
    live: LiveSite, nas: Nas, peer: FreeRadius, visitor: Visitor
) -> None:
    live.add_person("own-gone", PASSWORD)
    _start(nas, "own-gone", "own-unknown-1", "3C-22-FB-00-01-03", "10.20.1.3")
    here = my("/me/sessions", sign_in(visitor, "own-gone", PASSWORD))
    text = visitor.follow(visitor.fill(here, "/me/sessions")).text
    assert len(peer.requests("own-unknown-1")) == 1
    assert "None at this moment." in text and "no end was reported" in text


def test_a_device_of_ones_own_is_let_in_by_its_address_until_it_is_taken_out(
    live: LiveSite, nas: Nas, visitor: Visitor
) -> None:
    live.yuenyan("role", "set", "own-staff", "--own-devices", "1")
    live.add_person("own-printer", PASSWORD, role="own-staff")
    mac = "3C-22-FB-00-02-01"

    def asks() -> str:
        live.settle()
        return nas.access(mac, mac, Calling_Station_Id=mac).code

    assert asks() == "Access-Reject"
    here = my("/me/devices", sign_in(visitor, "own-printer", PASSWORD))
    assert visitor.fill(here, "do-add", do="add", address=mac).status_code == 303
    assert asks() == "Access-Accept"
    assert visitor.fill(here, "/me/devices", do="remove", mac=mac).status_code == 303
    assert asks() == "Access-Reject"


def test_a_changed_password_holds_at_the_server_within_a_second(
    live: LiveSite, nas: Nas, visitor: Visitor
) -> None:
    live.add_person("own-new", PASSWORD)
    assert nas.access("own-new", PASSWORD).code == "Access-Accept"
    fields = {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
    here = my("/me/password", sign_in(visitor, "own-new", PASSWORD))
    assert visitor.fill(here, "/me/password", **fields).status_code == 303
    live.settle()
    assert nas.access("own-new", PASSWORD).code == "Access-Reject"
    assert nas.access("own-new", NEW).code == "Access-Accept"
