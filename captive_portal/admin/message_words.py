"""What officers read of a message that did not go: the notes of whoever sends, in words.

What a server or gateway itself said stays as it was: it is what its operator will ask for.
"""

from __future__ import annotations

import re

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from captive_portal.admin.words import say_again

_ = lazy_gettext

_MAIL = r"mail server (?P<server>\S+)"
_SMS = r"sms gateway (?P<server>\S+)"

_FAILURES: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (
            rf"{_MAIL} is unavailable: .*connection refused",
            _("The mail server %(server)s takes no connection: it is off, or the port is another."),
        ),
        (
            rf"{_MAIL} is unavailable: .*timed out",
            _("The mail server %(server)s does not answer in time."),
        ),
        (
            rf"{_MAIL} is unavailable: .*(not known|name resolution|no address associated)",
            _("The name of the mail server %(server)s is not found in the DNS."),
        ),
        (
            rf"{_MAIL} is unavailable: .*certificate verify failed",
            _("The certificate of the mail server %(server)s is not trusted."),
        ),
        (
            rf"{_MAIL} is unavailable: does not take user and password",
            _("The mail server %(server)s does not take our user and password."),
        ),
        (
            rf"{_MAIL} is unavailable: asks to wait: (?P<told>.+)",
            _("The mail server %(server)s asks to wait: %(told)s"),
        ),
        (
            rf"{_MAIL} is unavailable: (?P<told>.+)",
            _("The mail server %(server)s cannot be used now: %(told)s"),
        ),
        (
            rf"{_MAIL} does not take letters for this mailbox: (?P<told>.+)",
            _("The mail server %(server)s takes no letters for this mailbox: %(told)s"),
        ),
        (
            rf"{_MAIL} does not take this letter: (?P<told>.+)",
            _("The mail server %(server)s does not take this letter: %(told)s"),
        ),
        (
            r"the recipient is no mailbox",
            _("The receiver is no mailbox that a letter can be sent to."),
        ),
        (
            rf"{_SMS} says that this number cannot be reached",
            _("The SMS gateway %(server)s says that this number cannot be reached."),
        ),
        (
            rf"{_SMS} is unavailable: (?P<told>.+)",
            _("The SMS gateway %(server)s cannot be used now: %(told)s"),
        ),
    )
)


def describe_failure(error: str) -> str:
    """Why a message did not go, in the language of the page; as it is noted where that is new."""
    return say_again(_FAILURES, " ".join(error.split())) or error
