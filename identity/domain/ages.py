"""Age bands for consent (PDPA section 20), and when somebody passes into the next (R70).

Pure. The birth date itself need not be kept: the band and the day it changes are enough.
Consent is needed for what is optional only; what the law makes the office keep needs none.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum

_OVER_TEN, _OF_AGE = 11, 20
"""On the eleventh birthday nobody is "not over ten" any more; full age is 20 (marriage aside)."""


class Band(StrEnum):
    UP_TO_10 = "up_to_10"
    """Only whoever holds parental power may consent."""
    MINOR = "minor"
    """A parent consents too where the minor cannot act alone."""
    ADULT = "adult"


def band_at(born: date, day: date) -> Band:
    """The band on `day` of somebody born on `born`."""
    if day < birthday(born, _OVER_TEN):
        return Band.UP_TO_10
    return Band.MINOR if day < birthday(born, _OF_AGE) else Band.ADULT


def next_change(born: date, day: date) -> date | None:
    """The day after `day` on which the band changes; None for adults."""
    for years in (_OVER_TEN, _OF_AGE):
        if day < birthday(born, years):
            return birthday(born, years)
    return None


def birthday(born: date, years: int) -> date:
    """The day on which somebody has lived so many years; 1 March stands for 29 February."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)
