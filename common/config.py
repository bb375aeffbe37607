"""The configuration tree: one TOML file, read once at start-up into frozen values.

Unknown keys are errors that name their path. Every default stands beside its field with
the reason for it. Knows nothing of what the values are used for.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from common.errors import ConfigError, UsageError
from common.net import parse_listen, parse_prefix
from common.urls import is_here, parse_ldap_url

RETENTION_FLOOR_DAYS = 90
"""Computer Crime Act section 26: traffic data is kept at least this long."""


def _listen(text: str) -> str:
    parse_listen(text)
    return text


def _prefix(text: str) -> str:
    try:
        return str(parse_prefix(text))
    except UsageError as error:
        raise ValueError(str(error)) from error


Listen = Annotated[str, AfterValidator(_listen)]
Prefix = Annotated[str, AfterValidator(_prefix)]


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Site(_Section):
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


class Database(_Section):
    url: str = ""
    """Empty means SQLite in the data directory."""
    url_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql+psycopg://")
        return value


class Radius(_Section):
    auth: tuple[Listen, ...] = ("0.0.0.0:1812",)
    acct: tuple[Listen, ...] = ("0.0.0.0:1813",)
    radsec: tuple[Listen, ...] = ()
    workers: int = Field(default=0, ge=0, le=64)
    """0: one a core; on SQLite always 1, because SQLite has one writer."""
    missed_interims: int = Field(default=7, ge=2)
    """A session counts as ended when so many interim updates, one each 300 s, did not come."""
    backend_failure: Literal["silence", "reject"] = "silence"
    """Silence lets the NAS try its next server; docs/decisions/0004."""
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


class Eap(_Section):
    methods: tuple[Literal["ttls", "peap", "tls", "pwd", "gtc", "mschapv2", "md5", "teap"], ...] = (
        "ttls",
        "peap",
        "tls",
    )
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None
    tls_min: Literal["1.2", "1.3"] = "1.2"
    tls_max: Literal["1.2", "1.3"] = "1.3"
    fragment_octets: int = Field(default=1024, ge=64, le=3000)
    """The longest EAP packet sent; a Framed-MTU of the NAS may make it less. Of 1024, with the
    RADIUS around it, no router on the way has to cut anything."""
    pwd_group: Literal[19, 20, 21] = 19
    """The elliptic curve of EAP-pwd: P-256, which every peer must have, P-384 or P-521."""
    maximum_rounds: int = Field(default=50, ge=10, le=500)
    """Requests in one conversation, not counting acknowledged fragments."""


class RadSec(_Section):
    certificate: Path | None = None
    private_key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None
    tls_min: Literal["1.2", "1.3"] = "1.2"
    idle_seconds: int = Field(default=900, ge=30)
    """A connection that says nothing for so long is closed; clients that watch it say more."""
    connections: int = Field(default=1000, ge=1, le=20_000)
    """Each worker's; an office has a handful, a province hundreds."""


class HomeServer(_Section):
    """Whom to ask about people of a foreign realm."""

    host: str
    """An address, or a DNS name."""
    transport: Literal["udp", "radsec"] = "udp"
    port: int = Field(default=0, ge=0, le=65535)
    """0: 1812 for UDP, 2083 for RadSec."""
    acct_port: int = Field(default=1813, ge=1, le=65535)
    """RadSec has one port for both."""
    secret: str = Field(default="", repr=False)
    secret_file: Path | None = None
    certificate_name: str = ""
    """What must stand in a RadSec server's certificate; empty: its host."""
    status_server: bool = True
    """It answers Status-Server (RFC 5997), by which a dead one is noticed to be back."""
    allow_missing_message_authenticator: bool = False
    """For one that cannot sign its answers: they can be forged (CVE-2024-3596)."""


class ProxyRealm(_Section):
    """`name` is a whole realm, a suffix such as `.ac.th`, or `*` for every other."""

    name: str = Field(min_length=1, max_length=253)
    servers: tuple[str, ...] = Field(min_length=1)
    accounting: bool = True
    vlan: int | None = Field(default=None, ge=1, le=4094)

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        if "@" in value or value != value.strip():
            raise ValueError("a realm is written without the @, such as school.example")
        return value.lower()


class Proxy(_Section):
    local_realms: tuple[str, ...] = ()
    """Ours: taken off the user name, which is then looked up here."""
    operator_name: str = ""
    """The realm that tells other institutions where their people log in (RFC 5580)."""
    request_cui: bool = True
    """Ask for a Chargeable-User-Identity: the same person comes back under the same one."""
    maximum_hops: int = Field(default=10, ge=1, le=50)
    answer_seconds: float = Field(default=4.0, ge=0.5, le=30)
    """Until the next server is asked; an access point asks again after 3 to 10 seconds."""
    give_up_seconds: float = Field(default=15.0, ge=1, le=29)
    """Below the 30 s for which a retransmission is known as one."""
    probe_seconds: float = Field(default=10.0, ge=0.5, le=600)
    revive_seconds: float = Field(default=120.0, ge=1)
    """Until a dead server that takes no Status-Server is tried again."""
    server: dict[str, HomeServer] = {}
    realm: tuple[ProxyRealm, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Proxy:
        for name, server in self.server.items():
            if server.transport == "udp" and not (server.secret or server.secret_file):
                raise ValueError(f"the home server {name} needs a secret_file")
        names = [realm.name for realm in self.realm]
        for realm in self.realm:
            for asked in realm.servers:
                if asked not in self.server:
                    raise ValueError(f"the realm {realm.name} names an unknown server {asked}")
            if names.count(realm.name) > 1 or realm.name in self.local_realms:
                raise ValueError(f"the realm {realm.name} is there twice")
        return self


class Web(_Section):
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


class Admin(Web):
    listen: Listen = "127.0.0.1:8081"


class Passwords(_Section):
    """argon2id costs; the defaults are the OWASP minimum (19 MiB, two passes, one lane)."""

    memory_kib: int = Field(default=19456, ge=19456)
    passes: int = Field(default=2, ge=2)
    lanes: int = Field(default=1, ge=1)
    minimum_length: int = Field(default=8, ge=8)


class Collector(_Section):
    netflow: tuple[Listen, ...] = ("0.0.0.0:2055",)
    ipfix: tuple[Listen, ...] = ("0.0.0.0:4739",)
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
    exporters: tuple[Prefix, ...] = ()
    """Who may send flows; empty: anyone who can reach the port."""


class Archive(_Section):
    retention_days: int = Field(default=120, ge=RETENTION_FLOOR_DAYS)
    witnesses: tuple[str, ...] = ()
    segment_seconds: int = Field(default=60, ge=1, le=3600)
    """A segment is written at the latest this long after its first record came."""


class Directory(_Section):
    """A directory (LDAP, Active Directory) whose people may log in; docs/directories.md."""

    url: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = Field(min_length=1)
    """One or a list: the first that answers is asked; the others stand in for it."""
    base_dn: str = Field(min_length=1)
    bind_dn: str = ""
    """The account that searches; empty: the directory lets anybody search."""
    bind_password_file: Path | None = None
    start_tls: bool = False
    """TLS after the beginning, for ldap://; ldaps:// begins with it."""
    ca: Path | None = None
    """Who has issued the directory's certificate; empty: whom the operating system trusts."""
    certificate_name: str = ""
    """What must stand in the certificate; empty: the host of the url."""
    allow_cleartext: bool = False
    """Without TLS passwords cross the network readable; loopback needs no leave."""
    user_filter: str = "(uid={username})"
    """For Active Directory: (&(objectCategory=person)(sAMAccountName={username}))."""
    default_role: str = ""
    """Of people in none of the groups; empty: they are refused."""
    groups: dict[str, str] = {}
    nested_groups: bool = False
    """Also members of groups inside a group; Active Directory alone can search so."""
    timeout_seconds: int = Field(default=3, ge=1, le=15)
    """For a connection and for each answer; an access point asks again after 3 to 10 s."""
    remember_seconds: int = Field(default=60, ge=0, le=300)
    """A proven password is not asked for again: so long the old one works after a change."""
    refresh_minutes: int = Field(default=15, ge=1, le=24 * 60)
    """How often the housekeeper looks whether somebody is still there, and in which groups."""
    offline_days: int = Field(default=0, ge=0, le=90)
    """While the directory is down, whoever it proved in these days gets in; 0: nobody."""
    ntlm_auth: str = ""
    """Command that proves MS-CHAPv2 at Active Directory, such as /usr/bin/ntlm_auth."""

    @field_validator("url")
    @classmethod
    def _ldap_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            parse_ldap_url(url)
        return value

    @field_validator("user_filter")
    @classmethod
    def _finds_a_user(cls, value: str) -> str:
        if "{username}" not in value or not (value.startswith("(") and value.endswith(")")):
            raise ValueError("must be a filter in parentheses that contains {username}")
        if value.count("(") != value.count(")"):
            raise ValueError("a parenthesis is missing")
        return value

    @model_validator(mode="after")
    def _protected(self) -> Directory:
        if bool(self.bind_dn) != (self.bind_password_file is not None):
            raise ValueError("bind_dn and bind_password_file belong together")
        for url in self.url:
            scheme, host, _ = parse_ldap_url(url)
            if not (scheme == "ldaps" or self.start_tls or self.allow_cleartext or is_here(host)):
                raise ValueError(
                    f"{url} would send passwords readable: use ldaps://, or start_tls = true"
                )
        return self


class Config(_Section):
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

    @property
    def data_dir(self) -> Path:
        """Absolute path of the data directory; relative ones start at the working directory."""
        return self.site.data_dir.absolute()

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

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
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    if "source" in tree:
        raise ConfigError("unknown key", "source")
    try:
        return Config.model_validate({**tree, "source": path.absolute()})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown key; see deploy/yuenyan.example.toml for the known ones"
        raise ConfigError(message, key) from error
