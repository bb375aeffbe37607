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
        (
            r"^controller: (?P<host>\S+) is this server itself",
            _(
                "%(host)s is an address of this server. Where the controller runs on it, whoever "
                "runs the server names the address in [portal] controller_networks."
            ),
        ),
        (
            r"^controller: an officer of one school",
            _(
                "An officer of one school enters the controller as the IP address of this network "
                "device, or one in the networks for controllers. For another place ask the area "
                "office."
            ),
        ),
        (
            r"^allow_http: an officer of one school",
            _("Calling a controller without TLS is for the area office to allow."),
        ),
        (r"^(?P<name>[\w-]+): no gateway is at", _("%(name)s: no gateway has such an address.")),
        (
            r"^(?P<name>\w+) is one line of at most (?P<count>\d+)",
            _("%(name)s is one line of at most %(count)s characters."),
        ),
        (
            r"^(?P<name>\w+) has at least (?P<count>\d+) characters",
            _("%(name)s has at least %(count)s characters."),
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
