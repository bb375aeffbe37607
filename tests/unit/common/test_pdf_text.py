"""Thai text that is copied from a PDF is the text that was put in, and looks as it did."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import weasyprint

from common.pdf_text import true_text
from tests.programs import require

LINES = (
    "สำนักงานเขตพื้นที่การศึกษา",
    "น้ำ ที่นี่ ป้ำ ญี่ปุ่น ฐานุกุล",
    "กำรศึกษำ เกี่ยวกับ ปั๊ม",
    "English ทำได้ Wi-Fi2 ฟ้า",
    "ผู้ใหญ่ ซื้อ ฎีกา ปฏิบัติ",
    "ก็ เด็ก ปี่ ฝั่ง ศักดิ์สิทธิ์",
    "รหัสผ่าน: ab3d-ef4h (ครั้งแรก)",
)


def page(family: str) -> str:
    lines = "".join(f"<p>{line}</p>" for line in LINES)
    return f'<body style="font-family: {family}; font-size: 14pt">{lines}'


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@pytest.mark.real
@pytest.mark.parametrize("family", ["Loma", "Garuda", "Norasi", "Waree"])
def test_what_is_copied_is_what_was_written_and_what_is_drawn_stays(
    tmp_path: Path, family: str
) -> None:
    text, picture = require("pdftotext", "poppler-utils"), require("pdftoppm", "poppler-utils")
    html = weasyprint.HTML(string=page(family))
    plain, true = tmp_path / "plain.pdf", tmp_path / "true.pdf"
    plain.write_bytes(html.write_pdf())
    true.write_bytes(html.write_pdf(finisher=true_text))
    assert "กำรศึกษำ" in run(text, plain, "-").decode(), "WeasyPrint has mended it: is this needed?"
    copied = [line for line in run(text, true, "-").decode().splitlines() if line.strip("\f ")]
    assert copied == list(LINES)
    drawn = [run(picture, "-r", "90", "-gray", path) for path in (plain, true)]
    assert drawn[0] == drawn[1]


def test_text_without_thai_is_left_alone() -> None:
    before: list[Any] = []
    after: list[Any] = []

    def finish(document: Any, pdf: Any) -> None:
        before.extend(list(getattr(one, "stream", ())) for one in pdf.objects)
        true_text(document, pdf)
        after.extend(list(getattr(one, "stream", ())) for one in pdf.objects)

    weasyprint.HTML(string='<p style="font-family: Loma">Only English').write_pdf(finisher=finish)
    assert before == after
