"""The draft of a breach report to the Office of the PDPC, in Thai, to be edited by a person.

It fills in what the register knows and leaves blanks where only the office can know. Names of
affected people are not in it: they stay in the list that the office keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from captive_portal.web.dates import format_date, format_moment
from common.config import Config
from db.models import RegisterEntry, RegisterStep
from identity.domain.registers import BREACH_HOURS, Risk
from identity.services import registers
from identity.services.affected import Affected

BLANK = "………………………………"

_RISKS = {
    Risk.UNKNOWN: "ยังไม่ได้ประเมิน (ต้องประเมินก่อนส่ง)",
    Risk.UNLIKELY: "ไม่น่าจะมีความเสี่ยงต่อสิทธิและเสรีภาพของบุคคล",
    Risk.RISK: "มีความเสี่ยงต่อสิทธิและเสรีภาพของบุคคล",
    Risk.HIGH: "มีความเสี่ยงสูง ต้องแจ้งเจ้าของข้อมูลพร้อมแนวทางเยียวยาโดยไม่ชักช้า",
}


def draft_notice(
    config: Config,
    entry: RegisterEntry,
    steps: Sequence[RegisterStep],
    affected: Sequence[Affected],
    now: datetime,
) -> str:
    """The draft as plain text."""
    facts = registers.read_facts(entry)
    office, zone = config.office, config.site.timezone

    def when(moment: datetime | None) -> str:
        return BLANK if moment is None else format_moment(moment, "th", zone)

    def at(name: str) -> str:
        return when(datetime.fromisoformat(facts[name])) if name in facts else BLANK

    risk = Risk(facts.get("risk", Risk.UNKNOWN))
    places = Counter(one.organisation or "ไม่ระบุหน่วยงาน" for one in affected)
    return "\n".join(
        [
            "ร่าง – ต้องให้ผู้มีอำนาจตรวจแก้ก่อนส่ง",
            "",
            f"ที่ {BLANK}",
            f"{office.name or config.site.name}",
            *([office.address] if office.address else []),
            f"วันที่ {_thai_day(now, zone)}",
            "",
            "เรื่อง  แจ้งเหตุการละเมิดข้อมูลส่วนบุคคล",
            "เรียน  เลขาธิการคณะกรรมการคุ้มครองข้อมูลส่วนบุคคล",
            "อ้างถึง  พระราชบัญญัติคุ้มครองข้อมูลส่วนบุคคล พ.ศ. 2562 มาตรา 37 (4)",
            "",
            f"1. เลขทะเบียนเหตุ  {entry.number}",
            f"2. ทราบเหตุเมื่อ  {when(entry.received_at)}",
            f"   ครบกำหนดแจ้งภายใน {BREACH_HOURS} ชั่วโมง  {when(entry.due_at)}"
            f"  ({time_left(entry.due_at, now)})",
            f"3. ช่วงเวลาที่เกิดเหตุ  ตั้งแต่ {at('from_at')} ถึง {at('to_at')}",
            f"4. ลักษณะของเหตุ  {facts['scope']}",
            f"5. ข้อมูลส่วนบุคคลที่เกี่ยวข้อง  {facts.get('data_kinds', BLANK)}",
            f"6. จำนวนเจ้าของข้อมูลที่อาจได้รับผลกระทบ  ประมาณ {len(affected)} บัญชี",
            *(f"   - {place}  {number} บัญชี" for place, number in sorted(places.items())),
            f"7. ผลกระทบที่อาจเกิดขึ้น  {_RISKS[risk]}",
            f"8. มาตรการที่ดำเนินการหรือจะดำเนินการ  {facts.get('measures', BLANK)}",
            *(
                f"   - {when(step.at)}  {step.note}"
                for step in steps
                if step.note and step.action != "added"
            ),
            f"9. ผู้ประสานงาน  {office.data_contact or BLANK}",
            f"10. หากแจ้งเกิน {BREACH_HOURS} ชั่วโมง เหตุผลความจำเป็น  "
            + (BLANK if entry.due_at is not None and now > entry.due_at else "–"),
            "",
            "จึงเรียนมาเพื่อโปรดทราบ",
            "",
            f"ลงชื่อ {BLANK}",
            f"({BLANK})",
            f"ตำแหน่ง {BLANK}",
            "",
        ]
    )


def time_left(due_at: datetime | None, now: datetime) -> str:
    """How long is left, in Thai, or by how much it is over."""
    if due_at is None:
        return BLANK
    left = due_at - now
    hours, minutes = divmod(abs(left) // timedelta(minutes=1), 60)
    word = "เหลือ" if left >= timedelta(0) else "เกินกำหนดแล้ว"
    return f"{word} {hours} ชั่วโมง {minutes} นาที"


def _thai_day(now: datetime, zone: str) -> str:
    return format_date(now.astimezone(ZoneInfo(zone)), "th", zone)
