"""The configuration tree: one TOML file, read once at start-up into frozen values.

Unknown keys are errors that name their path. Every default stands beside its field with
the reason for it. Knows nothing of what the values are used for.
"""

from __future__ import annotations

import os
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from common.config_access import Directory, Eap, Proxy, RadSec
from common.config_gateway import Gateway
from common.config_mail import Mail
from common.config_office import Clock, OfficeDuties
from common.config_onboarding import Onboarding
from common.config_registration import Registration, Sms
from common.config_section import Listen, Prefix, Section, Sender
from common.config_store import Store
from common.config_vouchers import Vouchers
from common.config_words import told
from common.errors import ConfigError, UsageError
from common.net import parse_address, parse_prefix
from common.witnesses import WitnessAddress, WitnessKind, parse_witness

RETENTION_FLOOR_DAYS = 90
"""Computer Crime Act section 26: traffic data is kept at least this long."""

RETENTION_CEILING_DAYS = 730
"""Personal data is kept no longer than needed; two years is the most that the law ever orders."""


class Site(Section):
    name: str = "Yuenyan"
    timezone: str = "Asia/Bangkok"
    languages: tuple[Literal["th", "en"], ...] = ("th", "en")
    """The first is shown to a visitor who asked for none."""
    data_dir: Path = Path("var")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone; write it like Asia/Bangkok") from error
        return value

    @field_validator("languages")
    @classmethod
    def _some_language(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one language")
        return value


class Database(Section):
    url: str = ""
    """Empty means SQLite in the data directory."""
    url_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql+psycopg://")
        return value


class Radius(Section):
    auth: tuple[Listen, ...] = ("0.0.0.0:1812",)
    acct: tuple[Listen, ...] = ("0.0.0.0:1813",)
    radsec: tuple[Listen, ...] = ()
    workers: int = Field(default=0, ge=0, le=64)
    """0: one a core; on SQLite always 1, because SQLite has one writer."""
    missed_interims: int = Field(default=7, ge=2)
    """A session counts as ended when so many interim updates, one each 300 s, did not come."""
    backend_failure: Literal["silence", "reject"] = "silence"
    """Silence lets the NAS try its next server; docs/decisions/0004."""
    role_changes: Literal["change", "disconnect", "nothing"] = "change"
    """What live sessions hear when their role's VLAN, rates or times change. `change`: equipment
    that can change them is told, others at their next login, because ending a lesson's sessions
    for a rate does more harm than the old rate; `disconnect` ends those others."""
    slow_threads: int = Field(default=0, ge=0, le=64)
    """Threads for argon2; 0: one a core, which is all the processor it can use."""
    slow_queue: int = Field(default=256, ge=1)
    """Logins that may wait for argon2; beyond it a request is dropped and the NAS retries.
    One NAS alone may hold two thirds of it, and each is served in its turn."""
    throttle_account_failures: int = Field(default=10, ge=0)
    """Wrong passwords of one device at one account before that device waits there; 0: never."""
    throttle_device_failures: int = Field(default=100, ge=0)
    """Wrong passwords of one device at any account; a class may share the one at the desk."""
    throttle_longest_seconds: float = Field(default=60.0, ge=1.0, le=3600.0)
    """Waits double from one second to this; whoever forges a device's address slows it no more."""
    throttle_forget_seconds: float = Field(default=60.0, ge=1.0)
    """One wrong password is forgotten in this time, so that a waiting guesser gets one in it."""


class Web(Section):
    public_url: str = ""
    """Empty: the address the browser used."""
    trusted_proxies: tuple[Prefix, ...] = ()
    """X-Forwarded-For is believed from these peers only."""
    workers: int = Field(default=1, ge=1, le=32)
    threads: int = Field(default=8, ge=1, le=128)


class Portal(Web):
    listen: Listen = "0.0.0.0:8080"
    registration_role: str = "guest"
    """The role a self-registered visitor asks for."""
    help_line: str = ""
    """Whom to ask, shown on every page, such as a room and a telephone number."""
    capture_url: str = "http://192.0.2.1"
    """Where a browser goes that scanned a voucher and must come through its gateway: plain http, an
    address that leads nowhere (RFC 5737), so that only a gateway answers. Empty: not offered."""
    own_device_role: str = "device"
    """The role of devices without a login that people register for themselves (role
    own_devices); their own role would bring its quotas and hours to a printer."""

    controller_networks: tuple[Prefix, ...] = ()
    """Where controllers are, beside each network device's own address: officers of one school
    register none elsewhere. An address of this server itself is called only when it is in here."""

    @field_validator("capture_url")
    @classmethod
    def _caught(cls, value: str) -> str:
        if value and (not value.startswith("http://") or len(value) > 200 or "?" in value):
            raise ValueError("give an http:// address: no gateway can catch https")
        return value


class Admin(Web):
    listen: Listen = "127.0.0.1:8081"


class Passwords(Section):
    """argon2id costs; the defaults are the OWASP minimum (19 MiB, two passes, one lane)."""

    memory_kib: int = Field(default=19456, ge=19456)
    passes: int = Field(default=2, ge=2)
    lanes: int = Field(default=1, ge=1)
    minimum_length: int = Field(default=8, ge=8)
    change_first: bool = True
    """Whoever has a password from somebody else (a list, an officer) chooses their own before the
    portal opens the network to them. Off for a school whose small pupils could not."""
    unchanged_by_radius: Literal["keep", "refuse"] = "keep"
    """What RADIUS does with a password that is still to be changed. `keep`, because a phone on
    802.1X has no page on which to change it; `refuse` sends everybody through the portal first."""


class StaticNat(Section):
    """One deterministic translation (RFC 7422): every inside address has its block of ports."""

    inside: Prefix
    outside: str
    first_port: int = Field(default=1024, ge=0, le=65535)
    ports: int = Field(ge=1, le=65536)
    """Of each inside address, in the order of the addresses."""
    since: datetime | None = None
    """When the gateway was set up so; None: it always was."""
    until: datetime | None = None

    @field_validator("outside")
    @classmethod
    def _an_address(cls, value: str) -> str:
        try:
            return str(parse_address(value))
        except UsageError as error:
            raise ValueError(str(error)) from error

    @field_validator("since", "until")
    @classmethod
    def _with_offset(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("write the time with its offset, like 2026-05-16T00:00:00+07:00")
        return value

    @model_validator(mode="after")
    def _ports_suffice(self) -> StaticNat:
        hosts = parse_prefix(self.inside).num_addresses
        if self.first_port + hosts * self.ports > 65536:
            raise ValueError(
                f"{hosts} addresses with {self.ports} ports each do not fit above port"
                f" {self.first_port}; name a smaller prefix or fewer ports"
            )
        return self


class Collector(Section):
    netflow: tuple[Listen, ...] = ("0.0.0.0:2055",)
    ipfix: tuple[Listen, ...] = ("0.0.0.0:4739",)
    ipfix_tcp: tuple[Listen, ...] = ()
    """RFC 7011 section 10.4, port 4739; off, because exporters send by UDP unless told."""
    ipfix_tls: tuple[Listen, ...] = ()
    """RFC 7011 section 11.2, port 4740; presents what `syslog_tls` does."""
    ipfix_ca: Path | None = None
    """Issuers of the exporters' certificates; None: none is asked for."""
    ipfix_connections: int = Field(default=64, ge=1, le=10_000)
    """TCP and TLS together, an eighth of them, at least four, from one address: a school has one or
    two exporters, and each holds one connection."""
    syslog: tuple[Listen, ...] = ("0.0.0.0:5514",)
    inside: tuple[Prefix, ...] = (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    )
    """Addresses of clients: RFC 1918, RFC 6598 and RFC 4193, plus the site's own prefixes."""
    receive_buffer_octets: int = Field(default=64 << 20, ge=1 << 16)
    """One second at 400,000 flows/s; without root the kernel's net.core.rmem_max caps it."""
    exporters: tuple[Sender, ...] = ()
    """Who may send flows; empty: this machine and the registered NAS, because whoever else can
    reach the port could make up records. `any` must be said."""
    without_destinations: tuple[Prefix, ...] = ()
    """Of whose records the outside ends of connections are not kept (PDPA section 22). None,
    because Linux and RouterOS give one outside port to several people at once, whom only the
    destination tells apart; a gateway with blocks of ports needs none."""
    syslog_tcp: tuple[Listen, ...] = ()
    """RFC 6587; off, because UDP is what equipment sends when nobody changed it."""
    syslog_tls: tuple[Listen, ...] = ()
    """RFC 5425, whose port is 6514."""
    syslog_certificate: Path | None = None
    """None: the certificate that EAP and RadSec present."""
    syslog_private_key: Path | None = None
    syslog_ca: Path | None = None
    """Issuers of the senders' certificates; None: none is asked for."""
    syslog_connections: int = Field(default=256, ge=1, le=10_000)
    """TCP and TLS together; one sender may hold an eighth of them, at least four."""
    loggers: tuple[Prefix, ...] = ()
    """Who may send syslog; empty: the prefixes of `exporters`; both empty: this machine alone,
    because a line can make somebody a suspect. With `syslog_ca` a certificate will do over TLS."""
    own_servers: tuple[Prefix, ...] = ()
    """The site's own servers: of their access logs alone the path of a page is kept."""
    silent_minutes: int = Field(default=60, ge=1, le=43_200)
    """A sender of translations or leases that is silent for longer is a gap of the records; an
    hour, because a small school's gateway has nothing to tell for minutes."""
    static_nat: tuple[StaticNat, ...] = ()
    """Deterministic translations, of which no device sends a log."""


class Archive(Section):
    retention_days: int = Field(default=120, ge=RETENTION_FLOOR_DAYS, le=RETENTION_CEILING_DAYS)
    """A month above the floor: an order that takes its time still finds the records."""
    disk_full: Literal["warn", "refuse-logins"] = "warn"
    """At 95 % of the disk. `refuse-logins` lets nobody new in whose records could not be kept;
    `warn` keeps the lesson going, because a full disk then loses records and says so in gaps."""
    witnesses: tuple[str, ...] = ()
    """Who is shown each seal, so that whoever holds this machine and its key is found out."""
    witness_ca: Path | None = None
    """Who has issued the certificates of https witnesses; None: whom the system trusts."""
    timestamp_ca: Path | None = None
    """Who has issued the certificates of time-stamping authorities; the system trusts none."""
    segment_seconds: int = Field(default=60, ge=1, le=3600)
    """A segment is written at the latest this long after its first record came."""

    @field_validator("witnesses")
    @classmethod
    def _known_witnesses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            parse_witness(text)
        if len(set(value)) < len(value):
            raise ValueError("a witness is named twice")
        return value

    @model_validator(mode="after")
    def _authorities(self) -> Archive:
        if self.timestamp_ca is None and any(
            witness.kind is WitnessKind.TIMESTAMP for witness in self.witness_addresses
        ):
            raise ValueError("a tsa+ witness needs timestamp_ca, or its stamps prove nothing")
        return self

    @property
    def witness_addresses(self) -> tuple[WitnessAddress, ...]:
        return tuple(parse_witness(text) for text in self.witnesses)


class Lookup(Section):
    second_person: bool = False
    """Names behind a look-up are shown only after another officer agreed. Off: a small office
    has one officer, and a duty nobody can fulfil would be met with a shared password."""
    approval_hours: int = Field(default=24, ge=1, le=168)
    """How long an approval unlocks its question; a working day and the next morning."""
    confidentiality: tuple[str, str] = ("ปกติ", "ลับ")
    """The office's words for what anybody on duty may see, and for what names people."""

    @field_validator("confidentiality")
    @classmethod
    def _some_words(cls, value: tuple[str, str]) -> tuple[str, str]:
        if not all(word.strip() and len(word) <= 40 for word in value):
            raise ValueError("give two words, each of at most 40 characters")
        return value


class Config(Section):
    """The whole tree. `source` is the file it came from, or None for built-in defaults."""

    source: Path | None = None
    site: Site = Site()
    database: Database = Database()
    radius: Radius = Radius()
    eap: Eap = Eap()
    radsec: RadSec = RadSec()
    proxy: Proxy = Proxy()
    portal: Portal = Portal()
    admin: Admin = Admin()
    passwords: Passwords = Passwords()
    collector: Collector = Collector()
    archive: Archive = Archive()
    store: Store = Store()
    clock: Clock = Clock()
    office: OfficeDuties = OfficeDuties()
    mail: Mail = Mail()
    sms: Sms = Sms()
    registration: Registration = Registration()
    vouchers: Vouchers = Vouchers()
    lookup: Lookup = Lookup()
    gateway: Gateway = Gateway()
    onboarding: Onboarding = Onboarding()
    directory: dict[str, Directory] = {}
    """In the order in which they are asked for a name that is not known here."""

    @field_validator("directory")
    @classmethod
    def _plain_names(cls, value: dict[str, Directory]) -> dict[str, Directory]:
        for name in value:
            if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
                raise ValueError(f"{name!r}: name it with letters, digits, - and _")
        return value

    @model_validator(mode="after")
    def _tls_order(self) -> Config:
        if self.eap.tls_min > self.eap.tls_max:
            raise ValueError("eap.tls_min is above eap.tls_max")
        return self

    @model_validator(mode="after")
    def _letters_can_go(self) -> Config:
        letters = [w for w in self.archive.witness_addresses if w.kind is WitnessKind.MAIL]
        if letters and not self.mail.host:
            raise ValueError(f"the witness {letters[0].text} needs [mail] host")
        return self

    @property
    def data_dir(self) -> Path:
        """Absolute path of the data directory; relative ones start at the working directory."""
        return self.site.data_dir.absolute()

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def gateway_state(self) -> Path:
        """Where our own gateway keeps who is admitted and what is still to be accounted."""
        return self.gateway.state_file or self.data_dir / "gateway.db"

    @property
    def ca_dir(self) -> Path:
        """Where `yuenyan init` and `yuenyan cert` keep the site's own CA and certificates."""
        return self.data_dir / "ca"

    @property
    def eap_certificate(self) -> Path:
        """The chain the server presents in EAP: of [eap], or the site's own."""
        return self.eap.certificate or self.ca_dir / "server.pem"

    @property
    def eap_private_key(self) -> Path:
        """Its key; a certificate from elsewhere without one holds it in the same file."""
        return self.eap.private_key or self.eap.certificate or self.ca_dir / "server.key"

    @property
    def eap_ca(self) -> Path:
        """The issuers of client certificates: of [eap], or the site's own."""
        return self.eap.ca or self.ca_dir / "ca.pem"

    @property
    def eap_crl(self) -> Path | None:
        """Their revocation lists; None for issuers from elsewhere without any."""
        return self.eap.crl or (None if self.eap.ca else self.ca_dir / "crl.pem")

    @property
    def radsec_certificate(self) -> Path:
        return self.radsec.certificate or self.eap_certificate

    @property
    def radsec_private_key(self) -> Path:
        return self.radsec.private_key or self.radsec.certificate or self.eap_private_key

    @property
    def radsec_ca(self) -> Path:
        return self.radsec.ca or self.eap_ca

    @property
    def syslog_certificate(self) -> Path:
        return self.collector.syslog_certificate or self.eap_certificate

    @property
    def syslog_private_key(self) -> Path:
        own = self.collector.syslog_private_key or self.collector.syslog_certificate
        return own or self.eap_private_key

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL: YUENYAN_DATABASE_URL, then url, then url_file, then SQLite."""
        from_environment = os.environ.get("YUENYAN_DATABASE_URL")
        if from_environment:
            return from_environment
        if self.database.url:
            return self.database.url
        if self.database.url_file is not None:
            try:
                return self.database.url_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(
                    f"cannot read {self.database.url_file}", "database.url_file"
                ) from error
        return f"sqlite:///{self.data_dir / 'yuenyan.db'}"

    @property
    def is_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def locate(option: str | None) -> Path | None:
    """The configuration file to use: option, $YUENYAN_CONFIG, ./yuenyan.toml, or None."""
    named = option or os.environ.get("YUENYAN_CONFIG")
    if named:
        return Path(named)
    here = Path("yuenyan.toml")
    return here if here.exists() else None


def load(path: Path | None) -> Config:
    """Read `path` (None: built-in defaults) into a frozen tree.

    Raises:
        ConfigError: the file is missing, is not TOML, has an unknown key or a bad value;
            the message names the key.
    """
    if path is None:
        return Config()
    try:
        # Notepad's "UTF-8 with BOM" begins with a mark that TOML does not know.
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8; save the file as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if "source" in tree:
        raise ConfigError("unknown key", "source")
    try:
        return Config.model_validate({**tree, "source": path.absolute()})
    except ValidationError as error:
        raise told(error.errors()[0]) from error
