"""Dates and spans of time as people here read them; Thai dates carry Buddhist-era years."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

BUDDHIST_ERA = 543
_THAI_MONTHS = (
    "ม.ค.", "ก.พ.", "มี.ค.", "เม.ย.", "พ.ค.", "มิ.ย.",
    "ก.ค.", "ส.ค.", "ก.ย.", "ต.ค.", "พ.ย.", "ธ.ค.",
)  # fmt: skip
_ENGLISH_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def format_date(moment: datetime, language: str, zone: str = "Asia/Bangkok") -> str:
    """The day of `moment`: `22 พ.ย. 2569` or `22 Nov 2026`."""
    local = moment.astimezone(ZoneInfo(zone))
    if language == "th":
        return f"{local.day} {_THAI_MONTHS[local.month - 1]} {local.year + BUDDHIST_ERA}"
    return f"{local.day} {_ENGLISH_MONTHS[local.month - 1]} {local.year}"


def format_moment(moment: datetime, language: str, zone: str = "Asia/Bangkok") -> str:
    """Day and minute: `22 พ.ย. 2569 เวลา 14:05 น.` or `22 Nov 2026, 14:05`."""
    local = moment.astimezone(ZoneInfo(zone))
    day = format_date(moment, language, zone)
    if language == "th":
        return f"{day} เวลา {local:%H:%M} น."
    return f"{day}, {local:%H:%M}"


def format_data(octets: int) -> str:
    """An amount of data in decimal units, as quotas are set: `320 MB`, `1.5 GB`."""
    # Downwards: nobody is promised more than there is.
    for unit, size in (("TB", 10**12), ("GB", 10**9)):
        if octets >= size:
            whole, tenth = divmod(octets * 10 // size, 10)
            return f"{whole}.{tenth} {unit}" if tenth else f"{whole} {unit}"
    return f"{octets // 1_000_000} MB" if octets >= 1_000_000 else f"{octets // 1000} kB"


def format_duration(seconds: float, language: str) -> str:
    """A span in its two largest units: `2 ชั่วโมง 5 นาที` or `2 h 5 min`."""
    minutes = max(0, int(seconds) // 60)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    units = ("วัน", "ชั่วโมง", "นาที") if language == "th" else ("d", "h", "min")
    parts = [
        f"{value} {unit}"
        for value, unit in zip((days, hours, minutes), units, strict=True)
        if value
    ]
    if parts:
        return " ".join(parts[:2])
    return "ไม่ถึง 1 นาที" if language == "th" else "less than 1 min"
