"""Small readers that several makes share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from captive_portal.vendors.profile import Arrival, Entry, Forged, Outcome
from common.errors import UsageError
from common.net import find_mac, parse_address

LONGEST_SECONDS = 8 * 3600
"""A school day: for makes that are called once and cannot be told later to end a session."""


def first(query: Mapping[str, str], names: Sequence[str]) -> str:
    """The first of `names` that has a value."""
    return next((query[name] for name in names if query.get(name)), "")


def find_address(text: str) -> str:
    """The address in `text` that a visitor may have, or the empty text."""
    try:
        address = parse_address(text)
    except UsageError:
        return ""
    nobody = address.is_link_local or address.is_multicast or address.is_unspecified
    return "" if nobody or "%" in text else str(address)


def mac_of(text: str) -> str:
    """The address of a device in `text` as twelve hex digits, or the empty text."""
    return find_mac(text) or ""


def language_of(query: Mapping[str, str]) -> str:
    """What the gateway says of the visitor's language."""
    return query.get("lang", "")[:2]


def plain_text(text: str, most: int = 64) -> str:
    """A name that is only shown or compared, such as an SSID; empty when it cannot be one."""
    return text if len(text) <= most and text.isprintable() else ""


def outcome_of(failure: str) -> Outcome:
    """What a redirect is for that says why the last try failed, or says nothing."""
    return Outcome.REFUSED if failure else Outcome.NEW


def nonce(query: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    """The value that goes back to where it came from.

    Raises:
        Forged: it is missing, or no such value.
    """
    value = query.get(name, "")
    if not form.fullmatch(value):
        raise Forged(f"{name} is missing or cannot be")
    return value


def kept(arrival: Arrival, name: str) -> str:
    """What `read` carried for the hand-over.

    Raises:
        Forged: nothing; the network device has become one of another make since.
    """
    if name not in arrival.carried:
        raise Forged(f"{name} was not carried")
    return arrival.carried[name]


def target_of(login_url: str, path: str) -> str:
    """The registered address; where only its origin is registered, with the make's own path."""
    parts = urlsplit(login_url)
    if parts.path in ("", "/") and not parts.query:
        return f"{parts.scheme}://{parts.netloc}{path}"
    return login_url


def at_path(login_url: str, path: str) -> str:
    """Another page of the registered gateway."""
    parts = urlsplit(login_url)
    return f"{parts.scheme}://{parts.netloc}{path}"


def bounded_seconds(entry: Entry) -> int:
    """How long the visitor may stay, at the longest a school day."""
    seconds = entry.session_seconds
    return LONGEST_SECONDS if seconds is None else max(60, min(seconds, LONGEST_SECONDS))


def minutes_of(seconds: int) -> int:
    """Whole minutes, at least one; the last one begun is given."""
    return max(1, -(-seconds // 60))


def megabytes_of(octets: int) -> int:
    """Whole megabytes, at least one."""
    return max(1, octets // 1_000_000)
