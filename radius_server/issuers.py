"""Revocation of issuers: a list says something about an intermediate, too.

OpenSSL either looks the peer's own certificate up alone, or wants a list of every issuer, the root
included. Here every certificate is looked up in the lists there are; only the peer's own issuer
must have one. Knows nothing of EAP or RadSec, which both verify their peers by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL, crypto

_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]*CERTIFICATE-----.+?-----END [^-]+-----", re.DOTALL)
_Codes = SSL.X509VerificationCodes
_OF_LISTS = frozenset(
    {
        _Codes.ERR_UNABLE_TO_GET_CRL,
        _Codes.ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE,
        _Codes.ERR_CRL_SIGNATURE_FAILURE,
        _Codes.ERR_CRL_NOT_YET_VALID,
        _Codes.ERR_CRL_HAS_EXPIRED,
        _Codes.ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD,
        _Codes.ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD,
        _Codes.ERR_UNABLE_TO_GET_CRL_ISSUER,
        _Codes.ERR_KEYUSAGE_NO_CRL_SIGN,
        _Codes.ERR_DIFFERENT_CRL_SCOPE,
        _Codes.ERR_CRL_PATH_VALIDATION_ERROR,
    }
)
"""What OpenSSL complains of when a list cannot be used; not that a certificate stands on it."""


class Issuers:
    """The issuers that are trusted by themselves: nobody has to vouch for them."""

    def __init__(self, path: Path) -> None:
        """Read from a PEM file that OpenSSL has taken already.

        Raises:
            OSError, crypto.Error: it cannot be read any more.
        """
        self._trusted = frozenset(
            _der(crypto.load_certificate(crypto.FILETYPE_PEM, found.group()))
            for found in _PEM.finditer(path.read_bytes())
        )

    def forgives(self, certificate: crypto.X509, error: int, depth: int) -> bool:
        """Whether a chain is good all the same, as OpenSSL's verification asks at each error.

        Args:
            depth: 0 for the peer's own certificate, for which nothing is forgiven.
        """
        if depth == 0 or error not in _OF_LISTS:
            return False
        if error == _Codes.ERR_UNABLE_TO_GET_CRL:
            return True
        return _der(certificate) in self._trusted


def look_up(store: crypto.X509Store, lists: Sequence[x509.CertificateRevocationList]) -> None:
    """Have every certificate of a chain looked up in `lists`, if there are any."""
    if not lists:
        return
    for item in lists:
        store.add_crl(item)
    store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
