"""Dates, languages and QR codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

import captive_portal.public
import captive_portal.web
from captive_portal.web import qr
from captive_portal.web.dates import format_date, format_duration, format_moment
from captive_portal.web.i18n import load_catalogue
from captive_portal.web.telephone import unbroken

NEW_YEAR = datetime(2025, 12, 31, 17, 5, tzinfo=UTC)
"""Five past midnight of 1 January 2569 in Bangkok."""


def test_moments_are_local_and_thai_years_are_buddhist() -> None:
    assert format_moment(NEW_YEAR, "th") == "1 ม.ค. 2569 เวลา 00:05 น."
    assert format_moment(NEW_YEAR, "en") == "1 Jan 2026, 00:05"
    assert format_date(NEW_YEAR, "th", "UTC") == "31 ธ.ค. 2568"


@pytest.mark.parametrize(
    ("seconds", "thai", "english"),
    [
        (-5, "ไม่ถึง 1 นาที", "less than 1 min"),
        (59, "ไม่ถึง 1 นาที", "less than 1 min"),
        (60, "1 นาที", "1 min"),
        (7505, "2 ชั่วโมง 5 นาที", "2 h 5 min"),
        (7200, "2 ชั่วโมง", "2 h"),
        (86400 * 3 + 3700, "3 วัน 1 ชั่วโมง", "3 d 1 h"),
    ],
)
def test_durations_name_their_two_largest_units(seconds: int, thai: str, english: str) -> None:
    assert format_duration(seconds, "th") == thai
    assert format_duration(seconds, "en") == english


def used_messages() -> set[str]:
    methods = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    found: set[str] = set()
    for package in (captive_portal.public, captive_portal.web):
        folder = str(Path(package.__file__ or "").parent)
        found |= {str(item[2]) for item in extract_from_dir(folder, method_map=methods)}
    return found


def test_every_message_of_the_public_portal_has_a_thai_text() -> None:
    catalogue = load_catalogue("th")
    used = used_messages()
    assert len(used) > 100
    missing = {text for text in used if text not in catalogue or not catalogue[text].string}
    assert missing == set()


def test_thai_texts_are_thai_and_keep_the_places_of_their_values() -> None:
    placeholder = re.compile(r"%\(\w+\)\w")
    catalogue = load_catalogue("th")
    for text in used_messages():
        thai = str(catalogue[text].string)
        assert re.search("[ก-๙]", thai), text
        assert sorted(placeholder.findall(thai)) == sorted(placeholder.findall(text)), text
        # A vowel or tone mark without a letter to stand on shows as a dotted circle.
        assert not re.search("(^|[^ก-ฮะ-ฺเ-๎])[ัิ-ฺ็-๎]", thai), text
        assert "ํา" not in thai, text


def test_a_qr_code_is_one_svg_without_any_address_to_load() -> None:
    svg = qr.svg("http://portal.example/registration/ABCD-2345", 'a "label"')
    assert svg.startswith("<svg") and svg.endswith("</svg>")
    assert "&#34;label&#34;" in svg
    assert "href" not in svg and len(svg) < 8000


def test_a_telephone_number_does_not_break_and_nothing_else_becomes_html() -> None:
    shown = unbroken("<b>ห้อง 12</b> โทร 0 4224 1234 หรือ 089-123-4567")
    assert shown == (
        "&lt;b&gt;ห้อง 12&lt;/b&gt; โทร "
        '<span class="tel">0 4224 1234</span> หรือ <span class="tel">089-123-4567</span>'
    )
    assert unbroken("") == ""
