"""The words of tokens for programs."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

TOKEN_STATES: dict[str, LazyString] = {
    "good": _("in use"),
    "revoked": _("revoked"),
    "expired": _("time is over"),
}

TOKEN_REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"none of these levels may unlock names",
            _("This duty may not unlock names, so the token cannot; leave the box empty."),
        ),
        (
            r"has (?P<count>\d+) tokens; revoke one",
            _("You have %(count)s tokens; revoke one that is not used."),
        ),
        (
            r"has a token called '(?P<name>.+)'",
            _("You have a token called %(name)s; revoke it or choose another name."),
        ),
        (r"token \d+ is (revoked|expired) already", _("This token is over already.")),
    )
)
