"""`yuenyan evidence` as an officer uses it, and what a court makes of the file without us."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from db.engine import Database
from tests.conftest import Site
from tests.programs import require
from tests.unit.traffic.evidence.seed import PUBLIC, moment, seed
from traffic.evidence import papers

PERIOD = ("--from", moment(-60), "--to", moment(60))
CASE = ("--case", "12/2569", "--reason", "หมายเรียกพยานเอกสาร")


@pytest.fixture(autouse=True)
def _without_pdf(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "with_pdf" not in request.fixturenames:
        monkeypatch.setattr(papers, "to_pdf", lambda html: None)


@pytest.fixture
def with_pdf() -> None:
    """This test makes PDF where the machine can."""


def export(site: Site, out: Path, *more: str) -> dict[str, Any]:
    result = site.yuenyan("evidence", "export", *CASE, *PERIOD, "--out", str(out), "--json", *more)
    assert result.exit_code == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_from_the_look_up_to_the_receipt(site_on: Site, tmp_path: Path) -> None:
    site, out = site_on, tmp_path / "case-12.zip"
    seed(site)
    looked_up = site.yuenyan(
        *("lookup", "--at", moment(0), "--address", PUBLIC, "--port", "50000", *CASE, "--json")
    )
    assert json.loads(looked_up.stdout)["outcome"] == "single"
    made = site.yuenyan("evidence", "export", "--case", "12/2569", *PERIOD, "--out", str(out))
    assert made.exit_code == 0, made.stderr
    assert "no PDF was made" in made.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    whole = site.yuenyan("evidence", "verify", str(out))
    assert whole.exit_code == 0 and "The bundle is whole" in whole.stdout

    early = site.yuenyan(
        *("evidence", "custody", "add", "1", "--step", "handed-over", "--person", "ร.ต.อ. กล้า"),
        *("--officer-id", "123", "--document", "ศธ 1/2"),
    )
    assert early.exit_code == 1 and "approved" in early.stderr
    for step, *told in (
        ("approved", "--person", "ผอ.", "--document", "บันทึก 5"),
        ("handed-over", "--person", "ร.ต.อ. กล้า", "--officer-id", "123", "--document", "ศธ 1/2"),
    ):
        added = site.yuenyan("evidence", "custody", "add", "1", "--step", step, *told)
        assert added.exit_code == 0, added.stderr
    listed = json.loads(site.yuenyan("evidence", "custody", "list", "--json").stdout)
    assert listed["whole"] is True
    (exhibit,) = listed["exhibits"]
    assert [step["step"] for step in exhibit["steps"]] == ["created", "approved", "handed_over"]
    form = tmp_path / "form.txt"
    assert site.yuenyan("evidence", "custody", "form", "1", "--out", str(form)).exit_code == 0
    digits = exhibit["sha256"]
    assert " ".join(digits[at : at + 8] for at in range(0, 64, 8)) in form.read_text()
    assert "ร.ต.อ. กล้า" in form.read_text()
    again = tmp_path / "form.odt"
    assert site.yuenyan("evidence", "custody", "form", "1", "--out", str(again)).exit_code == 2
    assert site.yuenyan("evidence", "custody", "form", "9", "--out", str(form)).exit_code == 1

    database = Database(site.config.database_url)
    with database.write() as session:
        session.execute(text("UPDATE custody_step SET person = 'x' WHERE step = 'approved'"))
    database.dispose()
    broken = site.yuenyan("evidence", "custody", "list")
    assert broken.exit_code == 1 and "step 2 was altered" in broken.stderr


def test_refusals_say_what_to_add_and_leave_no_file(site: Site, tmp_path: Path) -> None:
    seed(site)
    out = tmp_path / "x.zip"
    for arguments, said in (
        (("--reason", "1", *PERIOD, "--user", "malee"), "--case"),
        ((*CASE, "--user", "malee"), "--from"),
    ):
        result = site.yuenyan("evidence", "export", *arguments, "--out", str(out))
        assert result.exit_code == 2 and said in result.stderr, result.stderr
    result = site.yuenyan(
        "evidence", "export", *CASE, *PERIOD, "--user", "nosuch", "--out", str(out)
    )
    assert result.exit_code == 1
    assert not list(tmp_path.glob("*x.zip*"))


def test_case_and_period_are_enough_and_what_that_means_is_said(site: Site, tmp_path: Path) -> None:
    seed(site)
    out = tmp_path / "x.zip"
    result = site.yuenyan("evidence", "export", "--case", "9", *PERIOD, "--out", str(out))
    assert result.exit_code == 0 and "holds everyone of the period" in result.stderr
    assert site.yuenyan("evidence", "verify", str(out)).exit_code == 0


def test_a_tampered_bundle_is_refused_by_name_with_exit_1(site: Site, tmp_path: Path) -> None:
    seed(site)
    out = tmp_path / "x.zip"
    told = export(site, out, "--user", "malee")
    octets = bytearray(out.read_bytes())
    place = octets.index("มาลี".encode())
    octets[place + 2] ^= 1
    bad = tmp_path / "bad.zip"
    bad.write_bytes(octets)
    result = site.yuenyan("evidence", "verify", str(bad), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["item"] == "records/accounts.csv"
    assert "records/accounts.csv" in result.stderr
    assert site.yuenyan("evidence", "verify", str(tmp_path / "none.zip")).exit_code == 2
    own = site.data_dir / "keys" / "evidence.pem"
    result = site.yuenyan("evidence", "verify", str(out), "--public-key", str(own), "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["key_was_given"]) == (0, True)
    assert report["fingerprint"] == told["key_fingerprint"]
    other = site.data_dir / "keys" / "seal.pub"
    result = site.yuenyan("evidence", "verify", str(out), "--public-key", str(other))
    assert result.exit_code == 1 and "somebody else" in result.stderr


def test_a_site_without_the_key_says_what_to_do_and_init_makes_it(
    site: Site, tmp_path: Path
) -> None:
    seed(site)
    for name in ("evidence.key", "evidence.pem"):
        (site.data_dir / "keys" / name).unlink()
    command = ("evidence", "export", *CASE, *PERIOD, "--user", "malee", "--out")
    result = site.yuenyan(*command, str(tmp_path / "x.zip"))
    assert result.exit_code == 2 and "yuenyan init" in result.stderr
    assert "evidence key" in site.yuenyan("init").stdout
    assert site.yuenyan(*command, str(tmp_path / "x.zip")).exit_code == 0


def test_the_printed_verifier_checks_the_bundle_on_a_clean_machine(
    site: Site, tmp_path: Path, with_pdf: None
) -> None:
    seed(site)
    clean = tmp_path / "clean"
    clean.mkdir()
    told = export(site, clean / "x.zip", "--address", PUBLIC, "--recipient", "สภ.เมือง")
    with zipfile.ZipFile(clean / "x.zip") as opened:
        assert ("letter/cover-letter.pdf" in opened.namelist()) is told["pdf"]
        assert "เรียน  สภ.เมือง" in opened.read("letter/cover-letter.txt").decode()
    (clean / "verify.py").write_text(site.yuenyan("evidence", "verifier").stdout, "utf-8")
    result = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "x.zip", "--json"],
        cwd=clean,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["fingerprint"] == told["key_fingerprint"]


def test_doctor_says_what_evidence_still_needs(site: Site) -> None:
    def findings() -> dict[str, dict[str, str]]:
        told = json.loads(site.yuenyan("doctor", "--json").stdout)
        return {finding["check"]: finding for finding in told["findings"]}

    seed(site)
    export(site, site.data_dir / "x.zip", "--user", "malee")
    found = findings()
    assert found["coordinator"]["level"] == "warn"
    assert found["key evidence.key"]["what"].startswith("fingerprint ")
    assert found["custody register"]["level"] == "ok"
    with site.config_file.open("a", encoding="utf-8") as stream:
        stream.write('[office]\ncoordinator = "นางสาวน้ำผึ้ง"\ncoordinator_contact = "โทร. 1"\n')
        stream.write('deputy = "นายดี"\ndeputy_contact = "โทร. 2"\n')
    (site.data_dir / "keys" / "evidence.key").unlink()
    database = Database(site.config.database_url)
    with database.write() as session:
        session.execute(text("UPDATE exhibit SET sha256 = 'ff'"))
    database.dispose()
    found = findings()
    assert found["coordinator"]["level"] == "ok"
    assert found["key evidence.key"]["level"] == "warn"
    assert "yuenyan init" in found["key evidence.key"]["what"]
    assert found["custody register"]["level"] == "error"


@pytest.mark.real
def test_unzip_openssl_and_sha256sum_are_enough(site: Site, tmp_path: Path) -> None:
    seed(site)
    out, folder = tmp_path / "x.zip", tmp_path / "unpacked"
    export(site, out, "--user", "malee")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", out, folder], check=True)
    openssl = require("openssl", "openssl")
    command = f"{openssl} pkeyutl -verify -pubin -inkey evidence-key.pem -rawin -in MANIFEST.json"
    subprocess.run([*command.split(), "-sigfile", "MANIFEST.sig"], cwd=folder, check=True)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True
    )
