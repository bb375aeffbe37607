"""identity.pki: what a CA makes, as openssl and devices see it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from common.errors import Refused, UsageError
from identity.pki import names
from identity.pki.authority import (
    AUTHORITY_DAYS,
    Authority,
    Kind,
    Reason,
    Request,
    Revoked,
    dump_key,
    issuer_key_id,
    key_id,
    make_authority,
    make_key,
)
from identity.pki.devices import find_objections
from identity.pki.pkcs12 import Cipher, dump_pkcs12
from tests.unit.identity.pki import openssl

NOW = datetime.now(UTC).replace(microsecond=0)
SITE = "โรงเรียนบ้านหนองน้ำใสวิทยาคม"
NAME = "radius.school.ac.th"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority(SITE, NOW)


def request(kind: Kind, name: str = NAME, days: int = 397) -> Request:
    alternatives: x509.SubjectAlternativeName | None
    if kind is Kind.SERVER:
        alternatives = names.server_names([name])
    elif kind is Kind.CLIENT:
        alternatives = names.account_alternatives(name)
    else:
        alternatives = names.nas_alternatives(name)
    return Request(kind=kind, common_name=name, alternatives=alternatives, days=days)


def issue(authority: Authority, kind: Kind, name: str = NAME, days: int = 397) -> x509.Certificate:
    return authority.sign(request(kind, name, days), make_key().public_key(), NOW)


@pytest.mark.parametrize(
    ("site", "begins"),
    [
        pytest.param("โรงเรียนวัดป่า", "โรงเรียนวัดป่า CA ", id="it fits"),
        pytest.param("โรงเรียนวัดป่า จังหวัดขอนแก่น", "โรงเรียนวัดป่า CA ", id="a word fits"),
        pytest.param("สำนักงานเขตพื้นที่การศึกษา เขต 1", "Network CA ", id="not a word fits"),
        pytest.param(
            "Khon Kaen Primary Educational Service Area Office 1",
            "Khon Kaen Primary Educational Service Area CA ",
            id="some words fit",
        ),
    ],
)
def test_a_ca_is_named_after_its_site_and_no_word_is_parted(site: str, begins: str) -> None:
    subject = make_authority(site, NOW).certificate.subject
    name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    assert name.startswith(f"{begins}{NOW:%Y-%m} ")
    assert len(name.encode()) <= 64


def test_an_authority_may_sign_a_successor_and_nothing_below(authority: Authority) -> None:
    shown = openssl.text(authority.certificate)
    assert "CA:TRUE, pathlen:1" in shown
    assert "Certificate Sign, CRL Sign" in shown
    assert "ecdsa-with-SHA256" in shown


def test_two_cas_of_one_site_on_one_day_have_different_names(authority: Authority) -> None:
    assert make_authority(SITE, NOW).certificate.subject != authority.certificate.subject


@pytest.mark.parametrize("rsa_key", [False, True], ids=["ecdsa", "rsa"])
def test_a_server_certificate_is_what_apple_android_and_windows_ask_for(
    authority: Authority, tmp_path: Path, rsa_key: bool
) -> None:
    key = make_key(rsa_key=rsa_key)
    leaf = authority.sign(request(Kind.SERVER, days=825), key.public_key(), NOW)
    assert find_objections(leaf) == ()
    shown = openssl.text(leaf)
    assert f"DNS:{NAME}" in shown
    assert "TLS Web Server Authentication" in shown
    assert "TLS Web Client Authentication" not in shown
    assert "CA:FALSE" in shown
    assert "Public-Key: (2048 bit)" in shown if rsa_key else "NIST CURVE: P-256" in shown
    assert ("Key Encipherment" in shown) is rsa_key
    assert "ecdsa-with-SHA256" in shown
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert lifetime + timedelta(seconds=1) == timedelta(days=825)
    options = ("-purpose", "sslserver", "-verify_hostname", NAME)
    assert openssl.verify(tmp_path, leaf, [authority.certificate], *options) == "OK"
    other = make_authority("other", NOW).certificate
    assert "unable to get local issuer" in openssl.verify(tmp_path, leaf, [other], *options)


def test_a_client_certificate_is_for_clients_alone(authority: Authority, tmp_path: Path) -> None:
    leaf = issue(authority, Kind.CLIENT, "somchai")
    trusted = [authority.certificate]
    assert openssl.verify(tmp_path, leaf, trusted, "-purpose", "sslclient") == "OK"
    assert "unsuitable" in openssl.verify(tmp_path, leaf, trusted, "-purpose", "sslserver")
    shown = openssl.text(leaf)
    assert "CN = somchai" in shown or "CN=somchai" in shown
    assert "UPN" in shown or "othername" in shown


@pytest.mark.parametrize(
    ("username", "read"),
    [
        pytest.param("somchai", ("somchai",), id="plain"),
        pytest.param("s@school.ac.th", ("s@school.ac.th", "s@school.ac.th"), id="mailbox"),
        pytest.param("สมชาย@โรงเรียน", ("สมชาย@โรงเรียน",), id="thai"),
        pytest.param("x" * 64, ("x" * 64,), id="long"),
        pytest.param("ก" * 100, ("ก" * 100,), id="longer than a common name"),
    ],
)
def test_the_account_is_read_as_it_was_written(
    authority: Authority, username: str, read: tuple[str, ...]
) -> None:
    assert names.account_names(issue(authority, Kind.CLIENT, username)) == read


def test_the_common_name_counts_only_where_there_is_no_other(authority: Authority) -> None:
    assert names.account_names(issue(authority, Kind.SERVER, "ap.school.ac.th")) == ()
    bare = Request(kind=Kind.NAS, common_name="somchai", alternatives=None, days=1)
    leaf = authority.sign(bare, make_key().public_key(), NOW)
    assert names.account_names(leaf) == ("somchai",)


def test_a_nas_bears_a_dns_name_when_it_has_one(authority: Authority) -> None:
    assert names.dns_names(issue(authority, Kind.NAS, "AP.school.ac.th")) == ("ap.school.ac.th",)
    assert names.dns_names(issue(authority, Kind.NAS, "ห้องประชุม")) == ()
    assert "Web Server" not in openssl.text(issue(authority, Kind.NAS))


@pytest.mark.parametrize(
    "text", ["", "radius", "*.school.ac.th", "a b.c", "โรงเรียน.ไทย", "-a.b", "x" * 64 + ".th"]
)
def test_a_name_that_no_phone_would_match_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not the DNS name"):
        names.check_dns_name(text)


def test_a_dns_name_is_kept_in_lower_case_without_its_last_dot() -> None:
    assert names.check_dns_name(" Radius.School.AC.TH. ") == NAME


@pytest.mark.parametrize(
    ("kind", "days"), [(Kind.SERVER, 826), (Kind.SERVER, 0), (Kind.CLIENT, 1826)]
)
def test_a_lifetime_that_devices_refuse_is_refused(
    authority: Authority, kind: Kind, days: int
) -> None:
    with pytest.raises(UsageError, match=r"lasts 1\.\."):
        issue(authority, kind, days=days)


def test_nothing_outlives_its_ca(authority: Authority) -> None:
    late = NOW + timedelta(days=AUTHORITY_DAYS - 100)
    leaf = authority.sign(request(Kind.SERVER), make_key().public_key(), late)
    assert leaf.not_valid_after_utc == authority.certificate.not_valid_after_utc
    with pytest.raises(Refused, match="rollover"):
        authority.sign(request(Kind.SERVER), make_key().public_key(), late + timedelta(days=100))


def test_openssl_sees_the_revocation(authority: Authority, tmp_path: Path) -> None:
    good, bad = issue(authority, Kind.CLIENT, "good"), issue(authority, Kind.CLIENT, "bad")
    entry = Revoked(serial=bad.serial_number, at=NOW, reason=Reason.KEY_COMPROMISE)
    crl = authority.revocation_list([entry], NOW, 7)
    path = tmp_path / "crl.pem"
    path.write_bytes(crl.public_bytes(openssl.PEM))
    options = ("-crl_check", "-CRLfile", path)
    trusted = [authority.certificate]
    assert openssl.verify(tmp_path, good, trusted, *options) == "OK"
    assert "certificate revoked" in openssl.verify(tmp_path, bad, trusted, *options)
    shown = openssl.run("crl", "-noout", "-text", "-in", path).stdout.decode()
    assert "Key Compromise" in shown
    assert crl.next_update_utc is not None and crl.next_update_utc - NOW == timedelta(days=90)


def test_a_device_that_knows_the_old_ca_alone_accepts_the_new_one(
    authority: Authority, tmp_path: Path
) -> None:
    successor = make_authority(SITE, NOW)
    cross = authority.cross_sign(successor.certificate, NOW)
    assert cross is not None
    assert key_id(cross) == key_id(successor.certificate)
    leaf = issue(successor, Kind.SERVER)
    assert issuer_key_id(leaf) == successor.key_id
    old = [authority.certificate]
    assert openssl.verify(tmp_path, leaf, old, sent=[cross]) == "OK"
    assert openssl.verify(tmp_path, leaf, old) != "OK"
    assert openssl.verify(tmp_path, leaf, [successor.certificate], sent=[cross]) == "OK"


@pytest.mark.parametrize("cipher", list(Cipher))
def test_openssl_opens_the_file_for_a_device(
    authority: Authority, tmp_path: Path, cipher: Cipher
) -> None:
    key = make_key()
    leaf = authority.sign(request(Kind.CLIENT, "สมชาย"), key.public_key(), NOW)
    path = tmp_path / "x.p12"
    path.write_bytes(
        dump_pkcs12("สมชาย โรงเรียน", key, leaf, [authority.certificate], "eight888", cipher)
    )
    read = ("pkcs12", "-legacy", "-in", path, "-nodes")
    opened = openssl.run(*read, "-passin", "pass:eight888")
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.count(b"BEGIN CERTIFICATE") == 2
    assert b"BEGIN PRIVATE KEY" in opened.stdout
    assert openssl.run(*read, "-passin", "pass:wrong888").returncode != 0
    about = openssl.run(*read, "-passin", "pass:eight888", "-info", "-noout").stderr.decode()
    old = cipher is Cipher.COMPATIBLE
    assert ("pbeWithSHA1And3-KeyTripleDES-CBC" in about) is old
    assert ("AES-256-CBC" in about) is not old
    assert f"MAC: {'sha1' if old else 'sha256'}" in about


@pytest.mark.parametrize("password", ["short", "รหัสผ่านยาวพอ", "line\nbreak"])
def test_a_password_that_devices_read_differently_is_refused(
    authority: Authority, password: str
) -> None:
    key = make_key()
    leaf = authority.sign(request(Kind.CLIENT, "x"), key.public_key(), NOW)
    with pytest.raises(UsageError, match="at least 8"):
        dump_pkcs12("x", key, leaf, [], password)


def _odd(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, days: int) -> x509.Certificate:
    subject = names.common_name("odd")
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


def test_what_devices_would_refuse_is_named() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    said = " ".join(find_objections(_odd(weak, 826)))
    for part in ("no DNS name", "serverAuth", "825 days", "1024 bits"):
        assert part in said
    small = ec.generate_private_key(ec.SECP224R1())
    assert "224 bits" in " ".join(find_objections(_odd(small, 1)))


def test_a_key_is_written_as_openssl_reads_it() -> None:
    for rsa_key in (False, True):
        done = openssl.run("pkey", "-noout", "-check", stdin=dump_key(make_key(rsa_key=rsa_key)))
        assert done.returncode == 0, done.stderr
