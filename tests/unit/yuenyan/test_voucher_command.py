"""What `yuenyan voucher` says of sheets that were issued, extended and revoked."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import Site

CODE = re.compile(r"[0-9A-Z]{5}-[0-9A-Z]{5}")


def test_the_number_of_a_new_sheet_is_told_beside_its_codes(site: Site) -> None:
    made = site.yuenyan("voucher", "create", "--count", "2")
    assert all(CODE.fullmatch(line) for line in made.stdout.splitlines())
    assert len(made.stdout.splitlines()) == 2
    assert "sheet 1: yuenyan voucher print 1 " in made.stderr
    assert not CODE.search(made.stderr)


def test_who_makes_a_sheet_that_cannot_be_printed_yet_is_told_what_to_write(
    site: Site, tmp_path: Path
) -> None:
    line = 'public_url = "https://wifi.example.go.th"'
    made = site.yuenyan("voucher", "create", "--count", "1")
    assert made.exit_code == 0
    assert "warning: slips need the address of the portal" in made.stderr
    assert f"under [portal]: {line}" in made.stderr
    printing = ("voucher", "print", "1", "--out", str(tmp_path / "slips.pdf"))
    refused = site.yuenyan(*printing)
    assert (refused.exit_code, line in refused.stderr) == (1, True)
    text = site.config_file.read_text(encoding="utf-8")
    site.config_file.write_text(text.replace("[portal]", f"[portal]\n{line}"), encoding="utf-8")
    assert "warning" not in site.yuenyan("voucher", "create", "--count", "1").stderr
    assert site.yuenyan(*printing).exit_code == 0


def test_what_an_extension_added_is_shown_and_a_revoked_code_gets_none(site: Site) -> None:
    codes = site.yuenyan("voucher", "create", "--count", "2").stdout.split()
    extended = site.yuenyan("voucher", "extend", "--code", codes[0], "--minutes", "60")
    assert (extended.exit_code, extended.stdout) == (0, "extended 1 code\n")
    assert "+60 min" in site.yuenyan("voucher", "show", "1").stdout
    shown = json.loads(site.yuenyan("voucher", "show", "1", "--json").stdout)
    assert [one["extra_minutes"] for one in shown["vouchers"]] == [60, 0]
    site.yuenyan("voucher", "revoke", "1")
    for words in (("--code", codes[0]), ("1",)):
        refused = site.yuenyan("voucher", "extend", *words, "--minutes", "60")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "revoked codes stay revoked" in refused.stderr
