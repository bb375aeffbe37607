"""The Thai papers: what they say, what they leave open, and that the PDF can be read."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from common.config_office import OfficeDuties
from tests.programs import missing, require
from traffic.evidence import papers, printing
from traffic.evidence.documents import Block, Grid, Paragraph, to_html, to_text
from traffic.evidence.letters import (
    Facts,
    Passing,
    cover_letter,
    custody_form,
    thai_moment,
)
from traffic.evidence.scope import Subject
from traffic.lookup.attribution import Window

NOW = datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC)
FINGERPRINT = " ".join(f"{number:08x}" for number in range(8))
OFFICE = "สำนักงานเขตพื้นที่การศึกษามัธยมศึกษาชัยภูมิ"


def facts(recipient: str = "", letterhead: OfficeDuties | None = None) -> Facts:
    window = Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
    subject = Subject(window=window, address=ip_address("198.51.100.7"), port=50_000)
    return Facts(
        office=OFFICE,
        letterhead=letterhead or OfficeDuties(),
        zone="Asia/Bangkok",
        created_at=NOW,
        case="12/2569",
        reason="หมายเรียก",
        request=None,
        recipient=recipient,
        reference="",
        from_at=window.from_at,
        to_at=window.to_at,
        subjects=(subject,),
        file_name="case.zip",
        counts=(("accounts", 1), ("flows", 1234)),
        gaps=0,
        made_by="head",
        fingerprint=FINGERPRINT,
    )


def test_a_date_is_thai_in_digits_month_and_era() -> None:
    assert thai_moment(NOW, "Asia/Bangkok") == "๒๘ พฤศจิกายน ๒๕๖๙ เวลา ๑๐:๐๔:๐๕\u00a0น."


def test_with_an_addressee_it_is_a_letter_and_without_one_a_memorandum_for_approval() -> None:
    letter = to_text(cover_letter(facts("ผู้กำกับการ สภ.เมือง")))
    assert "เรียน  ผู้กำกับการ สภ.เมือง" in letter and "ขอแสดงความนับถือ" in letter
    assert "บันทึกข้อความ" not in letter
    memorandum = to_text(cover_letter(facts()))
    assert memorandum.startswith("บันทึกข้อความ") and "โปรดอนุมัติ" in memorandum
    for text in (letter, memorandum):
        assert FINGERPRINT in text
        assert "198.51.100.7" in text and "พอร์ต 50000" in text
        assert "๑,๒๓๔" in text
        assert "มิใช่ข้อพิสูจน์ว่าบุคคลใดเป็นผู้ใช้อุปกรณ์" in text
        assert "ไม่พบว่ามีข้อมูลขาดหาย" in text


def test_a_coordinator_who_is_not_set_is_shown_as_missing() -> None:
    assert to_text(cover_letter(facts("x"))).count("(ยังไม่ได้กำหนด)") == 2
    named = OfficeDuties(coordinator="นางสาวน้ำผึ้ง", coordinator_contact="โทร. 1", deputy="นายดี")
    text = to_text(cover_letter(facts("x", named)))
    assert "นางสาวน้ำผึ้ง โทร. 1" in text and "(ยังไม่ได้กำหนด)" not in text


def form(sha256: str = "") -> Sequence[Block]:
    passing = Passing(
        at=NOW,
        step="handed_over",
        person="ร.ต.อ. กล้าหาญ ปั๊มน้ำ",
        officer_id="1234567",
        document="ศธ 1/2",
        place="",
        note="",
        hash="c" * 64,
    )
    return custody_form(facts(), [passing], exhibit="3", sha256=sha256)


def test_the_form_has_the_steps_and_room_for_more() -> None:
    text = to_text(form("ab" * 32))
    assert "ส่งมอบ" in text and "1234567" in text
    assert "abababab abababab" in text
    assert text.count("การดำเนินการ: ....") == 6
    assert "SHA-256 ของแฟ้ม  ......" in to_text(form())


def test_a_name_cannot_bring_markup_into_a_page() -> None:
    blocks: list[Block] = [Paragraph("<script>x</script>"), Grid(("<b>",), [("<i>",)])]
    html = to_html(blocks, "<title>")
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html


def test_the_style_does_not_name_the_fonts_that_fontconfig_squeezes() -> None:
    assert "TH Sarabun" not in to_html([], "x")


def test_without_pango_there_is_html_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "to_pdf", lambda html: None)
    items = papers.paper_items("letter", cover_letter(facts()), "x")
    assert set(items) == {"letter.txt", "letter.html"}


@pytest.mark.real
def test_the_pdf_has_the_thai_letters_with_their_vowels_and_tone_marks(tmp_path: Path) -> None:
    pdftotext, pdffonts = (
        require("pdftotext", "poppler-utils"),
        require("pdffonts", "poppler-utils"),
    )
    html = to_html(form(), "x", wide=True)
    pdf = printing.to_pdf(html)
    if pdf is None:
        missing(printing.NO_PDF)
    assert pdf == printing.to_pdf(html)
    path = tmp_path / "form.pdf"
    path.write_bytes(pdf)
    fonts = subprocess.run([pdffonts, path], capture_output=True, text=True, check=True).stdout
    assert all(line.split()[-5] == "yes" for line in fonts.splitlines()[2:]), fonts
    command = [pdftotext, "-layout", str(path), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for word in ("แบบบันทึกการส่งต่อพยานหลักฐาน", "กล้าหาญ", "เลขทะเบียน", "ที่พยานหลักฐานเปลี่ยนมือ"):
        assert word in text, text
