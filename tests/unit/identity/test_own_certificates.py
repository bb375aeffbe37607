"""Certificates that people take for their own devices."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12

from common.config_onboarding import Onboarding
from common.errors import NotFound, Refused
from db.models import Account, CertificateFile
from identity.office import Office
from identity.pki import names
from identity.pki.folder import CaFolder, read_crls
from identity.services import own_certificates, people
from identity.services.housekeeping import run_once
from identity.services.own_certificates import MadeBefore, file_of, issue_own, list_own, revoke_own
from tests.conftest import add_person


def key() -> str:
    return secrets.token_urlsafe(12)


@pytest.fixture
def giving(office: Office) -> Office:
    """An office that gives certificates to students, two each."""
    section = Onboarding(ssids=("School-1X",), certificate_roles=("student",), certificates=2)
    return replace(office, config=office.config.model_copy(update={"onboarding": section}))


def person(office: Office, name: str) -> Account:
    add_person(office, name)
    with office.database.read() as session:
        return people.get(session, name)


def test_the_file_opens_with_the_password_that_was_told(giving: Office) -> None:
    account, mine = person(giving, "somchai"), key()
    made = issue_own(giving, account, mine)
    assert made.password not in repr(made)
    with giving.database.read() as session:
        (record,) = list_own(session, account.id, giving.clock())
        assert (record.serial, record.issued_by) == (made.serial, "somchai")
        file = file_of(session, giving, account.id, mine)
        row = session.query(CertificateFile).one()
        assert mine not in row.key_digest
        assert b"PKCS" not in row.file_encrypted
    assert file is not None
    bundle = pkcs12.load_pkcs12(file.pkcs12, made.password.encode())
    assert bundle.cert is not None and bundle.key is not None
    assert names.account_names(bundle.cert.certificate) == ("somchai",)
    assert bundle.key.public_key() == bundle.cert.certificate.public_key()
    assert row.file_encrypted != file.pkcs12


def test_a_form_that_is_sent_again_makes_no_second_certificate(giving: Office) -> None:
    account, mine = person(giving, "somchai"), key()
    issue_own(giving, account, mine)
    with pytest.raises(MadeBefore):
        issue_own(giving, account, mine)
    with giving.database.read() as session:
        assert len(list_own(session, account.id, giving.clock())) == 1


def test_two_forms_at_one_moment_leave_one_certificate_in_force(
    giving: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the other's file yet; the database does."""
    account, mine = person(giving, "somchai"), key()
    monkeypatch.setattr(own_certificates, "_find", lambda *_arguments: None)
    made = issue_own(giving, account, mine)
    with pytest.raises(MadeBefore):
        issue_own(giving, account, mine)
    with giving.database.read() as session:
        (left,) = list_own(session, account.id, giving.clock())
    assert left.serial == made.serial


def test_nobody_has_more_than_the_office_allows(giving: Office) -> None:
    account = person(giving, "somchai")
    first = issue_own(giving, account, key())
    issue_own(giving, account, key())
    with pytest.raises(Refused, match="revoke one"):
        issue_own(giving, account, key())
    revoke_own(giving, account, first.serial)
    issue_own(giving, account, key())


def test_a_role_that_is_not_named_takes_none(office: Office, giving: Office) -> None:
    account = person(giving, "somchai")
    with pytest.raises(Refused, match="student take no certificates"):
        issue_own(office, account, key())
    ca_key = CaFolder(office.config.ca_dir).path / "ca.key"
    ca_key.unlink()
    assert not own_certificates.may_have(giving, account)


def test_a_file_is_for_its_account_and_for_an_hour(giving: Office) -> None:
    account, other, mine = person(giving, "somchai"), person(giving, "malee"), key()
    issue_own(giving, account, mine)
    with giving.database.read() as session:
        assert file_of(session, giving, other.id, mine) is None
        assert file_of(session, giving, account.id, key()) is None
        late = replace(giving, clock=lambda: giving.clock() + timedelta(minutes=61))
        assert file_of(session, late, account.id, mine) is None
    assert run_once(giving).dropped_certificate_files == 0
    assert run_once(late).dropped_certificate_files == 1


def test_a_revoked_certificate_is_on_the_list_and_its_file_gone(giving: Office) -> None:
    account, mine = person(giving, "somchai"), key()
    made = issue_own(giving, account, mine)
    revoke_own(giving, account, made.serial)
    with giving.database.read() as session:
        assert list_own(session, account.id, giving.clock()) == []
        assert file_of(session, giving, account.id, mine) is None
    (crl,) = read_crls(giving.config.ca_dir / "crl.pem")
    assert crl.get_revoked_certificate_by_serial_number(int(made.serial, 16)) is not None


def test_nobody_revokes_the_certificate_of_somebody_else(giving: Office) -> None:
    account, other = person(giving, "somchai"), person(giving, "malee")
    made = issue_own(giving, account, key())
    for serial in (made.serial, "somchai", ""):
        with pytest.raises(NotFound):
            revoke_own(giving, other, serial)
    with giving.database.read() as session:
        assert len(list_own(session, account.id, giving.clock())) == 1
