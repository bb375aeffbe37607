"""The names in a certificate: who it is for, written in one way and read in one way.

RFC 5280 section 4.2.1.6; the user principal name is Microsoft's otherName, which Windows
sends as the EAP identity. Knows nothing of accounts, and verifies no signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import NameOID

from common.errors import UsageError

USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")

UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What the library raises when it looks at extensions that somebody has written as they liked."""

COMMON_NAME_OCTETS = 64
"""X.520 bounds characters, but the library counts octets; a Thai letter takes three."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_DNS_OCTETS = 253
_MAILBOX = re.compile(r"[!-?A-~]+@[!-?A-~]+")


def cut(text: str, octets: int = COMMON_NAME_OCTETS) -> str:
    """`text` cut to `octets` of UTF-8, between letters."""
    return text.encode()[:octets].decode(errors="ignore").strip()


def whole_words(text: str, octets: int) -> str:
    """As much of `text` as fits into `octets` without parting a word; perhaps nothing.

    Words are what spaces part: a Thai name is mostly one, and half of it reads as a mistake.
    """
    kept = ""
    for word in text.split():
        longer = f"{kept} {word}".strip()
        if len(longer.encode()) > octets:
            break
        kept = longer
    return kept


def common_name(text: str) -> x509.Name:
    """A subject that is nothing but this common name, cut to what X.520 allows."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut(text))])


def check_dns_name(text: str) -> str:
    """`text` as a DNS name in lower case.

    Raises:
        UsageError: it is none that phones accept. Wildcards are refused: Windows takes none
            for EAP.
    """
    name = text.strip().rstrip(".").lower()
    if len(name) > _DNS_OCTETS or not _DNS_NAME.fullmatch(name):
        raise UsageError(
            f"{text!r} is not the DNS name of one server; write it like radius.school.ac.th"
        )
    return name


def server_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    """The DNS names of a server."""
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def account_alternatives(username: str) -> x509.SubjectAlternativeName:
    """The names of an account: its user principal name, and the mailbox if it reads as one."""
    names: list[x509.GeneralName] = [x509.OtherName(USER_PRINCIPAL_NAME, asn1.encode_der(username))]
    if _MAILBOX.fullmatch(username):
        names.append(x509.RFC822Name(username))
    return x509.SubjectAlternativeName(names)


def nas_alternatives(name: str) -> x509.SubjectAlternativeName | None:
    """A NAS whose name is a DNS name bears it as such (RFC 6614 section 2.3); others bear none."""
    lower = name.lower()
    return server_names([lower]) if _DNS_NAME.fullmatch(lower) else None


def account_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The account names a client certificate may stand for, the most telling first.

    User principal names, then mailboxes, then the common name. Who binds a certificate to an
    account takes the first; a certificate that has alternative names is not known by its
    common name, so that the two cannot be played against each other.
    """
    if _san(certificate) is None:
        return common_names(certificate)
    return (*_principals(certificate), *_alternatives(certificate, x509.RFC822Name))


def dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names in the subject alternative name."""
    return _alternatives(certificate, x509.DNSName)


def are_readable(certificate: x509.Certificate) -> bool:
    """Whether the names in it can be told at all; else it must not stand for anybody."""
    try:
        list(certificate.extensions)
        list(certificate.subject)
    except UNREADABLE:
        return False
    return True


def describe(certificate: x509.Certificate) -> str:
    """Every name in the certificate once, for a list."""
    every = (
        *_alternatives(certificate, x509.DNSName),
        *account_names(certificate),
        *common_names(certificate),
    )
    return ", ".join(dict.fromkeys(every))


def common_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The common names of the subject; none of one that cannot be read."""
    try:
        attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ()
    return tuple(str(attribute.value) for attribute in attributes)


def _san(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    """The subject alternative name, or None without one; one that cannot be read names nobody."""
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE:
        return x509.SubjectAlternativeName([])


def _alternatives(
    certificate: x509.Certificate, kind: type[x509.DNSName | x509.RFC822Name]
) -> tuple[str, ...]:
    san = _san(certificate)
    return () if san is None else tuple(san.get_values_for_type(kind))


def _principals(certificate: x509.Certificate) -> Iterator[str]:
    san = _san(certificate)
    for name in () if san is None else san:
        if isinstance(name, x509.OtherName) and name.type_id == USER_PRINCIPAL_NAME:
            try:
                yield asn1.decode_der(str, name.value)
            except ValueError:
                continue
