"""What OpenSSL complains of when a tunnel does not come about, in words an officer can use.

The keys are the values of `tls:error` and `tls:certificate` in a trace; what nobody has words for
is told as OpenSSL says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

TOO_OLD = _("Device and server have no version of TLS or no cipher in common")
NO_CERTIFICATE = _("The device has no certificate to show")
_STRANGER = _("None of the issuers that this server trusts has issued it")
_NO_LIST = _("The revocation list (CRL) of its issuer is missing")
_STALE_LIST = _("The revocation list (CRL) of its issuer has expired")

ERRORS: Mapping[str, LazyString] = {
    **dict.fromkeys(
        ("unsupported_protocol", "version_too_low", "wrong_version_number", "no_shared_cipher"),
        TOO_OLD,
    ),
    "peer_did_not_return_a_certificate": NO_CERTIFICATE,
}

CERTIFICATES: Mapping[str, LazyString] = {
    "certificate_has_expired": _("It has expired"),
    "certificate_is_not_yet_valid_or_the_system_clock_is_incorrect": _(
        "It is not valid yet, or the clock of this server is wrong"
    ),
    "certificate_revoked": _("It was revoked"),
    "unsuitable_certificate_purpose": _("It was not issued for logging in as a client"),
    **dict.fromkeys(
        (
            "unable_to_get_local_issuer_certificate",
            "unable_to_get_issuer_certificate",
            "unable_to_verify_the_first_certificate",
            "self-signed_certificate",
            "self-signed_certificate_in_certificate_chain",
        ),
        _STRANGER,
    ),
    "unable_to_get_certificate_CRL": _NO_LIST,
    "CRL_has_expired": _STALE_LIST,
    "invalid_CA_certificate": _("One of its issuers may not issue certificates"),
}

_LIST_ADVICE = (
    _("Put the present list into the file that [eap] crl names; it is taken up within a second."),
)

ERROR_ADVICE: Mapping[str, tuple[LazyString, ...]] = {
    **dict.fromkeys(
        (name for name, words in ERRORS.items() if words is TOO_OLD),
        (_("Update the device; what is too old for TLS 1.2 cannot log in safely."),),
    ),
}

CERTIFICATE_ADVICE: Mapping[str, tuple[LazyString, ...]] = {
    "unable_to_get_certificate_CRL": _LIST_ADVICE,
    "CRL_has_expired": _LIST_ADVICE,
}
"""What to do, instead of what the reason alone suggests."""
