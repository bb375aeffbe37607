"""What `doctor` says of gateways that let in the device a page names."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from db.models import NasClient
from identity.office import Office
from identity.services import open_visits
from identity.services.nas import add_nas
from identity.services.nas_portal import seal_portal_settings
from yuenyan.checkup.gateways import check_gateways

MIST = {"wlan_id": "w", "secret": "s"}


@pytest.mark.parametrize(
    ("make", "settings", "phones", "warned"),
    [
        pytest.param("mist", MIST, 3, True, id="named-behind-one-address"),
        pytest.param("mist", MIST, 2, False, id="named-and-few"),
        pytest.param("mikrotik", {}, 3, False, id="seen-by-the-gateway"),
        pytest.param("fortinet", {}, 3, False, id="by-a-nonce-of-its-own"),
        pytest.param("mist", {}, 3, False, id="hands-nobody-over"),
    ],
)
def test_doctor_warns_where_devices_are_named_and_cannot_be_told_apart(
    office: Office, make: str, settings: dict[str, str], phones: int, warned: bool
) -> None:
    with office.database.write() as session:
        row = add_nas(
            session, office, "hall", "10.5.50.1/32", "secret of hall", "test",
            vendor=make, login_url="https://10.5.50.1/login",
        )  # fmt: skip
        row.portal_settings_encrypted = seal_portal_settings(office, settings)
        for number in range(phones):
            mac = f"3c22fb01020{number}"
            visits = {("192.0.2.1", mac): "visit", (f"192.0.2.{number + 5}", mac): "visit"}
            open_visits.remember(session, visits, office.clock())
    with office.database.read() as session:
        found = list(check_gateways(office, session.scalars(select(NasClient)).all()))
    about = [one.what for one in found if "192.0.2.1" in one.what]
    assert len(about) == warned
