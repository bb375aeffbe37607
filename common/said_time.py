"""A moment in words: B.E. and C.E. in a zone, and UTC.

Pure. Apart from `common.thai_time`, which reads what people write, because a command that says
a time back need not load what it takes to read one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

BUDDHIST_ERA = 543

MONTHS_TH = (
    "มกราคม", "กุมภาพันธ์", "มีนาคม", "เมษายน", "พฤษภาคม", "มิถุนายน",
    "กรกฎาคม", "สิงหาคม", "กันยายน", "ตุลาคม", "พฤศจิกายน", "ธันวาคม",
)  # fmt: skip
MONTHS_EN = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def thai(local: datetime) -> str:
    """`15 มกราคม พ.ศ. 2568 เวลา 14:30:00 น.`"""
    year = local.year + BUDDHIST_ERA
    return f"{local.day} {MONTHS_TH[local.month - 1]} พ.ศ. {year} เวลา {clock(local)} น."


def western(local: datetime) -> str:
    """`15 January 2025 C.E., 14:30:00 +07:00`"""
    offset = local.isoformat()[-6:]
    day = f"{local.day} {MONTHS_EN[local.month - 1]} {local.year} C.E."
    return f"{day}, {clock(local)} {offset}"


def universal(moment: datetime) -> str:
    """`2025-01-15 07:30:00 UTC`, of a moment that is in UTC."""
    return f"{moment:%Y-%m-%d} {clock(moment)} UTC"


def clock(moment: datetime) -> str:
    """`14:30:00`, and the fraction of the second where there is one."""
    text = f"{moment:%H:%M:%S}"
    return f"{text}.{moment.microsecond:06}".rstrip("0") if moment.microsecond else text
