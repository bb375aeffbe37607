"""The Thai papers that go with a bundle: cover letter or memorandum, and the custody form.

Pure. The number of the letter, the addressee and the signatures are the office's: what is not
known is left as dots. Cites no clause of any notification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from common.config_office import OfficeDuties
from common.net import format_mac
from traffic.evidence.documents import (
    DOTS,
    Aside,
    Block,
    Fields,
    Grid,
    Heading,
    Paragraph,
    Signature,
    Title,
)
from traffic.evidence.scope import Subject
from traffic.lookup.question import format_destination

_MONTHS = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
_DIGITS = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")
_BUDDHIST_ERA = 543

STEPS = {
    "created": "จัดทำพยานหลักฐาน",
    "approved": "อนุมัติให้ส่งมอบ",
    "handed_over": "ส่งมอบ",
    "copied": "ทำสำเนา",
    "returned": "รับคืน",
    "destroyed": "ทำลาย",
}
"""The steps of the custody register, as the form names them."""

TABLES = {
    "accounts": "บัญชีผู้ใช้และผู้รับผิดชอบ",
    "sessions": "การเชื่อมต่อเครือข่าย",
    "addresses": "หมายเลขไอพีที่ได้รับ",
    "accounting": "ข้อมูล RADIUS Accounting พร้อมข้อมูลดิบ",
    "logins": "การพิสูจน์ตัวตนเข้าใช้เครือข่าย",
    "flows": "ข้อมูลการสื่อสาร (flow)",
    "nat": "การแปลงหมายเลขไอพี (NAT)",
    "leases": "การแจกหมายเลขไอพี (DHCP)",
    "access": "บันทึกการเข้าใช้บริการ",
    "archived": "การเชื่อมต่อที่ย้ายเข้าคลังแล้ว",
}
"""The tables of records, as the list of exhibits names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the papers say of a bundle."""

    office: str
    letterhead: OfficeDuties
    zone: str
    created_at: datetime
    case: str
    reason: str
    request: str | None
    recipient: str
    """Whom the letter is to; empty: it is a memorandum to the director."""
    reference: str
    """Number and date of the letter that asked; empty: the case stands for it."""
    from_at: datetime
    to_at: datetime
    subjects: Sequence[Subject]
    file_name: str
    counts: Sequence[tuple[str, int]]
    gaps: int
    made_by: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One line of the custody form."""

    at: datetime
    step: str
    person: str
    officer_id: str
    document: str
    place: str
    note: str
    hash: str


def thai_digits(text: object) -> str:
    """Numbers as official letters write them."""
    return str(text).translate(_DIGITS)


def thai_date(moment: datetime, zone: str) -> str:
    """`๒๘ พฤศจิกายน ๒๕๖๙`."""
    local = moment.astimezone(ZoneInfo(zone))
    day = f"{local.day} {_MONTHS[local.month - 1]} {local.year + _BUDDHIST_ERA}"
    return thai_digits(day)


def thai_moment(moment: datetime, zone: str) -> str:
    """`๒๘ พฤศจิกายน ๒๕๖๙ เวลา ๑๔:๐๕:๐๙ น.`."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{thai_date(moment, zone)} เวลา {thai_digits(f'{local:%H:%M:%S}')}\u00a0น."


def cover_letter(facts: Facts) -> list[Block]:
    """The letter to whoever asked; without an addressee the memorandum that asks for approval."""
    head = _letter_head(facts) if facts.recipient else _memorandum_head(facts)
    return [*head, *_body(facts), *_ending(facts)]


def _letter_head(facts: Facts) -> list[Block]:
    number = f"{facts.letterhead.document_prefix} / {DOTS[:20]}".strip(" /")
    reference = facts.reference or f"เรื่อง/คดีที่ {facts.case}"
    return [
        Fields([("ที่", number)]),
        Aside([facts.office, *facts.letterhead.address.splitlines()]),
        Aside([thai_date(facts.created_at, facts.zone)]),
        Fields(
            [
                ("เรื่อง", "ขอส่งข้อมูลจราจรทางคอมพิวเตอร์"),
                ("เรียน", facts.recipient),
                ("อ้างถึง", reference),
                (
                    "สิ่งที่ส่งมาด้วย",
                    f"๑. แฟ้มพยานหลักฐานดิจิทัล {facts.file_name} จำนวน ๑ แฟ้ม\n"
                    "๒. แบบบันทึกการส่งต่อพยานหลักฐาน จำนวน ๑ ฉบับ",
                ),
            ]
        ),
        Paragraph(
            "ตามหนังสือที่อ้างถึง ขอให้ส่งข้อมูลจราจรทางคอมพิวเตอร์เพื่อประกอบการดำเนินการ"
            f"ตามเรื่อง/คดีที่ {facts.case} ความละเอียดแจ้งแล้ว นั้น"
        ),
    ]


def _memorandum_head(facts: Facts) -> list[Block]:
    number = f"{facts.letterhead.document_prefix} / {DOTS[:20]}".strip(" /")
    return [
        Title("บันทึกข้อความ"),
        Fields(
            [
                ("ส่วนราชการ", facts.office),
                ("ที่", f"{number}   วันที่ {thai_date(facts.created_at, facts.zone)}"),
                ("เรื่อง", "ขออนุมัติส่งข้อมูลจราจรทางคอมพิวเตอร์"),
                ("เรียน", f"ผู้อำนวยการ{facts.office}"),
            ]
        ),
        Paragraph(
            f"ด้วยมีความจำเป็นต้องส่งข้อมูลจราจรทางคอมพิวเตอร์ตามเรื่อง/คดีที่ {facts.case}"
            + (f" (อ้างถึง {facts.reference})" if facts.reference else "")
        ),
    ]


def _body(facts: Facts) -> list[Block]:
    zone = facts.zone
    asked = [("เหตุผล", facts.reason)]
    if facts.request:
        asked.append(("เลขทะเบียนคำขอ", facts.request))
    asked += [
        ("ช่วงเวลา", f"{thai_moment(facts.from_at, zone)} ถึง {thai_moment(facts.to_at, zone)}"),
        ("เกี่ยวกับ", "\n".join(_subject(one, zone) for one in facts.subjects)),
    ]
    rows = [
        (thai_digits(place), TABLES.get(name, name), thai_digits(f"{count:,}"))
        for place, (name, count) in enumerate(facts.counts, 1)
    ]
    if facts.gaps:
        gaps = (
            f"ในช่วงเวลาดังกล่าวมีข้อมูลขาดหายหรืออาจขาดหาย {thai_digits(facts.gaps)} ช่วง "
            "รายละเอียดอยู่ในรายงาน reports/gaps.json ซึ่งต้องนำมาพิจารณาประกอบ"
        )
    else:
        gaps = "ในช่วงเวลาดังกล่าวไม่พบว่ามีข้อมูลขาดหาย"
    return [
        Paragraph(
            f"{facts.office} ได้จัดทำแฟ้มพยานหลักฐานดิจิทัลเมื่อวันที่ "
            f"{thai_moment(facts.created_at, zone)} โดยมีเฉพาะข้อมูลที่เกี่ยวข้องกับเรื่องที่ขอ ดังนี้"
        ),
        Fields(asked),
        Grid(("ที่", "รายการข้อมูล", "จำนวนระเบียน"), rows),
        Paragraph(
            "ข้อมูลข้างต้นระบุได้เพียงบัญชีผู้ใช้หรืออุปกรณ์ที่ใช้หมายเลขไอพีในขณะนั้น "
            "มิใช่ข้อพิสูจน์ว่าบุคคลใดเป็นผู้ใช้อุปกรณ์ด้วยตนเอง "
            "ความละเอียดและข้อจำกัดของเวลาอยู่ในรายงาน reports/clock.json " + gaps
        ),
        Paragraph(
            "แฟ้มดังกล่าวลงลายมือชื่อดิจิทัล (Ed25519) ผู้รับตรวจสอบได้เองด้วยโปรแกรม verify.py "
            "ซึ่งทำงานได้โดยไม่ต้องใช้ระบบของสำนักงาน "
            "และต้องได้ลายนิ้วมือกุญแจ (SHA-256 ของกุญแจสาธารณะ) ตรงกับที่พิมพ์ไว้นี้"
        ),
        Fields([("ลายนิ้วมือกุญแจ", facts.fingerprint)]),
        Paragraph(
            "อนึ่ง แฟ้มนี้มีข้อมูลส่วนบุคคล ขอให้ใช้เฉพาะเพื่อการดำเนินการตามเรื่องที่อ้างถึง "
            "เก็บรักษาเป็นความลับ และบันทึกการส่งต่อทุกครั้งในแบบที่ส่งมาด้วย"
        ),
    ]


def _subject(subject: Subject, zone: str) -> str:
    told = []
    if subject.address is not None:
        told.append(f"หมายเลขไอพี {subject.address}")
    if subject.port is not None:
        told.append(f"พอร์ต {subject.port}")
    if subject.protocol is not None:
        told.append(f"โพรโทคอล {subject.protocol.upper()}")
    if subject.user is not None:
        told.append(f"บัญชีผู้ใช้ {subject.user}")
    if subject.mac is not None:
        told.append(f"หมายเลข MAC {format_mac(subject.mac)}")
    if subject.session is not None:
        told.append(f"การเชื่อมต่อ {subject.session}")
    if subject.destination is not None:
        there = format_destination(subject.destination, subject.destination_port)
        told.append(f"ปลายทาง {there}")
    begins, ends = (
        thai_moment(moment, zone) for moment in (subject.window.from_at, subject.window.to_at)
    )
    return f"{' '.join(told) or 'ผู้ใช้ทั้งหมด'} ({begins} ถึง {ends})"


def _ending(facts: Facts) -> list[Block]:
    letterhead = facts.letterhead
    contacts = [
        ("ผู้ประสานงาน", letterhead.named("coordinator") or f"(ยังไม่ได้กำหนด) {DOTS}"),
        ("ผู้ประสานงานสำรอง", letterhead.named("deputy") or f"(ยังไม่ได้กำหนด) {DOTS}"),
    ]
    signatory = (letterhead.signatory, letterhead.signatory_position)
    if facts.recipient:
        return [
            Paragraph("จึงเรียนมาเพื่อโปรดพิจารณา"),
            Signature("ขอแสดงความนับถือ", *signatory),
            Fields(contacts),
        ]
    return [
        Paragraph("จึงเรียนมาเพื่อโปรดพิจารณา หากเห็นชอบโปรดอนุมัติให้ส่งมอบ"),
        Signature("ผู้เสนอ", "", ""),
        Signature("(    ) อนุมัติ    (    ) ไม่อนุมัติ", *signatory),
        Fields(contacts),
    ]


def custody_form(
    facts: Facts, passings: Sequence[Passing], *, exhibit: str = "", sha256: str = ""
) -> list[Block]:
    """The form that travels with a bundle; `sha256` is known only once the bundle is made."""
    zone = facts.zone
    rows = [
        (
            thai_digits(place),
            thai_moment(one.at, zone),
            STEPS.get(one.step, one.step),
            one.person,
            one.officer_id,
            one.document,
            "\n".join(filter(None, (one.place, one.note))),
            one.hash[:16],
        )
        for place, one in enumerate(passings, 1)
    ]
    return [
        Title("แบบบันทึกการส่งต่อพยานหลักฐาน"),
        Fields(
            [
                ("หน่วยงาน", facts.office),
                ("เรื่อง/คดีที่", facts.case),
                ("เลขทะเบียนพยานหลักฐาน", exhibit or DOTS),
                ("ชื่อแฟ้ม", facts.file_name),
                ("SHA-256 ของแฟ้ม", _grouped(sha256) if sha256 else DOTS * 2),
                ("จัดทำเมื่อ", thai_moment(facts.created_at, zone)),
                ("จัดทำโดย", facts.made_by),
                ("ลายนิ้วมือกุญแจ", facts.fingerprint),
            ]
        ),
        Heading("บันทึกการส่งต่อ (กรอกทุกครั้งที่พยานหลักฐานเปลี่ยนมือ ทำสำเนา รับคืน หรือทำลาย)"),
        Grid(
            (
                "ที่",
                "วันที่ เวลา",
                "การดำเนินการ",
                "ผู้อนุมัติ/ผู้รับ/ผู้ดำเนินการ",
                "เลขบัตรเจ้าหน้าที่",
                "เลขที่หนังสือ",
                "สถานที่/หมายเหตุ",
                "รหัสทะเบียน/ลายมือชื่อ",
            ),
            rows,
            empty=6,
        ),
    ]


def _grouped(digits: str) -> str:
    return " ".join(digits[at : at + 8] for at in range(0, len(digits), 8))
