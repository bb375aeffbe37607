"""Settings of a make: whether all are there, and whether what an officer gives can be one."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from captive_portal.vendors.profile import Gateway, Kind, Setting, Vendor
from common.errors import UsageError
from common.net import parse_mac
from identity.domain.central import ssids_in, ssids_text

MODE = "mode"
LOGIN_ADDRESS = "its sign-in address"
_LONGEST = 500
_SSID_OCTETS = 32
_LONGEST_PEM = 32_768
_PIN = re.compile(r"(?:[0-9a-f]{2}:?){32}")
YES, NO = "yes", "no"


def setting_of(settings: Sequence[Setting], gateway: Gateway, name: str) -> str:
    """What is set, or the default of the make."""
    return gateway.settings.get(name) or next(
        (one.default for one in settings if one.name == name), ""
    )


def missing(settings: Sequence[Setting], gateway: Gateway) -> tuple[str, ...]:
    """The names of required settings that nobody has given, for the mode that is chosen."""
    mode = setting_of(settings, gateway, MODE)
    return tuple(
        one.name
        for one in settings
        if one.required
        and (not one.modes or mode in one.modes)
        and not setting_of(settings, gateway, one.name)
    )


def lacks(make: Vendor, gateway: Gateway) -> tuple[str, ...]:
    """What has to be set before visitors are handed to `gateway`; empty when all is there."""
    names = missing(make.settings, gateway)
    filled = replace(gateway, settings={**gateway.settings, **dict.fromkeys(names, "-")})
    return names if make.can_hand_over(filled) else (*names, LOGIN_ADDRESS)


def check_changes(vendor: Vendor, changes: Mapping[str, str]) -> Mapping[str, str]:
    """`changes` as they are stored; an empty value takes a setting away.

    Raises:
        UsageError: no such setting of this make, or it cannot be that.
    """
    known = {one.name: one for one in vendor.settings}
    checked = {}
    for name, text in changes.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"a gateway of make {vendor.name} has no setting {name!r}: {names}")
        checked[name] = _check(known[name], text.strip()) if text.strip() else ""
    return checked


def check_login_url(text: str) -> str:
    """The address browsers are sent to.

    Raises:
        UsageError: it is no plain web address.
    """
    url = text.strip()
    if url and not url.startswith(("http://", "https://")):
        raise UsageError("the login address of a NAS starts with http:// or https://")
    return _check_url("login-url", url) if url else ""


def _check(setting: Setting, text: str) -> str:
    name = setting.name
    if setting.kind is Kind.PEM:
        return _check_pem(name, text)
    if len(text) > _LONGEST or not text.isprintable():
        raise UsageError(f"{name} is one line of at most {_LONGEST} characters")
    if len(text) < setting.shortest:
        raise UsageError(
            f"{name} has at least {setting.shortest} characters; make one: openssl rand -hex 24"
        )
    if setting.choices and text not in setting.choices:
        raise UsageError(f"{name} is one of: {', '.join(setting.choices)}")
    if setting.kind is Kind.URL:
        return _check_url(name, text)
    if setting.kind is Kind.MACS:
        return ",".join(parse_mac(one) for one in text.replace(",", " ").split())
    if setting.kind is Kind.SSIDS:
        return _check_ssids(name, text)
    if setting.kind is Kind.PIN:
        return _check_pin(name, text)
    return text


def _check_ssids(name: str, text: str) -> str:
    try:
        ssids = ssids_in(text, strict=True)
    except ValueError:
        ssids = frozenset()
    if not ssids or any(len(ssid.encode()) > _SSID_OCTETS for ssid in ssids):
        raise UsageError(
            f"{name} are names of Wi-Fi networks of at most {_SSID_OCTETS} octets, with commas"
            " between them; a name that has a comma itself stands in double quotes"
        )
    return ssids_text(ssids)


def _check_url(name: str, text: str) -> str:
    advice = f"{name} is an address such as https://10.0.0.2:8443, without a user name in it"
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise UsageError(advice) from error
    plain = text.isascii() and text.isprintable() and not set(text) & set(' \\"<>;,')
    if not plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(advice)
    if "@" in parts.netloc or parts.fragment:
        raise UsageError(advice)
    if _is_nowhere(parts.hostname):
        raise UsageError(f"{name}: no gateway is at {parts.hostname}")
    return text


def _is_nowhere(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_link_local or address.is_multicast or address.is_unspecified


def _check_pem(name: str, text: str) -> str:
    if len(text) > _LONGEST_PEM:
        raise UsageError(f"{name} has at most {_LONGEST_PEM} characters")
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{name} is a certificate as -----BEGIN CERTIFICATE----- …") from error
    return text


def _check_pin(name: str, text: str) -> str:
    lowered = text.casefold().removeprefix("sha256 fingerprint=")
    if not _PIN.fullmatch(lowered):
        raise UsageError(
            f"{name} is the SHA-256 of the controller's certificate, 64 hex digits, as"
            " `openssl x509 -noout -fingerprint -sha256` prints it"
        )
    return lowered.replace(":", "")
