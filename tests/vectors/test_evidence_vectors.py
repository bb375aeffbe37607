"""Bundles that were given out stay verifiable: `evidence/bundle-N.zip` is never made anew.

Bundle 1 is of format `yuenyan-evidence-1`: an export by public address and port from a site of
invented people, its proofs of the type `chain`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from traffic.evidence import verify

FOLDER = Path(__file__).parent / "evidence"
KEY = bytes.fromhex("67377d9f7198e1b055c5607aedafabd197b84b94244a32e6ad14cbd3bea9b2b6")


def test_the_first_bundle_ever_made_is_still_found_whole() -> None:
    report = verify.check(str(FOLDER / "bundle-1.zip"), KEY)
    assert report["fingerprint"].startswith("ee99f4fd 430d96f4")
    assert (report["case"], report["created_at"]) == ("12/2569", "2026-11-28T07:23:16+07:00")
    assert (report["records"], report["records_under_seal"]) == (12, 3)
    assert (report["items"], report["segments_proven"]) == (41, 4)


def test_the_check_that_it_brought_along_still_finds_it_whole(tmp_path: Path) -> None:
    with (FOLDER / "bundle-1.zip").open("rb") as stream:
        inside = verify._Bundle(stream).read("verify.py")
    (tmp_path / "verify.py").write_bytes(inside)
    result = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", FOLDER / "bundle-1.zip"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "The bundle is whole: 41 items, 12 records." in result.stdout
