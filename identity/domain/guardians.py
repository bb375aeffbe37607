"""Consent of a guardian for a pupil (PDPA section 20): who gives it, how, what is noted. Pure.

What the law makes the office keep needs no consent (R70): this is for what a school makes depend
on one, such as Wi-Fi for pupils. The birth date itself is not kept, so that somebody is of full
age is recorded like a consent: by whom, and on what paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from common.errors import UsageError

LONGEST_TEXT = 200
AHEAD = timedelta(days=1)
"""A paper dated tomorrow is a slip of the pen or a clock; one of next week is no consent yet."""


class Relation(StrEnum):
    """Who gives it."""

    FATHER = "father"
    MOTHER = "mother"
    GUARDIAN = "guardian"
    """ผู้ปกครอง: who has parental power by law or by a court."""
    SELF = "self"
    """The pupil, who is twenty or married, and so of full age."""


class How(StrEnum):
    """How it reached the school."""

    PAPER = "paper"
    """A signed form; `document` says which."""
    IN_PERSON = "in-person"
    """Before an officer."""
    ELECTRONIC = "electronic"
    """By a system of the school or the ministry that proves who signs."""


_THAI_RELATIONS = {
    "บิดา": "father",
    "พ่อ": "father",
    "มารดา": "mother",
    "แม่": "mother",
    "ผู้ปกครอง": "guardian",
    "ตนเอง": "self",
}
_THAI_HOWS = {
    "เอกสาร": "paper",
    "กระดาษ": "paper",
    "ต่อหน้าเจ้าหน้าที่": "in-person",
    "อิเล็กทรอนิกส์": "electronic",
}
"""As a school's own list has them, beside the codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One consent as it is recorded."""

    guardian: str
    relation: Relation
    how: How
    given_at: datetime
    text_version: str
    """Of the text that was agreed to."""
    document: str
    """Number by which the paper is found again."""


def read_given(fields: Mapping[str, str], given_at: datetime, now: datetime) -> Given:
    """The consent in `fields`: guardian, relation, how, text_version, document.

    Raises:
        UsageError: something is missing or cannot be.
    """
    cleaned = {}
    for name in ("guardian", "text_version", "document"):
        text = " ".join(fields.get(name, "").split())
        if not text or len(text) > LONGEST_TEXT or not text.isprintable():
            raise UsageError(f"{name} is missing or longer than {LONGEST_TEXT} characters")
        cleaned[name] = text
    relation, how = fields.get("relation", "").strip(), fields.get("how", "").strip()
    relation, how = _THAI_RELATIONS.get(relation, relation), _THAI_HOWS.get(how, how)
    if relation not in set(Relation):
        raise UsageError(f"relation {relation!r} is not one of {', '.join(Relation)}")
    if how not in set(How):
        raise UsageError(f"how {how!r} is not one of {', '.join(How)}")
    if given_at > now + AHEAD:
        raise UsageError("the day on which consent was given lies ahead")
    return Given(relation=Relation(relation), how=How(how), given_at=given_at, **cleaned)
