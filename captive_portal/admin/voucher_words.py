"""What an officer reads when something cannot be done to vouchers; part of words.explain."""

from __future__ import annotations

import re

from flask_babel import LazyString, gettext, lazy_gettext

_ = lazy_gettext

_NAMED = re.compile(r"Voucher (\d+) \((.*)\)")
"""What identity.services.vouchers calls a guest of whom nothing but the voucher is known."""

VOUCHER_REFUSALS: tuple[tuple[str, LazyString], ...] = (
    (
        r"the (minutes|devices|sign-ins|megabytes|kbit/s down|kbit/s up|idle seconds)"
        r" of a voucher must be (?P<range>\S+)",
        _("A number of these terms is out of range; it must be %(range)s."),
    ),
    (r"the cards are in th", _("Choose the language of the cards.")),
    (
        r"(name of a sheet|receiver|note|Wi-Fi network) has at most (?P<count>\d+)",
        _("At most %(count)s characters, all on one line."),
    ),
    (r"a code has 8, 10", _("A code has 8, 10 or 12 symbols.")),
    (r"8 digits can be guessed", _("8 digits can be guessed; choose 10 or 12.")),
    (
        r"a prefix has 1 to 4",
        _("A prefix has 1 to 4 capital letters or digits, without 0, 1, I, L and O."),
    ),
    (r"a prefix is for", _("A prefix is for codes of 10 or 12 letters and digits.")),
    (r"a fixed window needs", _("Choose the day on which the vouchers end.")),
    (r"would end before they begin", _("The vouchers would end before they begin.")),
    (r"there is no NAS '(?P<name>.+?)'", _("There is no network device %(name)s.")),
    (r"there is no (voucher|sheet \d)", _("There is no such voucher.")),
    (r"say by what to extend", _("Say by what to extend: minutes, megabytes or a new last day.")),
    (r"of an extension must be (?P<range>\S+)", _("An extension is %(range)s.")),
    (r"the new end of the vouchers is over", _("That day is over.")),
    (
        r"this code was revoked",
        _("This voucher was revoked, and revoked ones stay revoked. Issue a new one."),
    ),
    (
        r"no code of this sheet can be extended",
        _("No voucher of this sheet can be extended: revoked ones stay revoked."),
    ),
    (
        r"the guest of this code was anonymised",
        _("The guest of this voucher has been anonymised. Issue a new voucher."),
    ),
    (r"have no data quota", _("These vouchers have no data quota to extend.")),
    (
        r"end on a fixed day",
        _("These vouchers end on a fixed day; choose the new last day instead of minutes."),
    ),
    (r"this device does not use the voucher", _("This device does not use the voucher.")),
    (
        r"no PDF was made",
        _("This server cannot make PDF; print the page in the browser, or install yuenyan[pdf]."),
    ),
)


def in_words(full_name: str | None) -> str | None:
    """A full name; of a voucher's guest, who has none, in the language of the page."""
    if full_name and (found := _NAMED.fullmatch(full_name)):
        return f"{gettext('Voucher %(number)s', number=found[1])} ({found[2]})"
    return full_name
