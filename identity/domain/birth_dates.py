"""Birth dates as people write them: day first, in the Buddhist or the Christian era. Pure."""

from __future__ import annotations

import re
from datetime import date

from common.errors import UsageError

_DIGITS = str.maketrans("๐๑๒๓๔๕๖๗๘๙", "0123456789")
_DAY_FIRST = re.compile(r"(\d{1,2})\s*[/.\- ]\s*(\d{1,2})\s*[/.\- ]\s*(?:พ\.?ศ\.?\s*)?(\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_WORDS = re.compile(r"(\d{1,2})\s*([ก-๙.]+?)\s*(?:พ\.?ศ\.?\s*)?(\d{4})")
_JOINED = re.compile(r"(\d{2})(\d{2})(\d{4})")
_MONTHS = (
    ("มกราคม", "ม.ค."), ("กุมภาพันธ์", "ก.พ."), ("มีนาคม", "มี.ค."), ("เมษายน", "เม.ย."),
    ("พฤษภาคม", "พ.ค."), ("มิถุนายน", "มิ.ย."), ("กรกฎาคม", "ก.ค."), ("สิงหาคม", "ส.ค."),
    ("กันยายน", "ก.ย."), ("ตุลาคม", "ต.ค."), ("พฤศจิกายน", "พ.ย."), ("ธันวาคม", "ธ.ค."),
)  # fmt: skip
_BUDDHIST_FROM, _OFFSET = 2400, 543
_OLDEST = 1900


def read_birth_date(text: str) -> date:
    """The date in `text`: `31/12/2552`, `๓๑ ธ.ค. ๒๕๕๒`, `2009-12-31`.

    A year from 2400 on is Buddhist Era; 31/12/2552 is 31 December 2009.

    Raises:
        UsageError: it is no date, or nobody alive was born then.
    """
    plain = text.strip().translate(_DIGITS)
    year, month, day = _parts(plain, text)
    if year >= _BUDDHIST_FROM:
        year -= _OFFSET
    try:
        born = date(year, month, day)
    except ValueError:
        born = None
    if born is None or born.year < _OLDEST:
        raise UsageError(f"{text!r} is no birth date; write it like 31/12/2552")
    return born


def _parts(plain: str, text: str) -> tuple[int, int, int]:
    if found := _YEAR_FIRST.fullmatch(plain):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _DAY_FIRST.fullmatch(plain) or _JOINED.fullmatch(plain):
        return int(found[3]), int(found[2]), int(found[1])
    found = _WORDS.fullmatch(plain)
    for number, names in enumerate(_MONTHS, start=1):
        bare = {name.replace(".", "") for name in names}
        if found is not None and found[2].replace(".", "") in bare:
            return int(found[3]), number, int(found[1])
    raise UsageError(f"{text!r} is no birth date; write it like 31/12/2552")
