"""NAS clients that are known by their certificate."""

from __future__ import annotations

import pytest

from common.errors import Refused, UsageError
from identity.office import Office
from identity.services import nas
from identity.stores.sql import SqlStore
from radius_server.worker.clients import RADSEC_SECRET, NasTable

SECRET = "a secret of some length"


def test_a_nas_without_addresses_needs_no_secret(office: Office) -> None:
    with office.database.write() as session:
        added = nas.add_nas(session, office, "school", "radsec:AP.School.Example.", "", "test")
        assert added.prefix == "radsec:ap.school.example"
        assert added.radsec_identity == "ap.school.example"
        assert added.network is None
    table = NasTable(SqlStore(office).nas_clients())
    found = table.named("ap.school.example")
    assert found is not None and found.facts.secret == RADSEC_SECRET
    assert not found.facts.require_message_authenticator
    assert table.find("10.0.0.1") is None


def test_a_nas_may_come_both_ways_each_with_its_own_secret(office: Office) -> None:
    with office.database.write() as session:
        nas.add_nas(
            session, office, "both", "10.0.0.0/8", SECRET, "test", radsec_identity="ap.example"
        )
    table = NasTable(SqlStore(office).nas_clients())
    by_name, by_address = table.named("ap.example"), table.find("10.0.0.1")
    assert by_name is not None and by_address is not None
    assert by_name.facts.nas_client_id == by_address.facts.nas_client_id
    assert by_address.facts.secret == SECRET.encode()
    assert by_address.facts.require_message_authenticator


def test_a_secret_of_a_nas_without_addresses_is_its_key_and_of_no_other(office: Office) -> None:
    with office.database.write() as session:
        nas.add_nas(session, office, "keyed", "radsec:keyed.example", SECRET, "test")
        nas.add_nas(
            session, office, "both", "10.0.0.0/8", SECRET, "test", radsec_identity="both.example"
        )
        nas.add_nas(session, office, "shown", "radsec:shown.example", "", "test")
        with pytest.raises(UsageError, match="at least 16"):
            nas.add_nas(session, office, "short", "radsec:short.example", "short", "test")
        with pytest.raises(UsageError, match="at least 16"):
            nas.set_secret(session, office, "keyed", "short", "test")
    table = NasTable(SqlStore(office).nas_clients())
    assert table.key_of("keyed.example") == SECRET.encode()
    assert table.key_of("both.example") is None
    assert table.key_of("shown.example") is None


def test_an_identity_belongs_to_one(office: Office) -> None:
    with office.database.write() as session:
        nas.add_nas(session, office, "first", "radsec:ap.example", "", "test")
        with pytest.raises(Refused, match="first has the RadSec identity"):
            nas.add_nas(session, office, "other", "radsec:AP.example", "", "test")
        nas.add_nas(session, office, "third", "10.0.0.0/8", SECRET, "test")
        with pytest.raises(Refused):
            nas.set_radsec_identity(session, office, "third", "ap.example", "test")


@pytest.mark.parametrize("identity", ["", "*.example", "x" * 254, "a\nb", " . "])
def test_what_is_no_identity(office: Office, identity: str) -> None:
    with office.database.write() as session, pytest.raises(UsageError):
        nas.add_nas(session, office, "x", f"radsec:{identity}", "", "test")


def test_an_identity_can_be_changed_and_taken_away(office: Office) -> None:
    with office.database.write() as session:
        nas.add_nas(session, office, "fixed", "10.0.0.0/8", SECRET, "test")
        nas.add_nas(session, office, "roaming", "radsec:old.example", "", "test")
        nas.set_radsec_identity(session, office, "fixed", "fixed.example", "test")
        nas.set_radsec_identity(session, office, "roaming", "new.example", "test")
        assert nas.get(session, "roaming").prefix == "radsec:new.example"
        nas.set_radsec_identity(session, office, "fixed", None, "test")
        assert nas.get(session, "fixed").radsec_identity is None
        with pytest.raises(UsageError, match="certificate only"):
            nas.set_radsec_identity(session, office, "roaming", None, "test")
