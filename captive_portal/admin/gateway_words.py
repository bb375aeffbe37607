"""What an officer reads when a setting of a gateway cannot be what was given."""

from __future__ import annotations

import re

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

REFUSALS: tuple[tuple[re.Pattern[str], LazyString], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            r"^(?P<name>[\w-]+) is an address such as",
            _("%(name)s is an address such as https://10.0.0.2:8443, without a user name in it."),
        ),
        (r"^(?P<name>[\w-]+): no gateway is at", _("%(name)s: no gateway has such an address.")),
        (
            r"^(?P<name>\w+) is one line of at most (?P<count>\d+)",
            _("%(name)s is one line of at most %(count)s characters."),
        ),
        (
            r"^(?P<name>\w+) is one of: (?P<words>.+)$",
            _("%(name)s is one of these words: %(words)s."),
        ),
        (
            r"^(?P<name>\w+) is a certificate as",
            _("%(name)s is the text of a certificate, from BEGIN CERTIFICATE to END CERTIFICATE."),
        ),
        (
            r"^(?P<name>\w+) is the SHA-256",
            _("%(name)s is the SHA-256 fingerprint of the certificate, 64 hexadecimal digits."),
        ),
    )
)
