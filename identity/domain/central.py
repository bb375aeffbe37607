"""Central web authentication: a caught device, as RADIUS names it to the portal.

The controller asks for the device by its address, is told to send its browser to the portal, and
asks again when the portal has it do so. What RADIUS knows of the first asking travels in the
redirect, sealed: the portal believes that text and nothing else of the address. Pure.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

MODE, CENTRAL = "mode", "cwa"
ACL, SSIDS = "redirect_acl", "ssids"
"""Settings of a network device (captive_portal.vendors.cisco): the mode, and what it needs."""

MAKES = frozenset({"cisco"})
"""Makes that have the mode."""

PARAMETER = "c"
"""Of the redirect."""

LIFETIME = timedelta(hours=2)
"""How long a redirect is good; RADIUS has the controller ask again before."""

SESSION_SECONDS = 3600
"""Of a device that only waits: then the controller asks again and has a fresh redirect."""

LONGEST_ADDRESS = 234
"""Octets of a redirect: what an attribute of Cisco's holds beside `url-redirect=`."""

_SESSION = re.compile(r"[0-9A-Za-z:._/-]{8,64}")
_CHECK_OCTETS = 16
_NUMBER_OCTETS = 4


class NotSent(StrEnum):
    """Why a controller with the mode has an unknown device refused; the step in its trace."""

    NO_ACL = "central:no_redirect_acl"
    NO_SSIDS = "central:no_ssids"
    NO_ADDRESS = "central:no_public_url"
    TOO_LONG = "central:address_too_long"
    SSID_UNTOLD = "central:ssid_untold"
    """Called-Station-Id names no SSID."""
    OTHER_SSID = "central:other_ssid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralTerms:
    """What sending devices to the portal takes, for one network device."""

    acl: str
    """Name of the list on it that says what is redirected."""
    address: str
    """Of its page in the portal, `…/p/NAME/`."""
    ssids: frozenset[str]
    """Whose devices are sent: an Access-Accept on a network that the controller does not redirect
    would let the device in."""
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Whom the portal has proven for a device, and until when that holds."""

    username: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """A device that waits, as its controller has told RADIUS."""

    station: str
    """Twelve hex digits."""
    session: str
    """The controller's own name for the connection (audit-session-id)."""
    calling: str
    """Calling-Station-Id, as it writes it."""
    nas_address: str = ""
    """NAS-IP-Address."""
    source: str = ""
    """The address it asked from."""
    issued_at: datetime


def ssids_in(text: str, *, strict: bool = False) -> frozenset[str]:
    """The names in a setting, with commas between; one that has a comma itself stands in quotes.

    Raises:
        ValueError: with `strict`, a quote is not closed, or something stands behind a closing one.
    """
    try:
        names = next(csv.reader([text], skipinitialspace=True, strict=strict), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return frozenset(name.strip() for name in names if name.strip())


def ssids_text(names: Iterable[str]) -> str:
    """`names` as `ssids_in` reads them."""
    return ",".join(map(_quoted, sorted(names)))


def _quoted(name: str) -> str:
    if "," not in name and not name.startswith('"'):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def is_session(text: str) -> bool:
    """Whether a controller may call a connection so."""
    return _SESSION.fullmatch(text) is not None


def redirect_to(terms: CentralTerms, nas_client_id: int, caught: Caught) -> str | None:
    """Where a controller sends the device's browser; None when it would not fit."""
    address = f"{terms.address}?{PARAMETER}={seal(terms.key, nas_client_id, caught)}"
    return address if len(address) <= LONGEST_ADDRESS else None


def seal(key: bytes, nas_client_id: int, caught: Caught) -> str:
    """`caught` as a text that goes into an address; good at this network device alone."""
    fields = (caught.session, caught.calling, caught.nas_address, caught.source)
    body = (
        int(caught.issued_at.timestamp()).to_bytes(_NUMBER_OCTETS, "big")
        + bytes.fromhex(caught.station)
        + "\0".join(fields).encode()
    )
    sealed = base64.urlsafe_b64encode(body + _check(key, nas_client_id, body))
    return sealed.decode().rstrip("=")


def open_sealed(key: bytes, nas_client_id: int, text: str, now: datetime) -> Caught | None:
    """What `seal` has made; None when it did not make this here, or too long ago."""
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    body, check = octets[:-_CHECK_OCTETS], octets[-_CHECK_OCTETS:]
    if len(octets) <= _CHECK_OCTETS or not hmac.compare_digest(
        _check(key, nas_client_id, body), check
    ):
        return None
    issued_at = datetime.fromtimestamp(int.from_bytes(body[:_NUMBER_OCTETS], "big"), UTC)
    station = body[_NUMBER_OCTETS : _NUMBER_OCTETS + 6].hex()
    session, calling, nas_address, source = body[_NUMBER_OCTETS + 6 :].decode().split("\0")
    if issued_at + LIFETIME <= now:
        return None
    return Caught(
        station=station,
        session=session,
        calling=calling,
        nas_address=nas_address,
        source=source,
        issued_at=issued_at,
    )


def _check(key: bytes, nas_client_id: int, body: bytes) -> bytes:
    told = nas_client_id.to_bytes(8, "big") + body
    return hashlib.blake2b(told, key=key, digest_size=_CHECK_OCTETS).digest()
