"""One description of a school's network for all devices: which network, whom to trust, who asks.

Every file for a device is written from this. It never holds an account's password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from common.errors import Refused
from identity.pki.authority import title


class Method(StrEnum):
    """A way to log in, outside and inside of the tunnel."""

    TTLS_PAP = "ttls-pap"
    """Content with an argon2id hash or a directory."""
    PEAP_MSCHAPV2 = "peap-mschapv2"
    """Needs a secret that can be read again."""
    TLS = "tls"
    """Needs a client certificate."""


class Security(StrEnum):
    """The least protection of the air that a device accepts."""

    WPA2 = "wpa2"
    WPA3 = "wpa3"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A CA that devices trust the RADIUS server by."""

    certificate: x509.Certificate

    @property
    def title(self) -> str:
        return title(self.certificate)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def sha1(self) -> bytes:
        """The thumbprint that Windows knows a certificate by."""
        return self.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a name, not a proof

    @property
    def sha256(self) -> bytes:
        """The fingerprint that people compare."""
        return self.certificate.fingerprint(hashes.SHA256())


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpdesk:
    """Whom to ask; what is empty is left out."""

    mail: str = ""
    phone: str = ""
    web: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture of the school."""

    octets: bytes
    mime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientFile:
    """A client certificate with its key in PKCS#12, which a password of its own protects."""

    pkcs12: bytes
    title: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one device is set up with. Without `username` it is anybody's."""

    names: Mapping[str, str]
    """What devices call it, by language; `th` and `en`."""
    identifier: str
    """The same for all profiles of a school, in the reversed form of a DNS name."""
    realm: str
    ssids: tuple[str, ...]
    hidden: bool
    security: Security
    wired: bool
    server_names: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    """The present CA, and during a rollover the one to come."""
    methods: tuple[Method, ...]
    """That may be used, the best first."""
    tls_min: str = "1.2"
    username: str = ""
    client: ClientFile | None = None
    """With the method `tls`."""
    ends_at: datetime | None = None
    """When the account ends; a device may then forget all this."""
    helpdesk: Helpdesk = field(default_factory=Helpdesk)
    logo: Logo | None = None

    def __post_init__(self) -> None:
        for what, values in (
            ("server name", self.server_names),
            ("CA", self.anchors),
            ("method", self.methods),
        ):
            # A device that is told none of them would take any server for the right one.
            if not values:
                raise Refused(f"a profile without a {what} would protect nobody")
        if Method.TLS in self.methods and self.client is None:
            raise Refused("a profile for EAP-TLS needs the client certificate")

    @property
    def method(self) -> Method:
        """The one for systems that take a single one."""
        return self.methods[0]

    @property
    def outer_identity(self) -> str:
        """The name outside of the tunnel, which tells nobody who somebody is."""
        return f"anonymous@{self.realm}" if self.realm else "anonymous"

    @property
    def domain(self) -> str:
        """One name that all server names end with: for systems that take a single one."""
        labels = [name.split(".")[::-1] for name in self.server_names]
        common: list[str] = []
        for parts in zip(*labels, strict=False):
            if len(set(parts)) > 1:
                break
            common.append(parts[0])
        # One label alone would be a whole country's servers.
        return ".".join(reversed(common)) if len(common) > 1 else self.server_names[0]

    @property
    def slug(self) -> str:
        """A file name's beginning in plain letters."""
        first = self.ssids[0] if self.ssids else "wired"
        plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in first)
        return plain.strip("-").lower() or "wifi"


def fingerprint(octets: bytes) -> str:
    """A digest as people compare it: pairs of capital hexadecimal digits, with colons."""
    return octets.hex(":").upper()
