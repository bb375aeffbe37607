"""One duty and how it stands. A status is what was looked at, never a judgement of law."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    IN_PLACE = "in_place"
    ATTENTION = "attention"
    MISSING = "missing"
    NOT_CHECKED = "not_checked"
    """Nothing here can tell; somebody has to look."""


WORDS = {
    Status.IN_PLACE: ("in place", "ดำเนินการแล้ว"),
    Status.ATTENTION: ("needs attention", "ต้องดูแลเพิ่มเติม"),
    Status.MISSING: ("missing", "ยังไม่มี"),
    Status.NOT_CHECKED: ("not checked here", "ระบบตรวจสอบให้ไม่ได้"),
}

NOT_A_JUDGEMENT = (
    "A self-check of what this software can see. It is no legal opinion, nobody outside the office"
    " has examined it, and the wording of the B.E. 2564 notification has not been compared with"
    " the Royal Gazette.",
    "รายงานนี้เป็นการตรวจสอบตนเองเท่าที่ระบบมองเห็น ไม่ใช่ความเห็นทางกฎหมาย"
    " ไม่มีหน่วยงานภายนอกตรวจสอบ และยังไม่ได้เทียบถ้อยคำของประกาศ พ.ศ. 2564 กับราชกิจจานุเบกษา",
)


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    en: str
    th: str

    def of(self, language: str) -> str:
        return self.th if language == "th" else self.en


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a check found."""

    status: Status
    evidence: Text
    at: datetime | None = None
    """Of the evidence; None: now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One line of the report."""

    key: str
    title: Text
    law: Text
    shown: Shown
    responsible: str
