"""One network device: demanding signatures safely, its make, and where it takes orders."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import AuditEvent, AuthEvent, NasClient
from identity.office import Office
from identity.services import nas
from identity.services.nas_hygiene import ENOUGH
from tests.unit.captive_portal.admin.conftest import Officer


@pytest.fixture
def gate(office: Office) -> int:
    """A device that need not sign."""
    with office.database.write() as session:
        row = nas.add_nas(
            session, office, "gate", "10.0.0.1/32", "a very long secret", "test",
            require_message_authenticator=False,
        )  # fmt: skip
        session.flush()
        return row.id


def log_in(office: Office, nas_id: int, times: int, **seen: timedelta) -> None:
    """So many logins a minute ago, and when it last did and did not sign."""
    now = office.clock()
    with office.database.write() as session:
        session.add_all(
            AuthEvent(
                at=now - timedelta(minutes=1), nas_client_id=nas_id, user_name="x", method="pap",
                outcome="accept", reason="ok",
            )
            for _ in range(times)
        )  # fmt: skip
        row = session.get_one(NasClient, nas_id)
        row.last_seen_at = now
        if "signed" in seen:
            row.last_with_message_authenticator_at = now - seen["signed"]
        if "unsigned" in seen:
            row.last_without_message_authenticator_at = now - seen["unsigned"]


def stored(office: Office, nas_id: int) -> NasClient:
    with office.database.read() as session:
        return session.get_one(NasClient, nas_id)


def test_what_signed_all_its_last_logins_is_made_to_with_one_button(
    admin: Officer, office: Office, gate: int
) -> None:
    log_in(office, gate, 25, signed=timedelta(minutes=1))
    page = admin.get(f"/nas/{gate}").text
    assert "All of its last 25 logins were signed" in page
    assert "It can be required safely" in page
    assert 'name="confirmed"' not in page
    text = admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="1")
    assert "Every request must be signed from now on." in text
    assert stored(office, gate).require_message_authenticator
    with office.database.read() as session:
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "nas:message_authenticator")
        ).one()
    assert (noted.actor, noted.target) == ("head", "gate")


@pytest.mark.parametrize(
    ("times", "seen", "sentence"),
    [
        (ENOUGH - 1, {"signed": timedelta(minutes=1)}, "All of its last 19 logins were signed"),
        (
            50,
            {"signed": timedelta(minutes=1), "unsigned": timedelta(hours=3)},
            "A request without it came last",
        ),
        (50, {"unsigned": timedelta(seconds=1)}, "No signed login is on record"),
        (0, {}, "No signed login is on record"),
    ],
)
def test_where_somebody_may_be_cut_off_a_tick_is_needed(
    admin: Officer, office: Office, gate: int, times: int, seen: dict[str, timedelta], sentence: str
) -> None:
    log_in(office, gate, times, **seen)
    page = admin.get(f"/nas/{gate}").text
    assert sentence in page
    assert "Too little is known" in page
    text = admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="1")
    assert "Tick the box" in text
    assert not stored(office, gate).require_message_authenticator
    admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="1", confirmed="1")
    assert stored(office, gate).require_message_authenticator


def test_allowing_unsigned_requests_needs_a_tick_too(
    admin: Officer, office: Office, gate: int
) -> None:
    log_in(office, gate, 25, signed=timedelta(minutes=1))
    admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="1")
    assert "Tick the box" in admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="0")
    assert stored(office, gate).require_message_authenticator
    admin.follow(f"/nas/{gate}/policy", f"/nas/{gate}", required="0", confirmed="1")
    assert not stored(office, gate).require_message_authenticator


def test_make_orders_and_words_are_set_and_taken_back(
    admin: Officer, office: Office, gate: int
) -> None:
    fields = {
        "vendor": "coova", "coa_port": "1700", "coa_address": "10.0.0.2",
        "mab_suffix": "@hotspot", "mab_password": "on the box",
    }  # fmt: skip
    text = admin.follow(f"/nas/{gate}/settings", f"/nas/{gate}", **fields)
    assert "Changed." in text
    assert "on the box" not in text
    row = stored(office, gate)
    assert (row.vendor, row.coa_port, row.coa_address) == ("coova", 1700, "10.0.0.2")
    assert nas.station_words(office, row).passwords == ("a very long secret", "on the box")
    emptied = {"vendor": "coova", "coa_port": "", "coa_address": "", "mab_suffix": ""}
    admin.follow(f"/nas/{gate}/settings", f"/nas/{gate}", **emptied)
    row = stored(office, gate)
    assert (row.coa_port, row.coa_address, row.mab_suffix) == (None, None, None)
    assert row.mab_password_encrypted is not None, "an empty field leaves the password"
    admin.follow(f"/nas/{gate}/settings", f"/nas/{gate}", **emptied, mab_password_none="1")
    assert stored(office, gate).mab_password_encrypted is None
    with office.database.read() as session:
        details = session.scalars(select(AuditEvent.detail)).all()
    assert not any("on the box" in detail for detail in details)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"coa_port": "many"}, "The port is a number"),
        ({"coa_port": "70000"}, "The port is a number"),
        ({"coa_address": "there"}, "is not an IP address"),
        ({"mab_suffix": "x" * 101}, "At most 100 octets."),
        ({"vendor": "arubba"}, "no vendor profile"),
    ],
)
def test_a_setting_that_cannot_be_is_explained(
    admin: Officer, office: Office, gate: int, change: dict[str, str], sentence: str
) -> None:
    before = stored(office, gate)
    text = admin.follow(f"/nas/{gate}/settings", f"/nas/{gate}", **({"vendor": "unifi"} | change))
    assert sentence in text
    assert stored(office, gate).vendor == before.vendor, "nothing of it is stored"


def test_a_post_without_the_form_s_token_changes_nothing(
    admin: Officer, office: Office, gate: int
) -> None:
    answer = admin.client.post(f"/nas/{gate}/policy", data={"required": "1", "confirmed": "1"})
    assert answer.status_code == 400
    assert not stored(office, gate).require_message_authenticator
