"""identity.services: certificates are recorded, revoked and rolled over, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import select

from common.errors import NotFound, Refused, UsageError
from db.models import Account, AuditEvent, Certificate
from identity.office import Office
from identity.pki.authority import (
    Authority,
    Kind,
    Reason,
    dump_chain,
    dump_key,
    issuer_key_id,
    make_authority,
    make_key,
    serial_text,
)
from identity.pki.folder import CaFolder, read_certificates, read_crls, read_key
from identity.pki.names import common_name
from identity.services import certificate_setup, certificates, nas, rollover
from identity.services.certificates import DEFAULT_SERVER_NAME
from identity.services.revocation_lists import RENEWED_AFTER, refresh_crl_if_due, write_crls
from tests.conftest import add_person
from tests.moved_clock import Clock
from tests.unit.identity.pki import openssl

NAME = "radius.school.ac.th"


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def desk(office_on: Office, clock: Clock) -> Iterator[Office]:
    """The office on each kind of database, with a clock to move and a pupil."""
    office = replace(office_on, clock=clock)
    add_person(office, "somchai")
    yield office


def folder_of(office: Office) -> CaFolder:
    return CaFolder(office.config.ca_dir)


def presented(office: Office) -> tuple[x509.Certificate, ...]:
    return read_certificates(office.config.eap_certificate)


def rows(office: Office, kind: Kind | None = None) -> list[Certificate]:
    with office.database.read() as session:
        return list(certificates.list_certificates(session, kind=kind))


def actions(office: Office) -> list[str]:
    with office.database.read() as session:
        found = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
    return [action for action in found if action.startswith("certificate:")]


def revoked_serials(office: Office) -> set[int]:
    path = office.config.eap_crl
    assert path is not None
    return {entry.serial_number for one in read_crls(path) for entry in one}


def accepts(office: Office, folder: Path, leaf: x509.Certificate) -> str:
    """What openssl says with the files that the server checks clients by."""
    crl = office.config.eap_crl
    assert crl is not None
    trusted = read_certificates(office.config.eap_ca)
    options = ("-crl_check", "-CRLfile", crl, "-purpose", "sslclient")
    return openssl.verify(folder, leaf, trusted, *options)


def test_init_makes_an_ecdsa_ca_and_enters_what_it_made(desk: Office) -> None:
    assert {row.kind for row in rows(desk)} == {"ca", "server"}
    assert actions(desk) == ["certificate:issued", "certificate:issued"]
    leaf = presented(desk)[0]
    assert rows(desk, Kind.SERVER)[0].serial == serial_text(leaf)
    assert "NIST CURVE: P-256" in openssl.text(leaf)
    assert "NIST CURVE: P-256" in openssl.text(folder_of(desk).active().certificate)
    for name, mode in {"ca.key": 0o600, "server.key": 0o600, "crl.pem": 0o644}.items():
        assert (desk.config.ca_dir / name).stat().st_mode & 0o777 == mode


def test_setting_up_again_changes_nothing(desk: Office) -> None:
    before = {path.name: path.read_bytes() for path in desk.config.ca_dir.glob("*.*")}
    assert certificate_setup.set_up(desk, "init") == ()
    assert {path.name: path.read_bytes() for path in desk.config.ca_dir.glob("*.*")} == before
    assert len(rows(desk)) == 2


def test_a_site_from_before_the_records_is_entered_as_it_is(desk: Office) -> None:
    with desk.database.write() as session:
        for row in session.scalars(select(Certificate)):
            session.delete(row)
    (desk.config.ca_dir / "crl.pem").unlink()
    before = presented(desk)
    assert certificate_setup.set_up(desk, "init") == ()
    assert presented(desk) == before
    assert {row.kind for row in rows(desk)} == {"ca", "server"}
    assert revoked_serials(desk) == set()


def test_a_ca_key_that_was_taken_away_is_not_made_again(desk: Office) -> None:
    (desk.config.ca_dir / "ca.key").unlink()
    assert certificate_setup.set_up(desk, "init") == ()
    assert not refresh_crl_if_due(desk)
    with pytest.raises(NotFound, match="no certificate authority"):
        certificates.issue_client(desk, "test", "somchai")


def test_a_renewed_server_keeps_its_names_and_the_old_files(desk: Office) -> None:
    old = presented(desk)[0]
    first = certificates.issue_server(desk, "test", dns_names=[NAME, "r2.school.ac.th"])
    again = certificates.issue_server(desk, "test", days=30)
    leaf = presented(desk)[0]
    assert leaf == again.certificate != first.certificate
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME, "r2.school.ac.th"]
    assert read_key(desk.config.eap_private_key).public_key() == leaf.public_key()
    kept = [
        read_certificates(path)[0] for path in (desk.config.ca_dir / "old").glob("server-*.pem")
    ]
    assert old in kept or first.certificate in kept
    assert len(rows(desk, Kind.SERVER)) == 3
    assert old.extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    ).value.get_values_for_type(x509.DNSName) == [DEFAULT_SERVER_NAME]


def test_a_server_certificate_from_elsewhere_is_not_overwritten(desk: Office) -> None:
    other = make_authority("other", desk.clock())
    path = desk.config.eap_certificate
    path.write_bytes(dump_chain([other.certificate]))
    before = path.read_bytes()
    with pytest.raises(Refused, match="comes from"):
        certificates.issue_server(desk, "test")
    assert path.read_bytes() == before


def test_a_client_certificate_belongs_to_an_active_account(desk: Office) -> None:
    issued = certificates.issue_client(desk, "test", "Somchai")
    with desk.database.read() as session:
        account = session.scalars(select(Account).where(Account.username == "somchai")).one()
        row = certificates.find_by_serial(session, issued.serial.upper())
    assert row is not None
    assert (row.account_id, row.name, row.kind) == (account.id, "somchai", "client")
    assert row.not_after == issued.ends_at
    assert x509.load_der_x509_certificate(row.der) == issued.certificate
    with pytest.raises(NotFound, match="nobody"):
        certificates.issue_client(desk, "test", "nobody")
    with desk.database.write() as session:
        session.scalars(
            select(Account).where(Account.username == "somchai")
        ).one().state = "suspended"
    with pytest.raises(Refused, match="suspended"):
        certificates.issue_client(desk, "test", "somchai")
    with pytest.raises(UsageError):
        certificates.issue_server(desk, "test", days=826)


def test_a_nas_certificate_bears_its_radsec_identity(desk: Office) -> None:
    with desk.database.write() as session:
        nas.add_nas(session, desk, "school", "radsec:ap.school.ac.th", "", "test")
    issued = certificates.issue_nas(desk, "test", "school", days=59)
    assert "DNS:ap.school.ac.th" in openssl.text(issued.certificate)
    assert rows(desk, Kind.NAS)[0].name == "school"
    by = desk.clock() + timedelta(days=60)
    with desk.database.read() as session:
        assert [row.name for row in certificates.list_ending_nas(session, by)] == ["school"]
    certificates.issue_nas(desk, "test", "school")
    with desk.database.read() as session:
        assert certificates.list_ending_nas(session, by) == []


def test_what_is_revoked_is_refused_and_the_rest_is_not(desk: Office, tmp_path: Path) -> None:
    phone = certificates.issue_client(desk, "test", "somchai")
    laptop = certificates.issue_client(desk, "test", "somchai", rsa_key=True)
    assert accepts(desk, tmp_path, phone.certificate) == "OK"
    pretty = ":".join(phone.serial[i : i + 2] for i in range(0, len(phone.serial), 2)).upper()
    if len(phone.serial) % 2 == 0:
        assert certificates.clean_serial(pretty) == phone.serial
    gone = certificates.revoke(desk, "test", f"0x{phone.serial}", Reason.KEY_COMPROMISE)
    assert [row.serial for row in gone] == [phone.serial]
    assert "revoked" in accepts(desk, tmp_path, phone.certificate)
    assert accepts(desk, tmp_path, laptop.certificate) == "OK"
    assert [row.serial for row in certificates.revoke(desk, "test", "SOMCHAI")] == [laptop.serial]
    assert "revoked" in accepts(desk, tmp_path, laptop.certificate)
    with pytest.raises(NotFound, match="cert list"):
        certificates.revoke(desk, "test", "somchai")
    assert actions(desk)[-2:] == ["certificate:revoked"] * 2


def test_a_ca_is_not_revoked(desk: Office) -> None:
    serial = serial_text(folder_of(desk).active().certificate)
    with pytest.raises(Refused, match="rollover"):
        certificates.revoke(desk, "test", serial)


def test_lists_are_renewed_when_a_day_old_or_wrong(desk: Office, clock: Clock) -> None:
    issued = certificates.issue_client(desk, "test", "somchai")
    assert not refresh_crl_if_due(desk)
    clock.now += RENEWED_AFTER
    assert refresh_crl_if_due(desk)
    assert not refresh_crl_if_due(desk)
    with desk.database.write() as session:  # as if the process died before it wrote the list
        row = session.scalars(select(Certificate).where(Certificate.kind == "client")).one()
        row.revoked_at, row.revoked_by = clock.now, "test"
    assert refresh_crl_if_due(desk)
    assert revoked_serials(desk) == {issued.certificate.serial_number}
    (desk.config.ca_dir / "crl.pem").write_text("spoilt")
    assert refresh_crl_if_due(desk)
    assert revoked_serials(desk) == {issued.certificate.serial_number}


def test_the_numbers_of_lists_rise_even_when_the_clock_goes_back(
    desk: Office, clock: Clock
) -> None:
    def number() -> int:
        path = desk.config.eap_crl
        assert path is not None
        one = read_crls(path)[0]
        return one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    write_crls(desk)
    before = number()
    clock.now -= timedelta(days=30)
    write_crls(desk)
    assert number() == before + 1


def test_an_entry_leaves_the_list_after_its_certificate_has_ended(
    desk: Office, clock: Clock
) -> None:
    certificates.issue_client(desk, "test", "somchai", days=10)
    certificates.revoke(desk, "test", "somchai")
    clock.now += timedelta(days=11)
    assert write_crls(desk) == 1
    clock.now += timedelta(days=2)
    assert write_crls(desk) == 0


def _serves(desk: Office, folder: Path, trusted: list[x509.Certificate]) -> str:
    """What a device that trusts these says to the server; it gets the chain the server sends."""
    leaf, *sent = presented(desk)
    return openssl.verify(folder, leaf, trusted, "-purpose", "sslserver", sent=sent)


def test_a_rollover_breaks_nobody(desk: Office, clock: Clock, tmp_path: Path) -> None:
    folder = folder_of(desk)
    before = list(folder.trusted())
    early = certificates.issue_client(desk, "test", "somchai")
    leaf = presented(desk)[0]
    begun = rollover.begin(desk, "test")
    assert begun.crossed
    assert presented(desk)[0] == leaf
    bundle = list(folder.trusted())
    assert len(bundle) == 2 and bundle[:1] == before
    amid = certificates.issue_client(desk, "test", "somchai")
    assert issuer_key_id(amid.certificate) != issuer_key_id(early.certificate)
    for trusted in (before, bundle):
        assert _serves(desk, tmp_path, trusted) == "OK"
    for issued in (early, amid):
        assert accepts(desk, tmp_path, issued.certificate) == "OK"
    with pytest.raises(Refused, match="--finish"):
        rollover.begin(desk, "test")
    # Renewing in between stays with the CA that devices know.
    certificates.issue_server(desk, "test")
    assert issuer_key_id(presented(desk)[0]) == issuer_key_id(leaf)

    assert len(rollover.finish(desk, "test")) == 1
    assert issuer_key_id(presented(desk)[0]) == issuer_key_id(amid.certificate)
    after = list(folder.trusted())
    assert after == bundle[1:]
    for trusted in (before, bundle, after):
        assert _serves(desk, tmp_path, trusted) == "OK"
    late = certificates.issue_client(desk, "test", "somchai")
    for issued in (early, amid, late):
        assert accepts(desk, tmp_path, issued.certificate) == "OK"
    certificates.revoke(desk, "test", early.serial)
    assert "revoked" in accepts(desk, tmp_path, early.certificate)
    assert accepts(desk, tmp_path, late.certificate) == "OK"
    with pytest.raises(Refused, match="no rollover"):
        rollover.finish(desk, "test")
    assert "certificate:rollover_begun" in actions(desk)
    assert actions(desk).count("certificate:rollover_finished") == 1

    # The old CA is accepted as long as something of it is in force, then no longer.
    assert len(read_certificates(desk.config.eap_ca)) == 2
    clock.now += timedelta(days=398)
    assert refresh_crl_if_due(desk)
    assert list(read_certificates(desk.config.eap_ca)) == after


def test_a_second_rollover_goes_as_the_first(desk: Office, tmp_path: Path) -> None:
    for _ in range(2):
        before = list(folder_of(desk).trusted())
        rollover.begin(desk, "test")
        rollover.finish(desk, "test")
        assert _serves(desk, tmp_path, before) == "OK"
    assert len(folder_of(desk).predecessors()) == 2


def test_a_finish_that_was_cut_short_can_be_repeated(
    desk: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    early = certificates.issue_client(desk, "test", "somchai")
    rollover.begin(desk, "test")
    both = list(folder_of(desk).trusted())
    original = CaFolder.write_accepted

    def die(_folder: CaFolder, _certificates: object) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(CaFolder, "write_accepted", die)
    with pytest.raises(OSError, match="power cut"):
        rollover.finish(desk, "test")
    monkeypatch.setattr(CaFolder, "write_accepted", original)
    assert _serves(desk, tmp_path, both) == "OK"
    assert accepts(desk, tmp_path, early.certificate) == "OK"
    rollover.finish(desk, "test")
    assert _serves(desk, tmp_path, both) == "OK"
    assert accepts(desk, tmp_path, early.certificate) == "OK"


def test_an_old_ca_that_may_have_none_below_it_is_left_by_the_bundle(
    desk: Office, tmp_path: Path
) -> None:
    """A CA with path length 0, as `init` of the first release made it, with an RSA key."""
    folder = folder_of(desk)
    old = _first_release_authority(desk)
    folder.write_first(old)
    (desk.config.ca_dir / "server.pem").unlink()
    certificates.issue_server(desk, "test")
    assert not rollover.begin(desk, "test").crossed
    bundle = list(folder.trusted())
    assert _serves(desk, tmp_path, bundle) == "OK"
    rollover.finish(desk, "test")
    assert _serves(desk, tmp_path, bundle) == "OK"
    assert _serves(desk, tmp_path, bundle[:1]) != "OK"


def _first_release_authority(desk: Office) -> Authority:
    key = make_key(rsa_key=True)
    subject = common_name("Lab CA Test school")
    now = desk.clock().replace(microsecond=0)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(identifier, False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
        )
        .add_extension(usage, True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def test_a_ca_that_was_added_by_hand_stays_accepted(desk: Office) -> None:
    other = make_authority("other", desk.clock()).certificate
    path = desk.config.eap_ca
    path.write_bytes(path.read_bytes() + dump_chain([other]))
    rollover.begin(desk, "test")
    rollover.finish(desk, "test")
    write_crls(desk)
    assert other in read_certificates(path)


def test_a_key_that_is_not_the_server_s_is_never_shown(desk: Office) -> None:
    issued = certificates.issue_client(desk, "test", "somchai")
    assert "key=" not in repr(issued)
    assert dump_key(issued.key).decode().splitlines()[1] not in repr(issued)
