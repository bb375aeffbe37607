"""Sheets of vouchers as PDF, read again by programs that nobody here wrote."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from identity.domain.access import Granted
from identity.domain.admission import find_code
from identity.office import Office
from identity.services import login
from tests.conftest import Site
from tests.programs import require


def _read(pdf: Path, folder: Path, dots: int) -> list[str]:
    """What a scanner reads from the rendered pages."""
    subprocess.run(
        [require("pdftoppm", "poppler-utils"), "-r", str(dots), "-png", pdf, folder / "page"],
        check=True,
        timeout=60,
    )
    found: list[str] = []
    for page in sorted(folder.glob("page*.png")):
        done = subprocess.run(
            [require("zbarimg", "zbar-tools"), "--nodbus", "-q", "--raw", page],
            check=True,
            capture_output=True,
            timeout=60,
        )
        found += done.stdout.decode().splitlines()
    return found


@pytest.mark.real
def test_printed_codes_scan_read_and_sign_in(site: Site, office: Office, tmp_path: Path) -> None:
    require("pdftotext", "poppler-utils")
    logo = tmp_path / "logo.svg"
    logo.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
    )
    with site.config_file.open("a") as stream:
        stream.write(f'[vouchers]\nwifi_ssid = "ห้อง;ประชุม"\nlogo = "{logo}"\n')
    site.config_file.write_text(
        site.config_file.read_text().replace(
            "[portal]\n", '[portal]\npublic_url = "https://wifi.school.example"\n'
        )
    )
    made = json.loads(
        site.yuenyan(
            "voucher", "create", "--count", "13", "--language", "both", "--json",
            "--valid", "minutes_of_use", "--until", "2569-12-30 16:30",
        ).stdout
    )  # fmt: skip
    batch, codes = str(made["batch"]), made["codes"]
    for layout, dots, on_page in (("10", 200, 10), ("58", 160, 1)):
        pdf = tmp_path / f"slips-{layout}.pdf"
        printed = site.yuenyan("voucher", "print", batch, "--layout", layout, "--out", str(pdf))
        assert printed.stdout == f"{pdf}: 13 codes\n", printed.stderr
        folder = tmp_path / layout
        folder.mkdir()
        scanned = _read(pdf, folder, dots)
        links = sorted(text for text in scanned if text.startswith("https:"))
        assert links == sorted(f"https://wifi.school.example/v?c={code}" for code in codes)
        assert scanned.count("WIFI:T:nopass;S:ห้อง\\;ประชุม;;") == 13
        assert len(list(folder.glob("*.png"))) == -(-13 // on_page)
        text = subprocess.run(
            [require("pdftotext", "poppler-utils"), pdf, "-"],
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout.decode()
        assert sorted(re.findall(r"[0-9A-Z]{5}-[0-9A-Z]{5}", text)) == sorted(codes)
        # Vowels and tone marks come out as they were put in, so they were shaped, not drawn apart.
        assert "ใช้ได้รวม 8 ชั่วโมง ถึง 30 ธ.ค. 2569 เวลา 16:30 น." in " ".join(text.split())
    code = find_code(codes[0])
    assert code is not None and isinstance(login.check_voucher(office, code, None), Granted)
    again = site.yuenyan("voucher", "print", batch, "--out", str(tmp_path / "again.pdf"))
    assert "12 codes" in again.stdout


def test_printing_says_what_is_missing(site: Site, tmp_path: Path) -> None:
    site.yuenyan("voucher", "create", "--count", "1")
    refused = site.yuenyan("voucher", "print", "1", "--out", str(tmp_path / "a.pdf"))
    assert refused.exit_code == 1 and "public_url = " in refused.stderr
    assert site.yuenyan("voucher", "print", "7", "--out", str(tmp_path / "a.pdf")).exit_code == 1


def test_a_sheet_is_exported_shown_extended_and_revoked_by_code(
    site: Site, office: Office, tmp_path: Path
) -> None:
    made = json.loads(
        site.yuenyan(
            "voucher", "create", "--count", "3", "--receiver", "ครูสมศรี", "--prefix", "MTG",
            "--quota-mb", "100", "--json",
        ).stdout
    )  # fmt: skip
    assert all(code.startswith("MTG-") for code in made["codes"])
    first = made["codes"][0]
    code = find_code(first)
    assert code is not None and isinstance(
        login.check_voucher(office, code, "3c22fb010203"), Granted
    )
    out = tmp_path / "codes.csv"
    assert "3 codes" in site.yuenyan("voucher", "export", "1", "--out", str(out)).stdout
    assert out.read_text("utf-8-sig").splitlines()[1].startswith(f"1,{first},active,")
    assert out.stat().st_mode & 0o077 == 0
    assert (
        site.yuenyan("voucher", "extend", "1", "--megabytes", "50").stdout == "extended 3 codes\n"
    )
    nothing = site.yuenyan("voucher", "extend", "1")
    assert nothing.exit_code == 2 and "say by what to extend" in nothing.stderr
    assert site.yuenyan("voucher", "release", first, "3c:22:fb:01:02:03").stdout == "released\n"
    assert site.yuenyan("voucher", "revoke", "--code", first).stdout == "revoked 1 code\n"
    shown = json.loads(site.yuenyan("voucher", "show", "1", "--json").stdout)
    assert (shown["receiver"], shown["quota_mb"]) == ("ครูสมศรี", 100)
    assert [one["state"] for one in shown["vouchers"]] == ["revoked", "unused", "unused"]
    assert "MTG" not in site.yuenyan("voucher", "show", "1").stdout
    listed = json.loads(site.yuenyan("voucher", "list", "--state", "revoked", "--json").stdout)
    assert [one["batch"] for one in listed] == [1]
    assert json.loads(site.yuenyan("voucher", "list", "--state", "expired", "--json").stdout) == []
    assert site.yuenyan("voucher", "delete-expired").stdout == "deleted 0 codes\n"
    assert site.yuenyan("voucher", "revoke").exit_code == 2
