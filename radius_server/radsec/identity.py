"""Whose certificate it is, as NAS clients are registered. RFC 6614 section 2.3. Pure."""

from __future__ import annotations

from cryptography import x509

from identity.pki import names as pki_names


def normal(identity: str) -> str:
    """An identity as it is compared: without case, without the dot at a DNS name's end."""
    return identity.strip().casefold().rstrip(".")


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """The names in a certificate that may be a NAS's, the best first.

    The DNS names of subjectAltName; only a certificate without any subjectAltName is known by
    its common name (RFC 6125 section 6.4.4). One with other names is not a NAS's: the name of
    a person's certificate is chosen by the person. No wildcard: one certificate is one NAS.
    """
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found = alternative.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = list(pki_names.common_names(certificate))
    except pki_names.UNREADABLE:
        found = []
    return tuple(dict.fromkeys(normal(name) for name in found if name and "*" not in name))


def matches(certificate: x509.Certificate, wanted: str) -> bool:
    """Whether the certificate is that of `wanted`."""
    return normal(wanted) in names(certificate)
