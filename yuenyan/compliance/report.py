"""The compliance report: every duty, its law, how it stands, who answers (R86, R66)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from common.config import Config
from common.errors import ArchiveError
from traffic.archive.status import archive_status
from traffic.clock.history import read_status
from yuenyan.compliance import checks
from yuenyan.compliance.checks import Check, Site
from yuenyan.compliance.duty import Duty, Text

_CCA_26 = Text("Computer Crime Act s.26", "พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 26")
_NOTIFIED = Text(
    "notification under Computer Crime Act s.26",
    "ประกาศที่ออกตาม พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 26",
)
_CCA_18 = Text("Computer Crime Act s.18, s.27", "พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 18 และ 27")
_CCA_15 = Text("Computer Crime Act s.15, s.20", "พ.ร.บ. คอมพิวเตอร์ฯ มาตรา 15 และ 20")


def _pdpa(section: str) -> Text:
    return Text(
        f"Personal Data Protection Act s.{section}",
        f"พ.ร.บ. คุ้มครองข้อมูลส่วนบุคคล มาตรา {section}",
    )


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    title: Text
    law: Text
    check: Check
    by_coordinator: bool = False
    """Else the administrators answer for it."""


LINES: tuple[_Line, ...] = (
    _Line(
        "retention",
        Text("Traffic data is kept for 90 days at least", "เก็บข้อมูลจราจรไม่น้อยกว่า 90 วัน"),
        _CCA_26,
        checks.check_retention,
    ),
    _Line(
        "sessions",
        Text(
            "Who was connected when, with which address, is recorded",
            "บันทึกผู้ใช้ เวลา และหมายเลขไอพีของการใช้งาน",
        ),
        _NOTIFIED,
        checks.check_sessions,
    ),
    _Line(
        "identification",
        Text("Every user can be identified", "ระบุตัวผู้ใช้ได้เป็นรายบุคคล"),
        _NOTIFIED,
        checks.check_identification,
    ),
    _Line(
        "integrity",
        Text("Records cannot be altered unnoticed", "แก้ไขข้อมูลโดยไม่มีใครรู้ไม่ได้"),
        _NOTIFIED,
        checks.check_integrity,
    ),
    _Line(
        "witnesses",
        Text(
            "Seals are kept where administrators cannot reach them",
            "สำเนาลายมือชื่อกำกับอยู่นอกอำนาจผู้ดูแลระบบ",
        ),
        _NOTIFIED,
        checks.check_witnesses,
    ),
    _Line(
        "access",
        Text("Reading is restricted and recorded", "จำกัดและบันทึกการเข้าถึงข้อมูล"),
        _NOTIFIED,
        checks.check_access,
    ),
    _Line(
        "coordinator",
        Text("Somebody gives information to officials", "มีผู้ประสานงานและให้ข้อมูลแก่พนักงานเจ้าหน้าที่"),
        _NOTIFIED,
        checks.check_coordinator,
        True,
    ),
    _Line(
        "clock",
        Text("The clock is right and shown to be", "นาฬิกาเที่ยงตรงและยืนยันได้"),
        _NOTIFIED,
        checks.check_clock,
    ),
    _Line(
        "equipment_clocks",
        Text("The clocks of the equipment are right", "นาฬิกาของอุปกรณ์เที่ยงตรง"),
        _NOTIFIED,
        checks.check_equipment_clocks,
    ),
    _Line(
        "gaps",
        Text("Missing records are known and told", "รู้และแจ้งช่วงที่ข้อมูลขาด"),
        _CCA_26,
        checks.check_gaps,
    ),
    _Line(
        "requests",
        Text("Requests of officials are answered in time", "ตอบคำขอพนักงานเจ้าหน้าที่ทันกำหนด"),
        _CCA_18,
        checks.check_requests,
        True,
    ),
    _Line(
        "abuse",
        Text(
            "Complaints and take-down notices are dealt with", "จัดการเรื่องร้องเรียนและหนังสือแจ้งให้ระงับ"
        ),
        _CCA_15,
        checks.check_abuse,
        True,
    ),
    _Line(
        "content",
        Text("No content is kept", "ไม่เก็บเนื้อหาการสื่อสาร"),
        _pdpa("22"),
        checks.check_content,
    ),
    _Line(
        "notice",
        Text("People are told what is kept", "แจ้งเจ้าของข้อมูลว่าเก็บอะไร"),
        _pdpa("23"),
        checks.check_notice,
    ),
    _Line(
        "guardians",
        Text(
            "Guardians agree where a minor's consent is relied on",
            "ผู้ปกครองให้ความยินยอมในกรณีที่อาศัยความยินยอมของผู้เยาว์",
        ),
        _pdpa("20"),
        checks.check_guardians,
    ),
    _Line(
        "subjects",
        Text("Requests about own data are answered in time", "ตอบคำขอใช้สิทธิทันกำหนด"),
        _pdpa("30"),
        checks.check_subjects,
        True,
    ),
    _Line(
        "incidents",
        Text("Breaches are reported within 72 hours", "แจ้งเหตุละเมิดภายใน 72 ชั่วโมง"),
        _pdpa("37(4)"),
        checks.check_incidents,
        True,
    ),
    _Line(
        "processing",
        Text("There is a record of processing", "มีบันทึกรายการประมวลผลข้อมูล"),
        _pdpa("39"),
        checks.check_processing,
        True,
    ),
    _Line(
        "backup",
        Text("Back-ups can be restored", "กู้คืนข้อมูลสำรองได้"),
        _pdpa("37(1)"),
        checks.check_backup,
    ),
)

UNNAMED = Text("nobody is named", "ยังไม่ระบุ")
ADMINISTRATORS = Text("the administrators", "ผู้ดูแลระบบ")


def make_report(config: Config, session: Session, now: datetime, language: str) -> Sequence[Duty]:
    """Every duty as it stands now; `language` is that of who answers for it."""
    archive = clock = None
    with suppress(ArchiveError, OSError):
        archive = archive_status(config.data_dir / "archive", config.site.timezone, config.keys_dir)
    with suppress(ArchiveError, OSError):
        clock = read_status(config, now)
    site = Site(config=config, session=session, now=now, archive=archive, clock=clock)
    coordinator = config.office.coordinator or UNNAMED.of(language)
    return [
        Duty(
            key=line.key,
            title=line.title,
            law=line.law,
            shown=line.check(site),
            responsible=coordinator if line.by_coordinator else ADMINISTRATORS.of(language),
        )
        for line in LINES
    ]
