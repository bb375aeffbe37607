"""The sentences every answer carries, in both languages (R34, R47).

They are part of the answer, not of a page: whoever files the answer files them with it.
"""

from __future__ import annotations

from common import said_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from common.thai_time import ReadTime

NOT_A_PERSON = {
    "th": ("คำตอบนี้ระบุบัญชีผู้ใช้หรืออุปกรณ์ที่ถือหมายเลขไอพีในเวลานั้น ไม่ใช่หลักฐานว่าบุคคลใดเป็นผู้ใช้อุปกรณ์"),
    "en": (
        "The answer names the account or device that held the address at that time."
        " It does not prove which person was using the device."
    ),
}

LEFT_OUT = (
    "Where an end of a connection is missing, its sender did not tell it or the site keeps no"
    " outside ends of what that sender tells."
)
"""Of flows (R19)."""


def interpretation(moment: datetime, zone: str, read: ReadTime | None = None) -> dict[str, str]:
    """How a time was understood: B.E. and C.E. in the site's zone, and UTC."""
    if read is not None:
        return {"thai": read.thai, "western": read.western, "utc": read.utc, "note": read.note}
    from zoneinfo import ZoneInfo

    return said(moment, moment.astimezone(ZoneInfo(zone)))


def said(moment: datetime, local: datetime) -> dict[str, str]:
    """A moment, in UTC and in the site's zone, in the words of `interpretation`."""
    return {
        "thai": said_time.thai(local),
        "western": said_time.western(local),
        "utc": said_time.universal(moment),
        "note": "",
    }
