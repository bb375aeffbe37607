"""Addresses of directories: `ldap://host[:port]` and `ldaps://host[:port]`, taken apart.

Looks nothing up and connects to nothing.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

LDAP_PORT, LDAPS_PORT = 389, 636


def parse_ldap_url(text: str) -> tuple[str, str, int]:
    """Scheme, host and port of a directory.

    Raises:
        ValueError: it is no such address, or it holds more, such as a search (RFC 4516),
            which belongs into base_dn and user_filter.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname:
        raise ValueError(f"{text!r} must be ldaps://HOST, or ldap://HOST with start_tls = true")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{text!r} must end after host and port; see base_dn and user_filter")
    return parts.scheme, parts.hostname, parts.port or _default_port(parts.scheme)


def is_here(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _default_port(scheme: str) -> int:
    return LDAPS_PORT if scheme == "ldaps" else LDAP_PORT
