"""What slips say, where it stands, and what their QR codes hold."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import weasyprint

from captive_portal.slips.layouts import LAYOUTS, Box, Layout
from captive_portal.slips.rendering import bare_cards_html, sheets_html, style_sheet
from captive_portal.slips.wording import Sheet, wifi_text
from identity.domain.vouchers import Validity

NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
SHEET = Sheet(
    title="ค่าย",
    site="โรงเรียน <ทดสอบ>",
    portal="https://wifi.school.example",
    language="th",
    zone="Asia/Bangkok",
    validity=Validity.FROM_FIRST_USE,
    minutes=480,
    not_before=None,
    hard_expiry=NOW + timedelta(days=30),
    devices=2,
    ssid="School;Guest",
    security="nopass",
)


@pytest.mark.parametrize(
    ("change", "thai", "english"),
    [
        pytest.param({}, "ใช้ได้ 8 ชั่วโมง นับจากใช้ครั้งแรก", "8 h from first use", id="first-use"),
        pytest.param(
            {"validity": Validity.FROM_CREATION},
            "ใช้ได้ถึง 28 ธ.ค. 2569 เวลา 11:00 น.",
            "Valid until 28 Dec 2026, 11:00",
            id="creation",
        ),
        pytest.param(
            {"validity": Validity.FIXED_WINDOW, "not_before": NOW},
            "ใช้ได้ 28 พ.ย. 2569 เวลา 11:00 น. ถึง 28 ธ.ค. 2569 เวลา 11:00 น.",
            "Valid 28 Nov 2026, 11:00 to 28 Dec 2026, 11:00",
            id="window",
        ),
        pytest.param(
            {"validity": Validity.MINUTES_OF_USE},
            "ใช้ได้รวม 8 ชั่วโมง ถึง 28 ธ.ค. 2569 เวลา 11:00 น.",
            "8 h of use, until 28 Dec 2026, 11:00",
            id="minutes",
        ),
    ],
)
def test_a_slip_says_how_long_it_is_good(
    change: dict[str, object], thai: str, english: str
) -> None:
    sheet = replace(SHEET, **change)  # type: ignore[arg-type]
    assert sheet.terms("th")[0] == thai
    assert sheet.terms("en")[0] == english


def test_a_slip_says_what_else_it_is_bound_to() -> None:
    sheet = replace(SHEET, quota_mb=1500, hours="mon-fri 08:00-16:00", devices=1)
    assert sheet.terms("th")[1:] == [
        "เริ่มใช้ภายใน 28 ธ.ค. 2569",
        "1 เครื่อง / ข้อมูล 1.5 GB",
        "เวลา จ.-ศ. 08:00-16:00",
    ]
    assert sheet.terms("en")[-2:] == ["1 device / 1.5 GB of data", "Open mon-fri 08:00-16:00"]
    assert len(replace(sheet, language="both").terms("th")) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("Guests", "nopass", ""), "WIFI:T:nopass;S:Guests;;"),
        (("Gu;es,ts", "WPA", 'p:a"s\\s'), 'WIFI:T:WPA;S:Gu\\;es\\,ts;P:p\\:a\\"s\\\\s;;'),
        (("ห้องประชุม", "SAE", "secret"), "WIFI:T:SAE;S:ห้องประชุม;P:secret;;"),
    ],
)
def test_a_wifi_code_is_escaped_as_phones_read_it(
    arguments: tuple[str, str, str], text: str
) -> None:
    assert wifi_text(*arguments) == text


def test_without_a_known_wifi_there_is_one_code_to_scan() -> None:
    for sheet in (replace(SHEET, ssid=""), replace(SHEET, security="")):
        assert sheet.wifi == "" and sheet.login_caption == "เข้าใช้งาน"
    assert SHEET.login_caption == "2 เข้าใช้งาน"
    assert SHEET.login("ABCDE-FGHJK") == "https://wifi.school.example/v?c=ABCDE-FGHJK"


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_nothing_on_a_card_covers_anything_else_or_leaves_it(layout: Layout) -> None:
    boxes = [layout.head, layout.network, layout.code, layout.terms, layout.login]
    assert not any(
        _overlap(one, other) for number, one in enumerate(boxes) for other in boxes[number + 1 :]
    )
    assert not any(_overlap(layout.wifi, box) for box in boxes)
    for box in (*boxes, layout.wifi):
        assert box.x >= 0 and box.x + box.width <= layout.card_width
        assert box.y >= 0 and box.y + box.height <= layout.card_height
    assert layout.margin_x >= 0 and layout.margin_y >= 0
    assert layout.login.width == layout.login.height >= 20


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(
    "site",
    [
        "โรงเรียนบ้านหนองบัวใหญ่วิทยาคาร",
        "สำนักงานเขตพื้นที่การศึกษามัธยมศึกษานครราชสีมา",
        "สำนักงานเขตพื้นที่การศึกษาประถมศึกษาพระนครศรีอยุธยา เขต 2",
    ],
    ids=["school", "office", "longest"],
)
def test_the_name_of_an_office_is_not_cut(layout: Layout, site: str) -> None:
    html = bare_cards_html([replace(SHEET, site=site)], layout)
    page = weasyprint.HTML(string=html).render().pages[0]._page_box
    head = next(
        box
        for box in page.descendants()
        if box.element is not None and "head" in (box.element.get("class") or "").split()
    )
    lines = [box for box in head.descendants() if type(box).__name__ == "LineBox"]
    for line in lines:
        ends = [part.position_x + part.width for part in line.children]
        assert max(ends) <= head.position_x + head.width + 0.5
    assert 1 <= len(lines) <= 2
    assert sum(line.height for line in lines) <= head.height


def test_a_long_code_gets_smaller_and_still_fits() -> None:
    layout = LAYOUTS["24"]
    size = layout.code_size(len("MTG2-ABCD-EFGH-JKMN"))
    assert size < layout.code_points == layout.code_size(9)
    assert size * 0.6 * 19 <= layout.code.width / 25.4 * 72 + 0.2


def test_sheets_show_every_code_once_with_marks_to_cut_by() -> None:
    codes = [f"ABCDE-FGH{number:02d}" for number in range(22, 52)]
    pages = list(sheets_html(SHEET, LAYOUTS["24"], codes))
    assert len(pages) == 2
    text = "".join(pages)
    assert re.findall(r'class="code [^"]+">([^<]+)<', text) == codes
    assert text.count('class="login"') == text.count('class="wifi"') == 30
    assert "โรงเรียน &lt;ทดสอบ&gt;" in text and 'class="marks"' in text
    assert "style=" not in text  # the policy of the page allows none
    (slip,) = sheets_html(SHEET, LAYOUTS["58"], codes[:1])
    assert 'd=""' in slip
    assert "58mm 124mm" in style_sheet(LAYOUTS["58"])


def test_the_bare_card_has_everything_but_code_and_login() -> None:
    html = bare_cards_html([SHEET, replace(SHEET, security="")], LAYOUTS["10"])
    assert html.count("<article") == 2
    assert html.count('<div class="wifi">') == 1
    assert 'class="code' not in html and 'class="login"' not in html
