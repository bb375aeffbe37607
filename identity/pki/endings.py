"""When the certificates and revocation lists of this site end, and how near that is.

Reads public files alone, so that every process may ask. Judges no signature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from common.config import Config
from common.errors import ConfigError, NetAccessError
from identity.pki.authority import title
from identity.pki.folder import read_certificates, read_crls

WARNING_DAYS = (60, 30, 7)
"""A first word while there is time for a plan, then louder."""


class Item(StrEnum):
    """What it is that ends."""

    SERVER = "server"
    RADSEC = "radsec"
    COLLECTOR = "collector"
    CA = "ca"
    CRL = "crl"


class Urgency(StrEnum):
    """How near the end is."""

    FINE = "fine"
    SOON = "soon"
    """Within 60 days."""
    NEAR = "near"
    """Within 30 days."""
    NOW = "now"
    """Within 7 days."""
    ENDED = "ended"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One thing that ends. `ends_at` is None and `problem` says why when it cannot be read."""

    item: Item
    path: Path
    title: str = ""
    ends_at: datetime | None = None
    problem: str = ""

    def days_left(self, now: datetime) -> int:
        """Whole days until the end; 0 when it is over or cannot be read."""
        return max(0, (self.ends_at - now).days) if self.ends_at else 0

    def urgency(self, now: datetime) -> Urgency:
        """How near the end is at `now`."""
        if self.ends_at is None:
            return Urgency.UNREADABLE
        if self.ends_at <= now:
            return Urgency.ENDED
        for days, urgency in zip(
            reversed(WARNING_DAYS), (Urgency.NOW, Urgency.NEAR, Urgency.SOON), strict=True
        ):
            if (self.ends_at - now).total_seconds() <= days * 86_400:
                return urgency
        return Urgency.FINE


def find_endings(config: Config) -> Iterator[Ending]:
    """Everything a login depends on, in the order an officer would look at it.

    The server's certificate, every CA whose client certificates are accepted, and every
    revocation list: each one refuses whoever is below its issuer once it has ended. RadSec's, too,
    where it has its own; and the collector's, without which no record comes over TLS.
    """
    yield from _certificates(Item.SERVER, config.eap_certificate, first_only=True)
    if config.radsec_certificate != config.eap_certificate:
        yield from _certificates(Item.RADSEC, config.radsec_certificate, first_only=True)
    takes_tls = config.collector.syslog_tls or config.collector.ipfix_tls
    known = (config.eap_certificate, config.radsec_certificate)
    if takes_tls and config.syslog_certificate not in known:
        yield from _certificates(Item.COLLECTOR, config.syslog_certificate, first_only=True)
    yield from _certificates(Item.CA, config.eap_ca)
    if config.radsec_ca != config.eap_ca:
        yield from _certificates(Item.CA, config.radsec_ca)
    if config.eap_crl is not None:
        yield from _lists(config.eap_crl)
    if config.radsec.crl is not None and config.radsec.crl != config.eap_crl:
        yield from _lists(config.radsec.crl)


def _certificates(item: Item, path: Path, *, first_only: bool = False) -> Iterator[Ending]:
    try:
        found = read_certificates(path)
    except NetAccessError as error:
        yield Ending(item=item, path=path, problem=str(error))
        return
    for one in found[:1] if first_only else found:
        yield Ending(item=item, path=path, title=title(one), ends_at=one.not_valid_after_utc)


def _lists(path: Path) -> Iterator[Ending]:
    try:
        found = read_crls(path)
        if not found:
            raise ConfigError(f"there is no revocation list {path}")
    except NetAccessError as error:
        yield Ending(item=Item.CRL, path=path, problem=str(error))
        return
    for one in found:
        if one.next_update_utc is None:
            continue  # it never ends
        issuer = one.issuer.rfc4514_string().removeprefix("CN=")
        yield Ending(item=Item.CRL, path=path, title=issuer, ends_at=one.next_update_utc)
