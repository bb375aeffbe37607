"""`yuenyan cert` and what doctor says about certificates."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from common.clock import utc_now
from identity.office import Office
from identity.pki import names
from identity.pki.authority import (
    CRL_LIFETIME,
    Kind,
    Request,
    dump_chain,
    dump_key,
    make_authority,
    make_key,
)
from identity.pki.folder import CaFolder, read_certificates, read_crls
from tests.conftest import Site, add_person
from tests.unit.identity.pki import openssl

NAME = "radius.school.ac.th"
PASSWORD = "paper and pencil"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files without --out land in the test's own folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)


def _list(site: Site, *options: str) -> list[dict[str, Any]]:
    result = site.yuenyan("cert", "list", "--json", *options)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def _findings(site: Site) -> dict[str, dict[str, str]]:
    found = json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
    return {finding["check"]: finding for finding in found}


def _server(site: Site) -> x509.Certificate:
    return read_certificates(site.data_dir / "ca" / "server.pem")[0]


def test_a_client_certificate_goes_into_a_file_that_openssl_opens(
    site_on: Site, office_on: Office
) -> None:
    add_person(office_on, "somchai")
    made = site_on.yuenyan(
        *("cert", "client", "somchai", "--password-stdin", "--out", "phone.p12"),
        stdin=PASSWORD + "\n",
    )
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith("wrote phone.p12 for somchai, until ")
    assert PASSWORD not in made.stdout
    path = Path("phone.p12")
    assert path.stat().st_mode & 0o777 == 0o600
    opened = openssl.run("pkcs12", "-legacy", "-in", path, "-nodes", "-passin", f"pass:{PASSWORD}")
    assert opened.returncode == 0, opened.stderr
    row = _list(site_on, "--kind", "client")[0]
    assert (row["name"], row["state"], row["names"]) == ("somchai", "in force", ["somchai"])
    assert row["issued_by"] == "command-line"
    again = site_on.yuenyan(
        *("cert", "client", "somchai", "--password-stdin", "--out", "phone.p12"),
        stdin=PASSWORD + "\n",
    )
    assert again.exit_code == 1
    assert "there already" in again.stderr
    assert len(_list(site_on, "--kind", "client")) == 1


def test_a_password_is_made_up_when_none_is_given(site: Site, office: Office) -> None:
    add_person(office, "somchai")
    made = site.yuenyan("cert", "client", "somchai", "--cipher", "modern", "--rsa")
    assert made.exit_code == 0, made.stderr
    password = made.stdout.split("password ")[1].strip()
    key, leaf, others = pkcs12.load_key_and_certificates(
        Path("somchai.p12").read_bytes(), password.encode()
    )
    assert key is not None and leaf is not None
    assert names.account_names(leaf) == ("somchai",)
    assert others == list(CaFolder(site.config.ca_dir).trusted())


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "says"),
    [
        pytest.param(("client", "nobody"), "", 1, "no account", id="no account"),
        pytest.param(("client", "head", "--days", "1826"), "", 2, "1..1825", id="too long"),
        pytest.param(
            ("client", "head", "--password-stdin"), "short\n", 2, "at least 8", id="password"
        ),
        pytest.param(("client", "head", "--out", "none/x.p12"), "", 2, "cannot write", id="file"),
        pytest.param(("nas", "nobody"), "", 1, "no NAS", id="no nas"),
        pytest.param(("server", "--name", "*.a.b"), "", 2, "not the DNS name", id="wildcard"),
        pytest.param(("server", "--days", "826"), "", 2, "Apple", id="apple"),
        pytest.param(("revoke", "nobody"), "", 1, "no certificate in force", id="revoke"),
        pytest.param(("revoke", "x", "--reason", "odd"), "", 2, "odd", id="reason"),
        pytest.param(("rollover", "--finish"), "", 1, "no rollover", id="finish"),
        pytest.param(("ca", "--out", "x", "--which", "next"), "", 1, "rollover", id="next"),
        pytest.param(("ca", "--out", "none/x"), "", 2, "cannot write", id="ca"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_issued(
    site: Site, arguments: tuple[str, ...], stdin: str, code: int, says: str
) -> None:
    before = len(_list(site))
    result = site.yuenyan("cert", *arguments, stdin=stdin)
    assert (result.exit_code, says in result.stderr) == (code, True), result
    assert len(_list(site)) == before
    assert list(Path().iterdir()) == []


def test_the_server_s_certificate_is_renewed(site: Site) -> None:
    made = site.yuenyan("cert", "server", "--name", NAME, "--days", "825")
    assert made.exit_code == 0, made.stderr
    assert NAME in made.stdout
    first = _server(site)
    assert names.dns_names(first) == (NAME,)
    assert site.yuenyan("cert", "server", "--rsa").exit_code == 0
    assert names.dns_names(_server(site)) == (NAME,)
    assert "(2048 bit)" in openssl.text(_server(site))
    assert "certificate for devices" not in _findings(site)
    assert "server" in site.yuenyan("cert", "list").stdout


def test_a_nas_gets_three_files_and_is_told_how_it_is_known(site: Site) -> None:
    site.yuenyan("nas", "add", "school", "10.0.0.7", "--secret-stdin", stdin="x" * 16 + "\n")
    made = site.yuenyan("cert", "nas", "school")
    assert made.exit_code == 0, made.stderr
    assert "yuenyan nas radsec school" in made.stdout
    assert sorted(path.name for path in Path("school").iterdir()) == [
        "ca.pem", "client.key", "client.pem",
    ]  # fmt: skip
    trusted = read_certificates(Path("school/ca.pem"))
    leaf = read_certificates(Path("school/client.pem"))[0]
    assert openssl.verify(Path("school"), leaf, trusted, "-purpose", "sslclient") == "OK"
    assert Path("school/client.key").stat().st_mode & 0o777 == 0o600
    assert site.yuenyan("cert", "nas", "school").exit_code == 1


def test_a_certificate_is_taken_back(site_on: Site, office_on: Office) -> None:
    add_person(office_on, "somchai")
    site_on.yuenyan("cert", "client", "somchai")
    serial = _list(site_on, "--name", "somchai")[0]["serial"]
    gone = site_on.yuenyan("cert", "revoke", "somchai", "--reason", "key-compromise")
    assert gone.stdout == f"revoked client somchai {serial}\n"
    row = _list(site_on, "--name", "somchai")[0]
    assert (row["state"], row["reason"]) == ("revoked", "key-compromise")
    lists = read_crls(site_on.data_dir / "ca" / "crl.pem")
    assert [f"{entry.serial_number:x}" for one in lists for entry in one] == [serial]
    written = site_on.yuenyan("cert", "crl", "--out", "copy.pem")
    assert written.stdout == "wrote copy.pem: 1 revoked\n"
    assert len(read_crls(Path("copy.pem"))) == 1


def test_the_ca_is_exported_in_both_forms_and_both_cas_in_a_rollover(site: Site) -> None:
    assert site.yuenyan("cert", "ca", "--out", "ca.der", "--der").exit_code == 0
    x509.load_der_x509_certificate(Path("ca.der").read_bytes())
    begun = site.yuenyan("cert", "rollover")
    assert begun.exit_code == 0, begun.stderr
    assert "rollover --finish" in begun.stdout
    assert site.yuenyan("cert", "ca", "--out", "ca.pem").exit_code == 0
    bundle = read_certificates(Path("ca.pem"))
    assert len(bundle) == 2
    refused = site.yuenyan("cert", "ca", "--out", "x.der", "--der")
    assert (refused.exit_code, "--which" in refused.stderr) == (2, True)
    assert site.yuenyan("cert", "ca", "--out", "n.der", "--der", "--which", "next").exit_code == 0
    following = x509.load_der_x509_certificate(Path("n.der").read_bytes())
    assert following == bundle[1]
    finished = site.yuenyan("cert", "rollover", "--finish")
    assert finished.exit_code == 0, finished.stderr
    leaf, *sent = read_certificates(site.data_dir / "ca" / "server.pem")
    for trusted in (bundle[:1], bundle, bundle[1:]):
        assert openssl.verify(Path(), leaf, trusted, sent=sent) == "OK"


def _end_in(site: Site, days: float) -> None:
    """Put a server certificate in place that ends so many days from now."""
    authority = make_authority("x", utc_now())
    key = make_key()
    request = Request(
        kind=Kind.SERVER,
        common_name=NAME,
        alternatives=names.server_names([NAME]),
        days=800,
        ends_by=(utc_now() + timedelta(days=days)).replace(microsecond=0),
    )
    leaf = authority.sign(request, key.public_key(), utc_now() - timedelta(days=30))
    (site.data_dir / "ca" / "server.pem").write_bytes(dump_chain([leaf]))
    (site.data_dir / "ca" / "server.key").write_bytes(dump_key(key))


@pytest.mark.parametrize(
    ("days", "level", "says"),
    [
        (61.5, "ok", "until"),
        (59.5, "warn", "จะหมดอายุใน 59 วัน"),
        (29.5, "warn", "ends in 29 days"),
        (6.5, "error", "ends in 6 days"),
        (-1, "error", "หมดอายุแล้ว"),
    ],
)
def test_doctor_warns_ahead_of_the_end_in_both_languages(
    site: Site, days: float, level: str, says: str
) -> None:
    _end_in(site, days)
    finding = _findings(site)["certificate server.pem"]
    assert finding["level"] == level
    assert says in finding["what"]
    if level != "ok":
        assert "yuenyan cert server" in finding["todo"]


def test_doctor_warns_of_a_list_that_nobody_renews(site: Site, office: Office) -> None:
    folder = CaFolder(site.config.ca_dir)
    late = utc_now() - CRL_LIFETIME + timedelta(days=20)
    folder.write_crls([folder.active().revocation_list((), late, 1)])
    finding = _findings(site)["certificate crl.pem"]
    assert (finding["level"], "housekeeper" in finding["todo"]) == ("warn", True)
    (site.data_dir / "ca" / "crl.pem").unlink()
    assert _findings(site)["certificate crl.pem"]["level"] == "error"
    assert site.yuenyan("cert", "crl").exit_code == 0
    assert _findings(site)["certificate crl.pem"]["level"] == "ok"


def test_doctor_sees_a_key_that_does_not_belong(site: Site) -> None:
    (site.data_dir / "ca" / "server.key").write_bytes(dump_key(make_key()))
    assert _findings(site)["certificate key"]["level"] == "error"


def test_doctor_names_what_devices_would_refuse(site: Site) -> None:
    folder = CaFolder(site.config.ca_dir)
    ca = folder.active()
    (site.data_dir / "ca" / "server.pem").write_bytes(dump_chain([ca.certificate]))
    (site.data_dir / "ca" / "server.key").write_bytes(dump_key(ca.key))
    said = [
        finding["what"]
        for finding in json.loads(site.yuenyan("doctor", "--json").stdout)["findings"]
        if finding["check"] == "certificate for devices"
    ]
    assert any("no DNS name" in text for text in said)
    assert any("serverAuth" in text for text in said)


def test_doctor_warns_of_a_school_s_certificate(site: Site) -> None:
    site.yuenyan("nas", "add", "school", "radsec:ap.school.ac.th")
    site.yuenyan("cert", "nas", "school", "--days", "20")
    finding = _findings(site)["certificate of school"]
    assert finding["level"] == "warn"
    assert "yuenyan cert nas school" in finding["todo"]
